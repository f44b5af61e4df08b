package migration

import "code.vikunja.io/api/pkg/db"

func init() {
	register(Migration{
		ID:          "20240212083000",
		Description: "create files and task attachments",
		Statements: func(engine db.Engine) []string {
			return []string{
				"CREATE TABLE files (id " + engine.PrimaryKey() + ", " +
					"name VARCHAR(250) NOT NULL, " +
					"mime VARCHAR(250) NOT NULL, " +
					"size BIGINT NOT NULL, " +
					"created " + engine.DateTime() + " NOT NULL)",
				"CREATE TABLE task_attachments (id " + engine.PrimaryKey() + ", " +
					"task_id BIGINT NOT NULL, " +
					"file_id BIGINT NOT NULL, " +
					"created " + engine.DateTime() + " NOT NULL)",
				"CREATE INDEX idx_task_attachments_task_id ON task_attachments (task_id)",
			}
		},
	})
}
