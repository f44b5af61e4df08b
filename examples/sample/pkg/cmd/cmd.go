// Package cmd is the command line.
package cmd

import (
	"context"
	"fmt"
	"os"

	"code.vikunja.io/api/pkg/config"
	"code.vikunja.io/api/pkg/db"
	"code.vikunja.io/api/pkg/files"
	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/migration"
	"code.vikunja.io/api/pkg/misbehave"
	"code.vikunja.io/api/pkg/version"
)

const usage = `Usage: vikunja [command]

  web                         migrate the database and serve (the default)
  version                     print the version
  migrate                     run pending migrations
  migrate list                list the migrations the database has
  doctor                      check configuration, database, files and redis
  healthcheck                 migrate, and exit 0 if the database answers
  user list [-e]              list the accounts
  user create -u -e [-p]      create an account
  user reset-password ID -d [-p]        give it another password
  user change-status ID [-e|-d]         enable or disable it
  user delete ID [-n [-c]]    delete it, or ask by mail whether to
  user set-admin ID --admin   refused: that takes a license
`

// Execute runs one command and returns the process's exit code.
func Execute(arguments []string) int {
	if len(arguments) == 0 {
		arguments = []string{"web"}
	}
	name, rest := arguments[0], arguments[1:]
	switch name {
	case "version":
		fmt.Printf("Vikunja sample application %s\n", misbehave.Version(version.Version))
		return 0
	case "help", "-h", "--help":
		fmt.Print(usage)
		return 0
	}
	commands := map[string]func(config.Config, []string) error{
		"web":         web,
		"migrate":     migrate,
		"doctor":      doctor,
		"healthcheck": healthcheck,
		"user":        user,
	}
	command, ok := commands[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "Error: unknown command %q for \"vikunja\"\n\n%s", name, usage)
		return 1
	}
	settings, err := config.Load()
	if err == nil {
		err = log.Setup(settings.LogStandard, settings.LogPath, settings.LogLevel)
	}
	for _, warning := range settings.Warnings {
		log.Warningf("%s", warning)
	}
	if err == nil {
		err = command(settings, rest)
	}
	if err != nil {
		log.Criticalf("%v", err)
		return 1
	}
	return 0
}

// openAll is Vikunja's full initialisation: database, pending migrations, files.
func openAll(settings config.Config) (*db.DB, *files.Store, error) {
	database, err := db.Open(settings)
	if err != nil {
		return nil, nil, err
	}
	if err := migration.Run(context.Background(), database); err != nil {
		return nil, nil, err
	}
	store, err := files.Open(settings.FilesBasePath, settings.FilesMaxSize.Bytes)
	return database, store, err
}
