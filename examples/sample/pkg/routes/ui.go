package routes

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"code.vikunja.io/api/frontend"
)

const contentSecurityPolicy = "default-src 'self'; connect-src 'self' http: https: ws: wss:; img-src 'self' data:; " +
	"object-src 'none'; base-uri 'self'; frame-ancestors 'self'"

// ui serves the embedded web UI. Paths it does not know get the index page, as
// a single-page application wants; without a built dist that page is empty.
type ui struct {
	files fs.FS
	// publicURL ends with a slash: there the page asks for the API, by whatever
	// name it was opened.
	publicURL string
}

func newUI(publicURL string) http.Handler {
	dist, err := fs.Sub(frontend.Files, "dist")
	if err != nil {
		panic(err) // the folder's name is a constant of the binary
	}
	return ui{files: dist, publicURL: strings.TrimSuffix(publicURL, "/") + "/"}
}

func (u ui) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	content, err := fs.ReadFile(u.files, name)
	if err != nil {
		if strings.HasPrefix(name, "assets/") {
			http.NotFound(w, r)
			return
		}
		name = "index.html"
		content, _ = fs.ReadFile(u.files, name)
	}
	if name == "index.html" {
		content = bytes.ReplaceAll(content, []byte("'/api/v1'"), []byte("'"+u.publicURL+"api/v1'"))
	}
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	digest := sha256.Sum256(content)
	header.Set("ETag", `"`+hex.EncodeToString(digest[:8])+`"`)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}
