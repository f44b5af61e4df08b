// Package dump writes everything into one zip file, and reads it back into any engine.
package dump

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"code.vikunja.io/api/pkg/db"
	"code.vikunja.io/api/pkg/files"
	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/models"
	"code.vikunja.io/api/pkg/version"
)

// Dump writes the environment (secrets in clear, as Vikunja does), the
// version, every table as JSON, and every file.
func Dump(ctx context.Context, database *db.DB, store *files.Store, path string) (err error) {
	target, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closing := target.Close(); err == nil {
			err = closing
		}
	}()
	archive := zip.NewWriter(target)
	if err := writeMember(archive, ".env", []byte(environment())); err != nil {
		return err
	}
	if err := writeMember(archive, "VERSION", []byte(version.Version)); err != nil {
		return err
	}
	tables, err := database.Tables(ctx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		rows, err := readTable(ctx, database, table)
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
		encoded, err := json.Marshal(rows)
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
		if err := writeMember(archive, "database/"+table+".json", encoded); err != nil {
			return err
		}
		log.Infof("Dumped %d rows of table %s", len(rows), table)
	}
	if err := dumpFiles(ctx, database, store, archive); err != nil {
		return err
	}
	return archive.Close()
}

func dumpFiles(ctx context.Context, database *db.DB, store *files.Store, archive *zip.Writer) error {
	listed, err := models.ListFiles(ctx, database)
	if err != nil {
		return err
	}
	for _, file := range listed {
		content, err := store.Open(file.ID)
		if err != nil {
			return fmt.Errorf("file %d: %w", file.ID, err)
		}
		member, err := archive.Create("files/" + strconv.FormatInt(file.ID, 10))
		if err == nil {
			_, err = io.Copy(member, content)
		}
		_ = content.Close()
		if err != nil {
			return fmt.Errorf("file %d: %w", file.ID, err)
		}
	}
	log.Infof("Dumped %d files", len(listed))
	return nil
}

func readTable(ctx context.Context, database *db.DB, table string) ([]map[string]interface{}, error) {
	rows, err := database.Query(ctx, "SELECT * FROM "+database.Engine.Quote(table))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	found := []map[string]interface{}{}
	for rows.Next() {
		values := make([]interface{}, len(columns))
		pointers := make([]interface{}, len(columns))
		for index := range values {
			pointers[index] = &values[index]
		}
		if err := rows.Scan(pointers...); err != nil {
			return nil, err
		}
		row := map[string]interface{}{}
		for index, column := range columns {
			row[column.Name()] = portable(values[index], column.DatabaseTypeName())
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

func writeMember(archive *zip.Writer, name string, content []byte) error {
	member, err := archive.Create(name)
	if err != nil {
		return err
	}
	_, err = member.Write(content)
	return err
}

func environment() string {
	var lines strings.Builder
	for _, pair := range os.Environ() {
		if strings.HasPrefix(pair, "VIKUNJA_") {
			lines.WriteString(pair + "\n")
		}
	}
	return lines.String()
}
