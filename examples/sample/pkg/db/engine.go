package db

// Engine names a database as VIKUNJA_DATABASE_TYPE does.
type Engine string

// The engines that are supported.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
	MySQL    Engine = "mysql"
)

// PrimaryKey is the column type of a numeric id that counts by itself.
func (e Engine) PrimaryKey() string {
	switch e {
	case Postgres:
		return "BIGSERIAL PRIMARY KEY"
	case MySQL:
		return "BIGINT PRIMARY KEY AUTO_INCREMENT"
	}
	return "INTEGER PRIMARY KEY AUTOINCREMENT"
}

// DateTime is the column type of a point in time, stored as UTC.
func (e Engine) DateTime() string {
	if e == Postgres {
		return "TIMESTAMP"
	}
	return "DATETIME"
}

// Quote writes a table's or column's name so that no keyword is in the way.
func (e Engine) Quote(name string) string {
	if e == MySQL {
		return "`" + name + "`"
	}
	return `"` + name + `"`
}
