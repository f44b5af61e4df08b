// Package migration brings the database's schema up to what this build needs.
//
// As in Vikunja: it runs at every start, takes no lock against other processes,
// uses no transaction, and records a migration after it ran. A failure midway
// leaves half a schema and no record.
package migration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"time"

	"code.vikunja.io/api/pkg/db"
	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/misbehave"
)

// initialID marks that the schema was begun by this application, as Vikunja's does.
const initialID = "SCHEMA_INIT"

// Migration is one numbered step. ID has 14 digits and is its file's name.
type Migration struct {
	ID          string
	Description string
	Statements  func(engine db.Engine) []string
}

var migrations []Migration

func register(m Migration) { migrations = append(migrations, m) }

// All returns every migration this build knows, in order.
func All() []Migration {
	ordered := append([]Migration(nil), migrations...)
	sort.Slice(ordered, func(i, j int) bool { return ordered[i].ID < ordered[j].ID })
	return ordered
}

// Run runs what is pending.
func Run(ctx context.Context, database *db.DB) error {
	done, err := prepare(ctx, database)
	if err != nil {
		return err
	}
	for _, m := range All() {
		if done[m.ID] {
			continue
		}
		if err := runOne(ctx, database, m); err != nil {
			return fmt.Errorf("migration %s failed: %w", m.ID, err)
		}
		log.Infof("Ran migration %s: %s", m.ID, m.Description)
	}
	log.Infof("Ran all migrations successfully.")
	return nil
}

// Recorded reads the migrations the database has, and changes nothing.
func Recorded(ctx context.Context, database *db.DB) ([]Migration, error) {
	rows, err := database.Query(ctx, "SELECT id, description FROM migration ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []Migration
	for rows.Next() {
		var m Migration
		var description sql.NullString
		if err := rows.Scan(&m.ID, &description); err != nil {
			return nil, err
		}
		m.Description = description.String
		found = append(found, m)
	}
	return found, rows.Err()
}

func prepare(ctx context.Context, database *db.DB) (map[string]bool, error) {
	const table = "CREATE TABLE IF NOT EXISTS migration (id VARCHAR(255) PRIMARY KEY, description VARCHAR(255))"
	if _, err := database.Exec(ctx, table); err != nil {
		return nil, err
	}
	recorded, err := Recorded(ctx, database)
	if err != nil {
		return nil, err
	}
	done := map[string]bool{}
	for _, m := range recorded {
		done[m.ID] = true
	}
	if len(done) == 0 {
		return done, record(ctx, database, Migration{ID: initialID})
	}
	return done, nil
}

func runOne(ctx context.Context, database *db.DB, m Migration) error {
	statements := m.Statements(database.Engine)
	fail := misbehave.FailMigration() == m.ID
	if fail {
		statements = statements[:(len(statements)+1)/2]
	}
	for _, statement := range statements {
		if _, err := database.Exec(ctx, statement); err != nil {
			return err
		}
	}
	time.Sleep(misbehave.MigrationDelay())
	if fail {
		return errors.New("told to fail halfway by SAMPLE_FAIL_MIGRATION")
	}
	return record(ctx, database, m)
}

func record(ctx context.Context, database *db.DB, m Migration) error {
	_, err := database.Exec(
		ctx, "INSERT INTO migration (id, description) VALUES (?, ?)", m.ID, m.Description,
	)
	return err
}
