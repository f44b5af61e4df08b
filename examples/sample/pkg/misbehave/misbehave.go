// Package misbehave lets a test tell the application to fail in a certain way.
//
// A switch is an environment variable SAMPLE_…, or a default that a variant
// commit compiles in (see the README). The environment wins.
package misbehave

import (
	"os"
	"strconv"
	"time"
)

var (
	defaults  = map[string]string{}
	startedAt = time.Now()
)

func value(name string) string {
	if set, ok := os.LookupEnv(name); ok {
		return set
	}
	return defaults[name]
}

func enabled(name string) bool {
	switch value(name) {
	case "", "0", "false", "no":
		return false
	}
	return true
}

func seconds(name string) time.Duration {
	number, err := strconv.ParseFloat(value(name), 64)
	if err != nil || number < 0 {
		return 0
	}
	return time.Duration(number * float64(time.Second))
}

// FailStart says that the server must exit instead of serving.
func FailStart() bool { return enabled("SAMPLE_FAIL_START") }

// HangOnStop says that the server must ignore the signals that stop it.
func HangOnStop() bool { return enabled("SAMPLE_HANG_ON_STOP") }

// StartDelay is how long the server waits between its migrations and listening.
func StartDelay() time.Duration { return seconds("SAMPLE_START_DELAY") }

// MigrationDelay is how long each migration takes, before it is recorded.
func MigrationDelay() time.Duration { return seconds("SAMPLE_MIGRATION_DELAY") }

// FailMigration is the id of the migration that must fail halfway, or empty.
func FailMigration() string { return value("SAMPLE_FAIL_MIGRATION") }

// Version is the version to claim instead of the true one.
func Version(real string) string {
	if claimed := value("SAMPLE_VERSION"); claimed != "" {
		return claimed
	}
	return real
}

// FailHealth says whether the health check must fail now.
func FailHealth() bool {
	if enabled("SAMPLE_FAIL_HEALTH") {
		return true
	}
	after := seconds("SAMPLE_FAIL_HEALTH_AFTER")
	return after > 0 && time.Since(startedAt) > after
}
