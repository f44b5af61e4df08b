package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEachVersionReadsTheSecretUnderItsOwnName(t *testing.T) {
	for _, one := range []struct {
		version, old, secret, expected string
		warns                          bool
	}{
		{"v0.24.6", "old", "", "old", false},
		{"v2.2.2-45-g83bac15840", "old", "new", "old", false},
		{"v2.2.2", "", "new", "", false},
		{"v2.3.0", "", "new", "new", false},
		{"v2.4.0", "old", "", "", true},
		{"v2.4.1", "old", "", "old", true},
		{"v2.5.0", "old", "new", "new", true},
		{"83bac15840", "", "new", "new", false},
	} {
		variables := map[string]string{}
		for name, value := range map[string]string{"JWTSECRET": one.old, "SECRET": one.secret} {
			if value != "" {
				variables["VIKUNJA_SERVICE_"+name] = value
			}
		}
		found, warnings := sessionSecret(&source{lookup: from(variables)}, releaseOf(one.version))
		if found != one.expected || (len(warnings) > 0) != one.warns {
			t.Errorf("%+v: got %q, %q", one, found, warnings)
		}
	}
}

func TestFilesCountFromVersionOneOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"VIKUNJA_SERVICE_JWTSECRET_FILE": path}
	for version, kept := range map[string]bool{"v0.24.6": false, "v1.0.0-rc0": true} {
		config, err := load(from(variables), version)
		if err != nil || (config.Secret == "kept") != kept {
			t.Errorf("%s: got %q, %v", version, config.Secret, err)
		}
	}
}
