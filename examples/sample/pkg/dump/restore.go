package dump

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"code.vikunja.io/api/pkg/db"
	"code.vikunja.io/api/pkg/files"
	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/migration"
	"code.vikunja.io/api/pkg/version"
)

const confirmation = "Yes, I understand"

type row map[string]interface{}

// Restore wipes the database and fills it from a dump of exactly this version.
// Answers holds what a person types: the confirmation, then Enter once more.
func Restore(
	ctx context.Context, database *db.DB, store *files.Store, path string, answers io.Reader,
) error {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return fmt.Errorf("could not open zip file: %w", err)
	}
	defer archive.Close()
	if err := confirm(&archive.Reader, answers); err != nil {
		return err
	}
	tables, err := readTables(&archive.Reader)
	if err != nil {
		return err
	}
	last, err := lastMigration(tables["migration"])
	if err != nil {
		return err
	}
	delete(tables, "migration")
	if err := database.Wipe(ctx); err != nil {
		return fmt.Errorf("could not wipe database: %w", err)
	}
	log.Infof("Wiped database.")
	if err := migration.RunTo(ctx, database, last); err != nil {
		return fmt.Errorf("could not create db structure: %w", err)
	}
	for table, rows := range tables {
		if err := fillTable(ctx, database, table, rows); err != nil {
			return fmt.Errorf("could not restore table data for table %s: %w", table, err)
		}
		log.Infof("Restored %d rows of table %s", len(rows), table)
	}
	if err := migration.Run(ctx, database); err != nil {
		return err
	}
	return restoreFiles(&archive.Reader, store)
}

// confirm asks twice, each time with a reader of its own, as Vikunja does: what the first one has read
// ahead of its line is lost to the second.
func confirm(archive *zip.Reader, answers io.Reader) error {
	log.Warningf("Restoring a dump will wipe your current installation!")
	log.Warningf("To confirm, please type '%s' and confirm with enter:", confirmation)
	text, err := bufio.NewReader(answers).ReadString('\n')
	if err != nil {
		return fmt.Errorf("could not read confirmation message: %w", err)
	}
	if text != confirmation+"\n" {
		return errors.New("invalid confirmation message")
	}
	dumped, err := readMember(archive, "VERSION")
	if err != nil {
		return fmt.Errorf("dump does not contain VERSION file, refusing to continue: %w", err)
	}
	if string(dumped) != version.Version {
		return fmt.Errorf("export was created with version %s but this is %s - please make sure "+
			"you are running the same Vikunja version before restoring", dumped, version.Version)
	}
	settings, err := readMember(archive, ".env")
	if err != nil {
		return err
	}
	log.Warningf("Please make sure the following settings are properly configured in your instance:\n%s", settings)
	log.Warningf("Make sure your current config matches them, confirm by pressing enter when done.")
	if _, err := bufio.NewReader(answers).ReadString('\n'); err != nil {
		return fmt.Errorf("could not read from stdin: %w", err)
	}
	return nil
}

func readTables(archive *zip.Reader) (map[string][]row, error) {
	tables := map[string][]row{}
	for _, member := range archive.File {
		if !strings.HasPrefix(member.Name, "database/") {
			continue
		}
		content, err := readMember(archive, member.Name)
		if err != nil {
			return nil, err
		}
		var rows []row
		decoder := json.NewDecoder(strings.NewReader(string(content)))
		decoder.UseNumber()
		if err := decoder.Decode(&rows); err != nil {
			return nil, fmt.Errorf("could not read %s: %w", member.Name, err)
		}
		tables[strings.TrimSuffix(strings.TrimPrefix(member.Name, "database/"), ".json")] = rows
	}
	return tables, nil
}

// lastMigration finds how far the dumped database had been migrated.
func lastMigration(recorded []row) (string, error) {
	var ids []string
	for _, r := range recorded {
		if id, ok := r["id"].(string); ok && id[0] >= '0' && id[0] <= '9' {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "", errors.New("the dump holds no migrations")
	}
	sort.Strings(ids)
	return ids[len(ids)-1], nil
}

func fillTable(ctx context.Context, database *db.DB, table string, rows []row) error {
	types, err := database.ColumnTypes(ctx, table)
	if err != nil {
		return err
	}
	err = database.Transaction(ctx, func(tx *db.Tx) error {
		for _, r := range rows {
			var columns, marks []string
			var values []interface{}
			for column, value := range r {
				converted, err := convert(value, types[column])
				if err != nil {
					return fmt.Errorf("column %s: %w", column, err)
				}
				columns = append(columns, database.Engine.Quote(column))
				marks = append(marks, "?")
				values = append(values, converted)
			}
			err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)",
				database.Engine.Quote(table), strings.Join(columns, ", "), strings.Join(marks, ", ")),
				values...)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, counts := types["id"]; !counts {
		return nil
	}
	return database.ContinueIDs(ctx, table)
}

func restoreFiles(archive *zip.Reader, store *files.Store) error {
	count := 0
	for _, member := range archive.File {
		if !strings.HasPrefix(member.Name, "files/") {
			continue
		}
		id, err := strconv.ParseInt(strings.TrimPrefix(member.Name, "files/"), 10, 64)
		if err != nil {
			return fmt.Errorf("could not parse file id of %s: %w", member.Name, err)
		}
		content, err := member.Open()
		if err != nil {
			return err
		}
		err = store.Save(id, content)
		_ = content.Close()
		if err != nil {
			return fmt.Errorf("could not save file %d: %w", id, err)
		}
		count++
	}
	log.Infof("Restored %d files.", count)
	return nil
}

func readMember(archive *zip.Reader, name string) ([]byte, error) {
	member, err := archive.Open(name)
	if err != nil {
		return nil, err
	}
	defer member.Close()
	return io.ReadAll(member)
}
