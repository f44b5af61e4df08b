// Package db opens the database and hides what differs between the three engines.
package db

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	_ "github.com/lib/pq"           // the driver "postgres"
	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"

	"code.vikunja.io/api/pkg/config"
)

const pingTimeout = 3 * time.Second

// DB is an open database and its engine. Queries are written with question marks.
type DB struct {
	pool   *sql.DB
	Engine Engine
}

// Open connects, and fails where the database cannot be reached.
func Open(c config.Config) (*DB, error) {
	driver, dsn, err := driverAndDSN(c)
	if err != nil {
		return nil, err
	}
	pool, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(50)
	pool.SetMaxIdleConns(10)
	pool.SetConnMaxLifetime(10 * time.Minute)
	database := &DB{pool: pool, Engine: Engine(c.DatabaseType)}
	if err := database.Ping(context.Background()); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("database %s: %w", c.DatabaseType, err)
	}
	return database, nil
}

// Close ends all connections.
func (d *DB) Close() error { return d.pool.Close() }

// Ping asks the database for an answer, for at most three seconds.
func (d *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	answered := make(chan error, 1)
	// PostgreSQL's driver does not come back from a frozen server when its context ends.
	go func() {
		var one int
		answered <- d.pool.QueryRowContext(ctx, "SELECT 1").Scan(&one)
	}()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Exec runs one statement outside a transaction.
func (d *DB) Exec(ctx context.Context, query string, arguments ...interface{}) (sql.Result, error) {
	return d.pool.ExecContext(ctx, d.rebind(query), arguments...)
}

// Query reads rows.
func (d *DB) Query(ctx context.Context, query string, arguments ...interface{}) (*sql.Rows, error) {
	return d.pool.QueryContext(ctx, d.rebind(query), arguments...)
}

// QueryRow reads one row.
func (d *DB) QueryRow(ctx context.Context, query string, arguments ...interface{}) *sql.Row {
	return d.pool.QueryRowContext(ctx, d.rebind(query), arguments...)
}

// Transaction runs work, and commits if it returns no error.
func (d *DB) Transaction(ctx context.Context, work func(*Tx) error) error {
	raw, err := d.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := work(&Tx{raw: raw, db: d}); err != nil {
		_ = raw.Rollback()
		return err
	}
	return raw.Commit()
}

// Tx is an open transaction.
type Tx struct {
	raw *sql.Tx
	db  *DB
}

// Exec runs one statement in the transaction.
func (t *Tx) Exec(ctx context.Context, query string, arguments ...interface{}) error {
	_, err := t.raw.ExecContext(ctx, t.db.rebind(query), arguments...)
	return err
}

// Insert runs an INSERT into a table with a numeric id, and returns the new id.
func (t *Tx) Insert(ctx context.Context, query string, arguments ...interface{}) (int64, error) {
	if t.db.Engine == Postgres {
		var id int64
		err := t.raw.QueryRowContext(ctx, t.db.rebind(query)+" RETURNING id", arguments...).Scan(&id)
		return id, err
	}
	result, err := t.raw.ExecContext(ctx, query, arguments...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// rebind writes PostgreSQL's $1, $2 … for question marks.
func (d *DB) rebind(query string) string {
	if d.Engine != Postgres {
		return query
	}
	var out strings.Builder
	number := 0
	for _, letter := range query {
		if letter != '?' {
			out.WriteRune(letter)
			continue
		}
		number++
		out.WriteString("$" + strconv.Itoa(number))
	}
	return out.String()
}
