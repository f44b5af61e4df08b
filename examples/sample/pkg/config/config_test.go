package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func from(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

func TestAFileWinsOverThePlainVariable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := load(from(map[string]string{
		"VIKUNJA_DATABASE_PASSWORD":      "plain",
		"VIKUNJA_DATABASE_PASSWORD_FILE": path,
	}), "v2.5.0")
	if err != nil || config.DatabasePassword != "from the file" {
		t.Fatalf("got %q, %v", config.DatabasePassword, err)
	}
}

func TestAMissingFileIsNamed(t *testing.T) {
	_, err := load(from(map[string]string{"VIKUNJA_SERVICE_SECRET_FILE": "/nowhere/at/all"}), "v2.5.0")
	if err == nil || !strings.Contains(err.Error(), "VIKUNJA_SERVICE_SECRET_FILE") {
		t.Fatalf("got %v", err)
	}
}

func TestTheOldNameOfTheSecretStillCounts(t *testing.T) {
	config, err := load(from(map[string]string{"VIKUNJA_SERVICE_JWTSECRET": "old"}), "v2.5.0")
	if err != nil || config.Secret != "old" {
		t.Fatalf("got %q, %v", config.Secret, err)
	}
}

func TestTheBodyLimitIsTheFileLimitPlusTwoMegabytes(t *testing.T) {
	config, err := load(from(map[string]string{"VIKUNJA_FILES_MAXSIZE": "3MB"}), "v2.5.0")
	if err != nil || config.BodyLimit() != 5<<20 {
		t.Fatalf("got %d, %v", config.BodyLimit(), err)
	}
}

func TestAPublicAddressWithoutItsSchemeIsRefused(t *testing.T) {
	for address, refused := range map[string]bool{
		"": false, "https://tasks.example.com/": false, "tasks.example.com": true,
	} {
		_, err := load(from(map[string]string{"VIKUNJA_SERVICE_PUBLICURL": address}), "v2.5.0")
		if (err != nil) != refused {
			t.Fatalf("%q: got %v", address, err)
		}
	}
}
