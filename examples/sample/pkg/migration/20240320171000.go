package migration

import "code.vikunja.io/api/pkg/db"

func init() {
	register(Migration{
		ID:          "20240320171000",
		Description: "create users",
		Statements: func(engine db.Engine) []string {
			return []string{
				"CREATE TABLE users (id " + engine.PrimaryKey() + ", " +
					"username VARCHAR(250) NOT NULL, " +
					"email VARCHAR(250) NOT NULL, " +
					"password VARCHAR(250) NOT NULL, " +
					"created " + engine.DateTime() + " NOT NULL, " +
					"updated " + engine.DateTime() + " NOT NULL)",
				"CREATE UNIQUE INDEX idx_users_username ON users (username)",
			}
		},
	})
}
