package config

import (
	"fmt"
	"strings"
)

// release is what a version such as v2.3.0 or 2.2.2-45-g83bac15840 says first.
type release struct{ major, minor, patch int }

// newest stands for a build of no version: it behaves as the newest does.
var newest = release{major: 1 << 30}

func releaseOf(version string) release {
	var found release
	_, err := fmt.Sscanf(strings.TrimPrefix(version, "v"), "%d.%d.%d", &found.major, &found.minor, &found.patch)
	if err != nil {
		return newest
	}
	return found
}

func (r release) before(major, minor, patch int) bool {
	if r.major != major {
		return r.major < major
	}
	if r.minor != minor {
		return r.minor < minor
	}
	return r.patch < patch
}

// readsFiles is whether _FILE variables count.
func (r release) readsFiles() bool { return !r.before(1, 0, 0) }

// sessionSecret returns the secret that signs sessions, empty for none, and what is to be warned of.
// 2.3.0 renamed it; until 2.4.0 the old name was overlooked beside a default of the new one.
func sessionSecret(from *source, version release) (string, []string) {
	old, secret := from.text("SERVICE_JWTSECRET", ""), from.text("SERVICE_SECRET", "")
	switch {
	case version.before(2, 3, 0):
		return old, nil
	case old == "":
		return secret, nil
	case secret != "" || version.before(2, 4, 1):
		return secret, []string{"config: both service.secret and service.jwtsecret are set. Using service.secret."}
	default:
		return old, []string{"config: service.jwtsecret is deprecated. Please use service.secret instead."}
	}
}
