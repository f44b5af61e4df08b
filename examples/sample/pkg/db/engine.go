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

// JSON is the column type of a document. SQLite has none of its own.
func (e Engine) JSON() string {
	if e == SQLite {
		return "TEXT"
	}
	return "JSON"
}

// LongText is the column type of a text of any length.
func (e Engine) LongText() string {
	if e == MySQL {
		return "LONGTEXT"
	}
	return "TEXT"
}

// Double is the column type of a number with a point.
func (e Engine) Double() string {
	switch e {
	case Postgres:
		return "DOUBLE PRECISION"
	case MySQL:
		return "DOUBLE"
	}
	return "REAL"
}
