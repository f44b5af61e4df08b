// Package routes answers HTTP.
package routes

import (
	"io"
	"net/http"
	"strings"
	"time"

	"code.vikunja.io/api/pkg/config"
	"code.vikunja.io/api/pkg/db"
	"code.vikunja.io/api/pkg/files"
	"code.vikunja.io/api/pkg/hub"
	"code.vikunja.io/api/pkg/log"
)

// drainLimit is how much of a body that is too large is read before it is refused, in bytes.
const drainLimit = 64 << 20

// Server holds what the handlers share.
type Server struct {
	Config   config.Config
	Database *db.DB
	Files    *files.Store
	Hub      *hub.Hub
	logins   limiter
}

// Handler returns all routes.
func (s *Server) Handler() http.Handler {
	s.logins.most = s.Config.NoAuthLimit
	mux := http.NewServeMux()
	mux.HandleFunc("/health", s.health)
	mux.HandleFunc("/api/v1/info", s.info)
	mux.HandleFunc("/api/v1/tasks", s.tasks)
	mux.HandleFunc("/api/v1/tasks/", s.task)
	mux.HandleFunc("/api/v1/login", s.limited(s.login))
	mux.HandleFunc("/api/v1/register", s.limited(s.register))
	mux.HandleFunc("/api/v1/user", s.user)
	mux.HandleFunc("/api/v1/ws", s.websocket)
	mux.HandleFunc("/api/v1/events", s.events)
	mux.HandleFunc("/api/v1/slow", s.slow)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		writeMessage(w, http.StatusNotFound, "Not Found")
	})
	mux.Handle("/", newUI(s.Config.PublicURL))
	return s.accessLog(s.limitBody(mux))
}

// limitBody refuses bodies above the largest file plus Vikunja's reserve.
func (s *Server) limitBody(next http.Handler) http.Handler {
	limit := s.Config.BodyLimit()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > limit {
			// A client that is cut off while it still sends would never read the answer.
			_, _ = io.CopyN(io.Discard, r.Body, drainLimit)
			writeMessage(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}

func (s *Server) accessLog(next http.Handler) http.Handler {
	if s.Config.LogHTTP == "off" || s.Config.LogHTTP == "false" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		log.Infof("%s %s %s %d %s", r.RemoteAddr, r.Method, printable(r.URL.RequestURI()),
			recorder.status, time.Since(began).Round(time.Microsecond))
	})
}

// printable keeps a request's address from writing lines of its own into the log, which has its query
// string, too, as Vikunja's.
func printable(path string) string {
	return strings.Map(func(letter rune) rune {
		if letter < ' ' || letter == 0x7f {
			return '?'
		}
		return letter
	}, path)
}
