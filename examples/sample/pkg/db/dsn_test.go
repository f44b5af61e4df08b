package db

import "testing"

func TestPostgresAddressesAreTakenApart(t *testing.T) {
	for address, want := range map[string][2]string{
		"db.example.org:5433":   {"db.example.org", "5433"},
		"db.example.org":        {"db.example.org", "5432"},
		"[::1]:6000":            {"::1", "6000"},
		"[::1]":                 {"::1", "5432"},
		"/run/postgresql":       {"/run/postgresql", "5432"},
		"/run/postgresql:25432": {"/run/postgresql", "25432"},
	} {
		host, port := postgresHostPort(address)
		if host != want[0] || port != want[1] {
			t.Errorf("%s: got %s and %s", address, host, port)
		}
	}
}
