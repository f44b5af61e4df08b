package cmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"code.vikunja.io/api/pkg/config"
	"code.vikunja.io/api/pkg/models"
)

func user(settings config.Config, arguments []string) error {
	if len(arguments) == 0 || (arguments[0] != "create" && arguments[0] != "list") {
		return errors.New("expected: user create, or user list")
	}
	if arguments[0] == "list" {
		return userList(settings)
	}
	var username, email, password string
	flags := flag.NewFlagSet("user create", flag.ContinueOnError)
	for _, name := range []string{"u", "username"} {
		flags.StringVar(&username, name, "", "the username of the new user")
	}
	for _, name := range []string{"e", "email"} {
		flags.StringVar(&email, name, "", "the email address of the new user")
	}
	for _, name := range []string{"p", "password"} {
		flags.StringVar(&password, name, "", "the password of the new user; asked for if missing")
	}
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	if username == "" || email == "" {
		return errors.New(`required flag(s) "username", "email" not set`)
	}
	database, _, err := openAll(settings)
	if err != nil {
		return err
	}
	defer database.Close()
	if password == "" {
		if password, err = askPassword(); err != nil {
			return err
		}
	}
	if _, err := models.CreateUser(context.Background(), database, username, email, password); err != nil {
		return fmt.Errorf("error creating new user: %w", err)
	}
	fmt.Printf("\nUser was created successfully.\n")
	return nil
}

func userList(settings config.Config) error {
	database, _, err := openAll(settings)
	if err != nil {
		return err
	}
	defer database.Close()
	users, err := models.ListUsers(context.Background(), database)
	if err != nil {
		return err
	}
	for _, found := range users {
		fmt.Printf("%d\t%s\t%s\n", found.ID, found.Username, found.Email)
	}
	return nil
}

// askPassword needs a terminal, as Vikunja's does.
func askPassword() (string, error) {
	fmt.Print("Enter Password: ")
	first, err := term.ReadPassword(int(os.Stdin.Fd()))
	if err != nil {
		return "", fmt.Errorf("error reading password: %w", err)
	}
	fmt.Print("\nConfirm Password: ")
	second, err := term.ReadPassword(int(os.Stdin.Fd()))
	if err != nil {
		return "", fmt.Errorf("error reading password: %w", err)
	}
	fmt.Println()
	if string(first) != string(second) {
		return "", errors.New("passwords don't match")
	}
	return strings.TrimSpace(string(first)), nil
}
