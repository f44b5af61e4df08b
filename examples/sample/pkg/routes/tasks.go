package routes

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/models"
)

// change is what listeners of the WebSocket and the event stream are told.
type change struct {
	Event string       `json:"event"`
	ID    int64        `json:"id"`
	Task  *models.Task `json:"task,omitempty"`
}

func (s *Server) announce(event string, id int64, task *models.Task) {
	encoded, err := json.Marshal(change{Event: event, ID: id, Task: task})
	if err != nil {
		log.Errorf("announce %s: %v", event, err)
		return
	}
	s.Hub.Publish(encoded)
}

// tasks serves /api/v1/tasks.
func (s *Server) tasks(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut) {
		return
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		tasks, err := models.ListTasks(r.Context(), s.Database)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, tasks)
		return
	}
	var wanted models.TaskChange
	if err := readJSON(r, &wanted); err != nil {
		writeError(w, err)
		return
	}
	task, err := models.CreateTask(r.Context(), s.Database, wanted)
	if err != nil {
		writeError(w, err)
		return
	}
	s.announce("task.created", task.ID, &task)
	writeJSON(w, http.StatusCreated, task)
}

// task serves /api/v1/tasks/ID and what lies below it.
func (s *Server) task(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/tasks/"), "/")
	id, err := strconv.ParseInt(parts[0], 10, 64)
	switch {
	case err != nil:
		writeMessage(w, http.StatusBadRequest, "the task's id is no number")
	case len(parts) == 1:
		s.oneTask(w, r, id)
	case len(parts) == 2 && parts[1] == "attachments":
		s.attachments(w, r, id)
	case len(parts) == 3 && parts[1] == "attachments":
		attachmentID, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil {
			writeMessage(w, http.StatusBadRequest, "the attachment's id is no number")
			return
		}
		s.attachment(w, r, id, attachmentID)
	default:
		writeMessage(w, http.StatusNotFound, "Not Found")
	}
}

func (s *Server) oneTask(w http.ResponseWriter, r *http.Request, id int64) {
	if !allow(w, r, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete) {
		return
	}
	switch r.Method {
	case http.MethodPost:
		s.updateTask(w, r, id)
	case http.MethodDelete:
		s.deleteTask(w, r, id)
	default:
		task, err := models.GetTask(r.Context(), s.Database, id)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, task)
	}
}

func (s *Server) updateTask(w http.ResponseWriter, r *http.Request, id int64) {
	var wanted models.TaskChange
	if err := readJSON(r, &wanted); err != nil {
		writeError(w, err)
		return
	}
	task, err := models.UpdateTask(r.Context(), s.Database, id, wanted)
	if err != nil {
		writeError(w, err)
		return
	}
	s.announce("task.updated", id, &task)
	writeJSON(w, http.StatusOK, task)
}

func (s *Server) deleteTask(w http.ResponseWriter, r *http.Request, id int64) {
	fileIDs, err := models.DeleteTask(r.Context(), s.Database, id)
	if err != nil {
		writeError(w, err)
		return
	}
	for _, fileID := range fileIDs {
		s.removeFile(fileID)
	}
	s.announce("task.deleted", id, nil)
	writeMessage(w, http.StatusOK, "Successfully deleted.")
}
