package routes

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/misbehave"
	"code.vikunja.io/api/pkg/version"
)

const (
	heartbeat   = 20 * time.Second
	writeLimit  = 10 * time.Second
	slowestSlow = 10 * time.Minute
)

// websocket echoes what it is sent, and passes on every change of a task.
func (s *Server) websocket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{CheckOrigin: s.trustedOrigin}
	connection, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		log.Debugf("WebSocket: %v", err)
		return
	}
	defer connection.Close()
	changes, stop := s.Hub.Listen()
	defer stop()
	echoes := make(chan []byte, 16)
	gone := make(chan struct{})
	defer close(gone)
	go readSocket(connection, echoes, gone)

	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		kind, payload := websocket.TextMessage, []byte(nil)
		open := true
		select {
		case payload, open = <-changes:
		case payload, open = <-echoes:
			if !open {
				return
			}
		case <-ticker.C:
			kind = websocket.PingMessage
		}
		if !open {
			kind = websocket.CloseMessage
			payload = websocket.FormatCloseMessage(websocket.CloseGoingAway, "shutting down")
		}
		_ = connection.SetWriteDeadline(time.Now().Add(writeLimit))
		if err := connection.WriteMessage(kind, payload); err != nil || !open {
			return
		}
	}
}

func readSocket(connection *websocket.Conn, echoes chan<- []byte, gone <-chan struct{}) {
	defer close(echoes)
	connection.SetReadLimit(64 << 10)
	for {
		_, payload, err := connection.ReadMessage()
		if err != nil {
			return
		}
		select {
		case echoes <- payload:
		case <-gone:
			return
		}
	}
}

// trustedOrigin accepts pages of this host or of the public URL's, and clients that are no browser.
func (s *Server) trustedOrigin(r *http.Request) bool {
	header := r.Header.Get("Origin")
	if header == "" {
		return true
	}
	origin, err := url.Parse(header)
	if err != nil {
		return false
	}
	here := url.URL{Host: r.Host}
	public, err := url.Parse(s.Config.PublicURL)
	return origin.Hostname() == here.Hostname() ||
		(err == nil && public.Host != "" && origin.Hostname() == public.Hostname())
}

// events streams every change of a task as server-sent events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	flusher, ok := w.(http.Flusher)
	if !ok || !allow(w, r, http.MethodGet) {
		return
	}
	changes, stop := s.Hub.Listen()
	defer stop()
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	fmt.Fprintf(w, "event: hello\ndata: {\"version\":%q}\n\n", misbehave.Version(version.Version))
	flusher.Flush()
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case payload, open := <-changes:
			if !open {
				return
			}
			fmt.Fprintf(w, "event: change\ndata: %s\n\n", payload)
		case <-ticker.C:
			fmt.Fprint(w, ": still here\n\n")
		}
		flusher.Flush()
	}
}

// slow holds its answer back for ?seconds=N, so that a test can have a request in flight.
func (s *Server) slow(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
	wait := time.Duration(seconds * float64(time.Second))
	if err != nil || wait < 0 || wait > slowestSlow {
		writeMessage(w, http.StatusBadRequest, "seconds must be a number from 0 to 600")
		return
	}
	select {
	case <-r.Context().Done():
		return
	case <-time.After(wait):
	}
	writeJSON(w, http.StatusOK, map[string]interface{}{
		"seconds": seconds, "version": misbehave.Version(version.Version),
	})
}
