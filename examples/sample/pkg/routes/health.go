package routes

import (
	"io"
	"net/http"

	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/misbehave"
	"code.vikunja.io/api/pkg/redis"
	"code.vikunja.io/api/pkg/version"
)

// health answers as Vikunja does: OK as plain text, or 500.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	err := s.Database.Ping(r.Context())
	if err == nil && s.Config.RedisEnabled {
		err = redis.Ping(s.Config)
	}
	if err != nil {
		log.Errorf("health: %v", err)
	}
	if err != nil || misbehave.FailHealth() {
		writeMessage(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "OK")
}

type info struct {
	Version                string   `json:"version"`
	FrontendURL            string   `json:"frontend_url"`
	Motd                   string   `json:"motd"`
	MaxFileSize            string   `json:"max_file_size"`
	TaskAttachmentsEnabled bool     `json:"task_attachments_enabled"`
	EmailRemindersEnabled  bool     `json:"email_reminders_enabled"`
	WebhooksEnabled        bool     `json:"webhooks_enabled"`
	Auth                   authInfo `json:"auth"`
}

type authInfo struct {
	Local struct {
		Enabled             bool `json:"enabled"`
		RegistrationEnabled bool `json:"registration_enabled"`
	} `json:"local"`
}

func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	answer := info{
		Version:                misbehave.Version(version.Version),
		FrontendURL:            s.Config.PublicURL,
		MaxFileSize:            s.Config.FilesMaxSize.Text,
		TaskAttachmentsEnabled: true,
		EmailRemindersEnabled:  s.Config.MailerEnabled,
		WebhooksEnabled:        s.Config.WebhooksEnabled,
	}
	answer.Auth.Local.Enabled = true
	answer.Auth.Local.RegistrationEnabled = s.Config.EnableRegistration
	writeJSON(w, http.StatusOK, answer)
}
