package config

import (
	"os"
	"path/filepath"
	"testing"
)

const sample = `# settings
service:
  publicurl: "https://tasks.example.com/" # where
  rootpath: /opt/vikunja
database:
  type: 'sqlite'
files:
  maxsize: 3MB
`

func TestAFileIsReadBelowTheEnvironment(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "config.yml"), []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := load(from(map[string]string{
		"VIKUNJA_SERVICE_ROOTPATH": folder, "VIKUNJA_FILES_MAXSIZE": "5MB",
	}), "v2.5.0")
	if err != nil || config.PublicURL != "https://tasks.example.com/" || config.FilesMaxSize.Text != "5MB" {
		t.Fatalf("got %+v, %v", config, err)
	}
	if config.RootPath != folder {
		t.Fatalf("the environment counts more: %s", config.RootPath)
	}
}

func TestARootPathOfTheFileIsWhereDataIs(t *testing.T) {
	folder := t.TempDir()
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chdir(folder); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chdir(before) })
	if err := os.WriteFile("config.yml", []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := load(from(nil), "v2.5.0")
	if err != nil || config.DatabasePath != "/opt/vikunja/vikunja.db" {
		t.Fatalf("got %q, %v", config.DatabasePath, err)
	}
}

func TestWhatIsNoSettingIsNamed(t *testing.T) {
	if _, err := parse("service:\n  - one\n"); err == nil {
		t.Fatal("taken")
	}
}
