// Package version names the version of this build.
package version

// Version is set at build time:
// -ldflags "-X code.vikunja.io/api/pkg/version.Version=v1.2.3"
var Version = "dev"
