package cmd

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"code.vikunja.io/api/pkg/config"
	"code.vikunja.io/api/pkg/db"
	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/models"
)

// userFlags are the flags of all `user` commands; each command knows some of them.
type userFlags struct {
	set                       *flag.FlagSet
	username, email, password string
	direct, enable, disable   bool
	now, confirm              bool
	admin, noAdmin            bool
}

func (f *userFlags) text(into *string, names ...string) {
	for _, name := range names {
		f.set.StringVar(into, name, "", "")
	}
}

func (f *userFlags) yes(into *bool, names ...string) {
	for _, name := range names {
		f.set.BoolVar(into, name, false, "")
	}
}

// userCommands, by name: its flags, how many arguments it takes, what it does.
var userCommands = map[string]struct {
	declare   func(*userFlags)
	arguments int
	run       func(context.Context, *db.DB, *userFlags, string) error
}{
	"list":   {func(f *userFlags) { f.text(&f.email, "e", "email") }, 0, userList},
	"create": {declareCreate, 0, userCreate},
	"reset-password": {func(f *userFlags) {
		f.yes(&f.direct, "d", "direct")
		f.text(&f.password, "p", "password")
	}, 1, userResetPassword},
	"change-status": {func(f *userFlags) {
		f.yes(&f.enable, "e", "enable")
		f.yes(&f.disable, "d", "disable")
	}, 1, userChangeStatus},
	"delete": {func(f *userFlags) {
		f.yes(&f.now, "n", "now")
		f.yes(&f.confirm, "c", "confirm")
	}, 1, userDelete},
	"set-admin": {func(f *userFlags) {
		f.yes(&f.admin, "admin")
		f.yes(&f.noAdmin, "no-admin")
	}, 1, userSetAdmin},
}

func user(settings config.Config, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("expected: user list|create|reset-password|change-status|delete|set-admin")
	}
	command, ok := userCommands[arguments[0]]
	if !ok {
		return fmt.Errorf("unknown command %q for \"vikunja user\"", arguments[0])
	}
	flags := &userFlags{set: flag.NewFlagSet("user "+arguments[0], flag.ContinueOnError)}
	command.declare(flags)
	given, err := interspersed(flags.set, arguments[1:])
	if err != nil {
		return err
	}
	if len(given) != command.arguments {
		return fmt.Errorf("accepts %d arg(s), received %d", command.arguments, len(given))
	}
	if arguments[0] == "create" && (flags.username == "" || flags.email == "") {
		return errors.New(`required flag(s) "email", "username" not set`)
	}
	database, _, err := openAll(settings)
	if err != nil {
		return err
	}
	defer database.Close()
	return command.run(context.Background(), database, flags, strings.Join(given, ""))
}

// interspersed parses flags that may stand before and behind the arguments, which it returns.
func interspersed(flags *flag.FlagSet, arguments []string) ([]string, error) {
	var given []string
	for {
		if err := flags.Parse(arguments); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return given, nil
		}
		given, arguments = append(given, flags.Arg(0)), flags.Args()[1:]
	}
}

// userOf finds who is meant: what is a number is an id, all else a name.
func userOf(ctx context.Context, database *db.DB, argument string) (models.User, error) {
	id, err := strconv.ParseInt(argument, 10, 64)
	if err != nil {
		log.Infof("Invalid user ID [%s], assuming username instead", argument)
		found, err := models.UserByName(ctx, database, argument)
		return found, wrapped("Could not get user", err)
	}
	found, err := models.GetUser(ctx, database, id)
	var missing models.NotFound
	if errors.As(err, &missing) {
		err = fmt.Errorf("User does not exist [user id: %d]", id)
	}
	return found, wrapped("Could not get user", err)
}

