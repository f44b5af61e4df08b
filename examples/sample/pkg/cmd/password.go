package cmd

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"code.vikunja.io/api/pkg/log"
)

// askPassword needs a terminal, as Vikunja's does. Two that differ are reported, and the first one is
// taken all the same; spaces around it are dropped.
func askPassword() (string, error) {
	fmt.Print("Enter Password: ")
	first, err := term.ReadPassword(int(os.Stdin.Fd()))
	if err != nil {
		return "", fmt.Errorf("Error reading password: %w", err)
	}
	fmt.Print("\nConfirm Password: ")
	second, err := term.ReadPassword(int(os.Stdin.Fd()))
	if err != nil {
		return "", fmt.Errorf("Error reading password: %w", err)
	}
	if string(first) != string(second) {
		log.Criticalf("Passwords don't match!")
	}
	fmt.Println()
	return strings.TrimSpace(string(first)), nil
}

// passwordOr is the password of the flag, or one that is asked for.
func passwordOr(flagged string) (string, error) {
	if flagged != "" {
		return flagged, nil
	}
	return askPassword()
}
