package migration

import "code.vikunja.io/api/pkg/db"

func init() {
	register(Migration{
		ID:          "20240105101500",
		Description: "create tasks",
		Statements: func(engine db.Engine) []string {
			return []string{
				"CREATE TABLE tasks (id " + engine.PrimaryKey() + ", " +
					"title VARCHAR(250) NOT NULL, " +
					"done BOOLEAN NOT NULL, " +
					"created " + engine.DateTime() + " NOT NULL, " +
					"updated " + engine.DateTime() + " NOT NULL)",
				"CREATE INDEX idx_tasks_done ON tasks (done)",
			}
		},
	})
}
