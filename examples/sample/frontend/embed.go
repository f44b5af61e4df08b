// Package frontend carries the built web UI inside the binary.
package frontend

import "embed"

// Files holds the folder dist as it was when the binary was compiled.
// A dist that was not built still compiles: it then holds no index.html.
//
//go:embed all:dist
var Files embed.FS