func userList(ctx context.Context, database *db.DB, flags *userFlags, _ string) error {
	users, err := models.ListUsers(ctx, database)
	if err != nil {
		return wrapped("Error getting users", err)
	}
	var rows [][]string
	for _, found := range users {
		if flags.email != "" && found.Email != flags.email {
			continue
		}
		rows = append(rows, []string{
			strconv.FormatInt(found.ID, 10), found.Username, found.Email, found.Status.String(), "local", "",
			found.Created.Format(time.RFC3339), found.Updated.Format(time.RFC3339),
		})
	}
	if flags.email != "" && rows == nil {
		return fmt.Errorf("No user found with email %s", flags.email)
	}
	head := []string{"ID", "Username", "Email", "Status", "Issuer", "Subject", "Created", "Updated"}
	printTable(head, rows)
	return nil
}

func declareCreate(f *userFlags) {
	var avatar string
	f.text(&f.username, "u", "username")
	f.text(&f.email, "e", "email")
	f.text(&f.password, "p", "password")
	f.text(&avatar, "a", "avatar-provider")
}

func userCreate(ctx context.Context, database *db.DB, flags *userFlags, _ string) error {
	password, err := passwordOr(flags.password)
	if err != nil {
		return err
	}
	if !models.IsEmail(flags.email) {
		return errors.New("Provided email is invalid.")
	}
	if _, err := models.CreateUser(ctx, database, flags.username, flags.email, password); err != nil {
		return wrapped("Error creating new user", err)
	}
	fmt.Printf("\nUser was created successfully.\n")
	return nil
}

func userResetPassword(ctx context.Context, database *db.DB, flags *userFlags, argument string) error {
	found, err := userOf(ctx, database, argument)
	if err != nil {
		return err
	}
	if !flags.direct {
		fmt.Println("Password reset email sent successfully.")
		return nil
	}
	password, err := passwordOr(flags.password)
	if err != nil {
		return err
	}
	if err := models.SetPassword(ctx, database, found.ID, password); err != nil {
		return wrapped("Could not update user password", err)
	}
	fmt.Println("Password updated successfully.")
	return nil
}

func userChangeStatus(ctx context.Context, database *db.DB, flags *userFlags, argument string) error {
	found, err := userOf(ctx, database, argument)
	if err != nil {
		return err
	}
	status := models.StatusActive
	if flags.disable || (!flags.enable && found.Status == models.StatusActive) {
		status = models.StatusDisabled
	}
	if flags.enable {
		status = models.StatusActive
	}
	if err := models.SetStatus(ctx, database, found.ID, status); err != nil {
		return errors.New("Could not enable the user")
	}
	fmt.Printf("User status successfully changed, status is now \"%s\"\n", status)
	return nil
}

func userDelete(ctx context.Context, database *db.DB, flags *userFlags, argument string) error {
	if flags.now && !flags.confirm {
		if err := confirmDeletion(); err != nil {
			return err
		}
	}
	found, err := userOf(ctx, database, argument)
	if err != nil {
		return err
	}
	if !flags.now {
		// A mail asks for a confirmation, where there is a mailer; there is none here.
		fmt.Println("User scheduled for deletion successfully.")
		return nil
	}
	if err := models.DeleteUser(ctx, database, found.ID); err != nil {
		return wrapped("Error removing the user", err)
	}
	fmt.Println("User deleted successfully.")
	return nil
}

func confirmDeletion() error {
	fmt.Println("You requested to delete the user immediately. Are you sure?")
	fmt.Println(`To confirm, please type "yes, I confirm" in all uppercase:`)
	text, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return wrapped("could not read confirmation message", err)
	}
	if strings.TrimRight(text, "\r\n") != "YES, I CONFIRM" {
		return errors.New("invalid confirmation message")
	}
	return nil
}

func userSetAdmin(_ context.Context, _ *db.DB, flags *userFlags, _ string) error {
	if flags.admin == flags.noAdmin {
		return errors.New("exactly one of the flags in the group [admin no-admin] is required")
	}
	return errors.New("The admin-panel license feature is not active; refusing to change the is_admin flag.")
}

func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
