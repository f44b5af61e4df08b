package routes

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"

	"code.vikunja.io/api/pkg/log"
	"code.vikunja.io/api/pkg/models"
)

// attachments serves /api/v1/tasks/ID/attachments.
func (s *Server) attachments(w http.ResponseWriter, r *http.Request, taskID int64) {
	if !allow(w, r, http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost) {
		return
	}
	task, err := models.GetTask(r.Context(), s.Database, taskID)
	if err != nil {
		writeError(w, err)
		return
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		writeJSON(w, http.StatusOK, task.Attachments)
		return
	}
	uploaded, err := s.receiveAll(r, taskID)
	if err != nil {
		writeError(w, err)
		return
	}
	if task, err = models.GetTask(r.Context(), s.Database, taskID); err == nil {
		s.announce("task.updated", taskID, &task)
	}
	writeJSON(w, http.StatusOK, map[string]interface{}{"success": uploaded, "errors": nil})
}

func (s *Server) receiveAll(r *http.Request, taskID int64) ([]models.Attachment, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, models.Invalid{Reason: "expected a multipart form with a field named files"}
	}
	uploaded := []models.Attachment{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, brokenUpload(err)
		}
		if part.FileName() == "" {
			continue
		}
		attachment, err := s.receive(r, taskID, part)
		if err != nil {
			return nil, err
		}
		uploaded = append(uploaded, attachment)
	}
	if len(uploaded) == 0 {
		return nil, models.Invalid{Reason: "the form holds no file"}
	}
	return uploaded, nil
}

func (s *Server) receive(r *http.Request, taskID int64, part *multipart.Part) (models.Attachment, error) {
	incoming, err := s.Files.Receive(part)
	if err != nil {
		return models.Attachment{}, brokenUpload(err)
	}
	file := models.File{
		Name: fileName(part.FileName()),
		Mime: mimeType(part.Header.Get("Content-Type")),
		Size: incoming.Size,
	}
	attachment, err := models.CreateAttachment(r.Context(), s.Database, taskID, file, incoming.Place)
	if err != nil {
		incoming.Discard()
	}
	return attachment, err
}

// attachment serves /api/v1/tasks/ID/attachments/ID.
func (s *Server) attachment(w http.ResponseWriter, r *http.Request, taskID, id int64) {
	if !allow(w, r, http.MethodGet, http.MethodHead, http.MethodDelete) {
		return
	}
	if r.Method == http.MethodDelete {
		fileID, err := models.DeleteAttachment(r.Context(), s.Database, taskID, id)
		if err != nil {
			writeError(w, err)
			return
		}
		s.removeFile(fileID)
		if task, err := models.GetTask(r.Context(), s.Database, taskID); err == nil {
			s.announce("task.updated", taskID, &task)
		}
		writeMessage(w, http.StatusOK, "The attachment was deleted successfully.")
		return
	}
	attachment, err := models.GetAttachment(r.Context(), s.Database, taskID, id)
	if err != nil {
		writeError(w, err)
		return
	}
	content, err := s.Files.Open(attachment.File.ID)
	if err != nil {
		writeError(w, err)
		return
	}
	defer content.Close()
	header := w.Header()
	header.Set("Content-Type", attachment.File.Mime)
	header.Set("Content-Disposition",
		mime.FormatMediaType("attachment", map[string]string{"filename": attachment.File.Name}))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("ETag", strconv.Quote(strconv.FormatInt(attachment.File.ID, 10)))
	http.ServeContent(w, r, "", attachment.Created, content)
}

func (s *Server) removeFile(id int64) {
	if err := s.Files.Remove(id); err != nil {
		log.Errorf("file %d stays behind: %v", id, err)
	}
}

// brokenUpload tells a body that ended too early from a failure of ours.
func brokenUpload(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return models.Invalid{Reason: "the upload ended before its end"}
	}
	return err
}

func fileName(given string) string {
	name := filepath.Base(strings.ReplaceAll(given, `\`, "/"))
	if letters := []rune(name); len(letters) > 250 {
		name = string(letters[len(letters)-250:])
	}
	return name
}

func mimeType(given string) string {
	if _, _, err := mime.ParseMediaType(given); err != nil || len(given) > 250 {
		return "application/octet-stream"
	}
	return given
}
