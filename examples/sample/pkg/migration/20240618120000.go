package migration

import "code.vikunja.io/api/pkg/db"

func init() {
	register(Migration{
		ID:          "20240618120000",
		Description: "add a description and the time of completion to tasks",
		Statements: func(engine db.Engine) []string {
			return []string{
				"ALTER TABLE tasks ADD COLUMN description VARCHAR(2000) NOT NULL DEFAULT ''",
				"ALTER TABLE tasks ADD COLUMN done_at " + engine.DateTime() + " NULL",
			}
		},
	})
}
