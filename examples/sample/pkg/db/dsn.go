package db

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"

	"code.vikunja.io/api/pkg/config"
)

// driverAndDSN names database/sql's driver and the address it opens.
func driverAndDSN(c config.Config) (driver, dsn string, err error) {
	switch Engine(c.DatabaseType) {
	case SQLite:
		return "sqlite3", sqliteDSN(c), nil
	case Postgres:
		return "postgres", postgresDSN(c), nil
	case MySQL:
		return "mysql", mysqlDSN(c), nil
	}
	return "", "", fmt.Errorf(
		"unknown database type %q: it is one of sqlite, postgres, mysql", c.DatabaseType,
	)
}

func sqliteDSN(c config.Config) string {
	query := url.Values{
		"_journal_mode": {"WAL"},
		"_busy_timeout": {"5000"},
		"_txlock":       {"immediate"},
	}
	path := (&url.URL{Path: c.DatabasePath}).EscapedPath()
	return "file:" + path + "?" + query.Encode()
}

func mysqlDSN(c config.Config) string {
	dsn := mysql.NewConfig()
	dsn.User = c.DatabaseUser
	dsn.Passwd = c.DatabasePassword
	dsn.DBName = c.DatabaseName
	dsn.Addr = c.DatabaseHost
	dsn.Net = "tcp"
	if strings.HasPrefix(c.DatabaseHost, "/") {
		dsn.Net = "unix"
	}
	dsn.ParseTime = true
	dsn.TLSConfig = c.DatabaseTLS
	dsn.Collation = "utf8mb4_general_ci"
	return dsn.FormatDSN()
}

func postgresDSN(c config.Config) string {
	host, port := postgresHostPort(c.DatabaseHost)
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var parts []string
	for _, pair := range [][2]string{
		{"host", host},
		{"port", port},
		{"dbname", c.DatabaseName},
		{"user", c.DatabaseUser},
		{"password", c.DatabasePassword},
		{"sslmode", c.DatabaseSSLMode},
		{"sslrootcert", c.DatabaseSSLRootCert},
		{"sslcert", c.DatabaseSSLCert},
		{"sslkey", c.DatabaseSSLKey},
	} {
		if pair[1] != "" {
			parts = append(parts, fmt.Sprintf("%s='%s'", pair[0], quote.Replace(pair[1])))
		}
	}
	return strings.Join(parts, " ")
}

// postgresHostPort takes apart host:port, or a socket's folder with what its name ends with behind a
// colon.
func postgresHostPort(address string) (host, port string) {
	colon := strings.LastIndex(address, ":")
	if colon < 0 || strings.HasSuffix(address, "]") {
		return strings.Trim(address, "[]"), "5432"
	}
	return strings.Trim(address[:colon], "[]"), address[colon+1:]
}
