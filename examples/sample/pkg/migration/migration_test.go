package migration

import (
	"context"
	"path/filepath"
	"testing"

	"code.vikunja.io/api/pkg/config"
	"code.vikunja.io/api/pkg/db"
)

func open(t *testing.T) *db.DB {
	t.Helper()
	database, err := db.Open(config.Config{
		DatabaseType: "sqlite",
		DatabasePath: filepath.Join(t.TempDir(), "test.db"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Close() })
	return database
}

func TestAFreshDatabaseRecordsEveryMigration(t *testing.T) {
	database := open(t)
	for range []int{1, 2} {
		if err := Run(context.Background(), database); err != nil {
			t.Fatal(err)
		}
	}
	recorded, err := Recorded(context.Background(), database)
	if err != nil || len(recorded) != len(All())+1 {
		t.Fatalf("got %v, %v", recorded, err)
	}
}

func TestAMigrationToldToFailLeavesHalfASchemaAndNoRecord(t *testing.T) {
	ctx := context.Background()
	database := open(t)
	t.Setenv("SAMPLE_FAIL_MIGRATION", "20240212083000")
	if err := Run(ctx, database); err == nil {
		t.Fatal("it did not fail")
	}
	recorded, err := Recorded(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range recorded {
		if m.ID == "20240212083000" {
			t.Fatal("the failed migration is recorded")
		}
	}
	if _, err := database.Exec(ctx, "SELECT 1 FROM files"); err != nil {
		t.Fatalf("its first half is missing: %v", err)
	}
}
