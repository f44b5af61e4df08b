package migration

import "code.vikunja.io/api/pkg/db"

func init() {
	register(Migration{
		ID:          "20240905093000",
		Description: "create views, of which every installation has two without a filter",
		Statements: func(engine db.Engine) []string {
			return []string{
				"ALTER TABLE tasks ADD COLUMN percent_done " + engine.Double() + " NULL",
				"CREATE TABLE project_views (id " + engine.PrimaryKey() + ", " +
					"title " + engine.LongText() + " NOT NULL, " +
					"filter " + engine.JSON() + " NULL, " +
					"bucket_configuration " + engine.JSON() + " NULL, " +
					"position " + engine.Double() + " NOT NULL)",
				"INSERT INTO project_views (title, position) VALUES ('List', 0.1), ('Kanban', 65536)",
			}
		},
	})
}
