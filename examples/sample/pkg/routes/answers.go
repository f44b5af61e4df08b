package routes

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"code.vikunja.io/api/pkg/auth"
	"code.vikunja.io/api/pkg/files"
	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/models"
)

type message struct {
	Message string `json:"message"`
}

func writeJSON(w http.ResponseWriter, status int, value interface{}) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Debugf("the client went away: %v", err)
	}
}

func writeMessage(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, message{text})
}

// writeError finds the status that fits an error; what is nobody's fault but ours is a 500.
func writeError(w http.ResponseWriter, err error) {
	var missing models.NotFound
	var invalid models.Invalid
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &missing):
		writeMessage(w, http.StatusNotFound, missing.Error())
	case errors.As(err, &invalid):
		writeMessage(w, http.StatusBadRequest, invalid.Error())
	case errors.As(err, &tooLarge):
		writeMessage(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	case errors.Is(err, files.ErrTooLarge):
		writeMessage(w, http.StatusBadRequest, "The file is larger than the server accepts.")
	case errors.Is(err, auth.ErrInvalid):
		writeMessage(w, http.StatusUnauthorized, auth.ErrInvalid.Error())
	default:
		log.Errorf("%v", err)
		writeMessage(w, http.StatusInternalServerError, "Internal Server Error")
	}
}

func readJSON(r *http.Request, into interface{}) error {
	err := json.NewDecoder(r.Body).Decode(into)
	var tooLarge *http.MaxBytesError
	if err == nil || errors.As(err, &tooLarge) {
		return err
	}
	return models.Invalid{Reason: "the body is no valid JSON of the expected shape"}
}

// allow answers 405 and returns false unless the method is one of the given.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, method := range methods {
		if r.Method == method {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	writeMessage(w, http.StatusMethodNotAllowed, "Method Not Allowed")
	return false
}
