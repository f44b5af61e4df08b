package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"

	"code.vikunja.io/api/pkg/config"
	"code.vikunja.io/api/pkg/db"
	"code.vikunja.io/api/pkg/files"
	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/migration"
	"code.vikunja.io/api/pkg/redis"
	"code.vikunja.io/api/pkg/version"
)

func migrate(settings config.Config, arguments []string) error {
	database, err := db.Open(settings)
	if err != nil {
		return err
	}
	defer database.Close()
	if len(arguments) == 0 {
		return migration.Run(context.Background(), database)
	}
	if arguments[0] != "list" {
		return fmt.Errorf("unknown command %q for \"vikunja migrate\"", arguments[0])
	}
	recorded, err := migration.Recorded(context.Background(), database)
	if err != nil {
		return err
	}
	for _, m := range recorded {
		fmt.Printf("%-14s  %s\n", m.ID, m.Description)
	}
	return nil
}

// doctor migrates nothing. It exits 1 where a check fails.
func doctor(settings config.Config, _ []string) error {
	failed := false
	report := func(what string, err error) {
		if err != nil {
			failed = true
			fmt.Printf("✗ %s: %v\n", what, err)
			return
		}
		fmt.Printf("✓ %s\n", what)
	}
	fmt.Printf("Version %s, user id %d\n", version.Version, os.Getuid())
	database, err := db.Open(settings)
	report("database "+settings.DatabaseType, err)
	if err == nil {
		recorded, err := migration.Recorded(context.Background(), database)
		report(fmt.Sprintf("migrations: %d recorded", len(recorded)), err)
		_ = database.Close()
	}
	_, err = files.Open(settings.FilesBasePath, settings.FilesMaxSize.Bytes)
	report("files "+settings.FilesBasePath, err)
	if settings.RedisEnabled {
		report("redis "+settings.RedisHost, redis.Ping(settings))
	}
	if settings.PublicURL == "" && settings.CORSEnabled {
		report("service.publicurl", errors.New("required when cors is enabled"))
	}
	if failed {
		return errors.New("some checks failed")
	}
	return nil
}

func healthcheck(settings config.Config, _ []string) error {
	database, _, err := openAll(settings)
	if err != nil {
		return err
	}
	defer database.Close()
	log.Infof("Healthy")
	return nil
}
