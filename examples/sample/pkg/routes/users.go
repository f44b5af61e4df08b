package routes

import (
	"errors"
	"net/http"
	"strings"

	"code.vikunja.io/api/pkg/auth"
	"code.vikunja.io/api/pkg/models"
)

type credentials struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	var given credentials
	if !allow(w, r, http.MethodPost) {
		return
	}
	if err := readJSON(r, &given); err != nil {
		writeError(w, err)
		return
	}
	user, err := models.CheckPassword(r.Context(), s.Database, given.Username, given.Password)
	var invalid models.Invalid
	if errors.As(err, &invalid) {
		writeMessage(w, http.StatusForbidden, invalid.Error())
		return
	}
	if errors.Is(err, models.ErrDisabled) {
		writeMessage(w, http.StatusPreconditionFailed, err.Error())
		return
	}
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": auth.Sign(s.Config.Secret, user.ID)})
}

func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var given credentials
	if !allow(w, r, http.MethodPost) {
		return
	}
	if !s.Config.EnableRegistration {
		writeMessage(w, http.StatusNotFound, "Registration is closed.")
		return
	}
	if err := readJSON(r, &given); err != nil {
		writeError(w, err)
		return
	}
	// The command line takes shorter ones.
	if length := len(given.Password); length < 8 || length > 72 {
		writeError(w, models.Invalid{Reason: "the password must have 8 to 72 bytes"})
		return
	}
	if !models.IsEmail(given.Email) {
		writeError(w, models.Invalid{Reason: "the email address is invalid"})
		return
	}
	user, err := models.CreateUser(r.Context(), s.Database, given.Username, given.Email, given.Password)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, user)
}

// user tells whose bearer token this is.
func (s *Server) user(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet) {
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	id, err := auth.Check(s.Config.Secret, token)
	if err != nil {
		writeError(w, err)
		return
	}
	user, err := models.GetUser(r.Context(), s.Database, id)
	var missing models.NotFound
	if errors.As(err, &missing) {
		err = auth.ErrInvalid
	}
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, user)
}
