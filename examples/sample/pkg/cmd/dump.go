package cmd

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"time"

	"code.vikunja.io/api/pkg/config"
	"code.vikunja.io/api/pkg/db"
	"code.vikunja.io/api/pkg/dump"
	"code.vikunja.io/api/pkg/files"
	"code.vikunja.io/api/pkg/log"
)

// dumpCommand reports a failure of the dump itself, and yet exits 0: Vikunja does.
func dumpCommand(settings config.Config, arguments []string) error {
	flags := flag.NewFlagSet("dump", flag.ContinueOnError)
	folder := flags.String("path", ".", "the folder to write to")
	name := flags.String("filename", "vikunja-dump_"+time.Now().Format("2006-01-02_15-04-05")+".zip",
		"the file's name")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	database, store, err := openAll(settings)
	if err != nil {
		return err
	}
	defer database.Close()
	path := filepath.Join(*folder, *name)
	if err := dump.Dump(context.Background(), database, store, path); err != nil {
		log.Criticalf("%v", err)
		return nil
	}
	log.Infof("Dump file saved at %s", path)
	return nil
}

// restoreCommand reports a failure of the restore itself, and yet exits 0: Vikunja does.
func restoreCommand(settings config.Config, arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("expected: restore FILE")
	}
	database, err := db.Open(settings)
	if err != nil {
		return err
	}
	defer database.Close()
	store, err := files.Open(settings.FilesBasePath, settings.FilesMaxSize.Bytes)
	if err != nil {
		return err
	}
	if err := dump.Restore(context.Background(), database, store, arguments[0], os.Stdin); err != nil {
		log.Criticalf("%v", err)
		return nil
	}
	log.Infof("Done restoring dump.")
	return nil
}
