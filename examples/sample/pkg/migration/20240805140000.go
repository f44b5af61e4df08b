package migration

import "code.vikunja.io/api/pkg/db"

func init() {
	register(Migration{
		ID:          "20240805140000",
		Description: "add a status to users",
		Statements: func(engine db.Engine) []string {
			return []string{"ALTER TABLE users ADD COLUMN status INT NOT NULL DEFAULT 0"}
		},
	})
}
