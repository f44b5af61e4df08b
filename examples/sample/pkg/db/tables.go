package db

import (
	"context"
	"fmt"
)

// Tables names the tables of the application, in alphabetical order.
func (d *DB) Tables(ctx context.Context) ([]string, error) {
	query := map[Engine]string{
		SQLite:   "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
		Postgres: "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename",
		MySQL:    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name",
	}[d.Engine]
	rows, err := d.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// Wipe drops every table.
func (d *DB) Wipe(ctx context.Context) error {
	names, err := d.Tables(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := d.Exec(ctx, "DROP TABLE "+d.Engine.Quote(name)); err != nil {
			return fmt.Errorf("drop table %s: %w", name, err)
		}
	}
	return nil
}

// ColumnTypes maps the columns of a table to the engine's names of their types.
func (d *DB) ColumnTypes(ctx context.Context, table string) (map[string]string, error) {
	rows, err := d.Query(ctx, "SELECT * FROM "+d.Engine.Quote(table)+" WHERE 1 = 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	types := map[string]string{}
	for _, column := range columns {
		types[column.Name()] = column.DatabaseTypeName()
	}
	return types, rows.Err()
}

// ContinueIDs makes a table count on from its highest id, after rows came in with ids of their own.
func (d *DB) ContinueIDs(ctx context.Context, table string) error {
	if d.Engine != Postgres {
		return nil // SQLite and MySQL follow the highest id by themselves
	}
	_, err := d.Exec(ctx, fmt.Sprintf(
		"SELECT setval(pg_get_serial_sequence('%s', 'id'), COALESCE(MAX(id), 0) + 1, false) FROM %s",
		table, d.Engine.Quote(table),
	))
	return err
}
