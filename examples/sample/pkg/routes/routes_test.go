package routes

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"code.vikunja.io/api/pkg/config"
	"code.vikunja.io/api/pkg/db"
	"code.vikunja.io/api/pkg/files"
	"code.vikunja.io/api/pkg/hub"
	"code.vikunja.io/api/pkg/migration"
)

const megabyte = 1 << 20

func serve(t *testing.T) (server *httptest.Server, database *db.DB, folder string) {
	t.Helper()
	folder = t.TempDir()
	settings := config.Config{
		DatabaseType:  "sqlite",
		DatabasePath:  filepath.Join(t.TempDir(), "test.db"),
		FilesMaxSize:  config.Size{Text: "1MB", Bytes: megabyte},
		FilesBasePath: folder,
		LogHTTP:       "off",
	}
	database, err := db.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := migration.Run(context.Background(), database); err != nil {
		t.Fatal(err)
	}
	store, err := files.Open(folder, settings.FilesMaxSize.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	routes := &Server{Config: settings, Database: database, Files: store, Hub: hub.New()}
	server = httptest.NewServer(routes.Handler())
	t.Cleanup(func() {
		server.Close()
		_ = database.Close()
	})
	return server, database, folder
}

func send(t *testing.T, method, address, kind string, body []byte) (status int, answer []byte) {
	t.Helper()
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

func form(t *testing.T, size int) (kind string, body []byte) {
	t.Helper()
	var buffer bytes.Buffer
	writer := multipart.NewWriter(&buffer)
	part, err := writer.CreateFormFile("files", "notes.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(bytes.Repeat([]byte("x"), size))
	_ = writer.Close()
	return writer.FormDataContentType(), buffer.Bytes()
}

func TestHealthFollowsTheDatabase(t *testing.T) {
	server, database, _ := serve(t)
	if status, answer := send(t, "GET", server.URL+"/health", "", nil); status != 200 || string(answer) != "OK" {
		t.Fatalf("got %d %s", status, answer)
	}
	_ = database.Close()
	if status, _ := send(t, "GET", server.URL+"/health", "", nil); status != 500 {
		t.Fatalf("got %d without a database", status)
	}
}

func TestATaskLivesFromCreationToDeletion(t *testing.T) {
	server, _, folder := serve(t)
	tasks := server.URL + "/api/v1/tasks"
	if status, answer := send(t, "PUT", tasks, "application/json", []byte(`{"title":"one"}`)); status != 201 {
		t.Fatalf("create: %d %s", status, answer)
	}
	kind, body := form(t, megabyte)
	if status, answer := send(t, "PUT", tasks+"/1/attachments", kind, body); status != 200 {
		t.Fatalf("attach: %d %s", status, answer)
	}
	if _, answer := send(t, "GET", tasks+"/1/attachments/1", "", nil); len(answer) != megabyte {
		t.Fatalf("the attachment came back with %d bytes", len(answer))
	}
	if _, err := os.Stat(filepath.Join(folder, "1")); err != nil {
		t.Fatal(err)
	}
	status, answer := send(t, "POST", tasks+"/1", "application/json", []byte(`{"done":true}`))
	var task struct {
		Done   bool    `json:"done"`
		DoneAt *string `json:"done_at"`
	}
	if err := json.Unmarshal(answer, &task); err != nil || status != 200 || !task.Done || task.DoneAt == nil {
		t.Fatalf("done: %d %s", status, answer)
	}
	if status, _ := send(t, "DELETE", tasks+"/1", "", nil); status != 200 {
		t.Fatalf("delete: %d", status)
	}
	if left, _ := os.ReadDir(folder); len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
	if _, answer := send(t, "GET", tasks, "", nil); strings.TrimSpace(string(answer)) != "[]" {
		t.Fatalf("got %s", answer)
	}
}

func TestAFileAboveTheLimitIsRefusedAndLeavesNothing(t *testing.T) {
	server, _, folder := serve(t)
	tasks := server.URL + "/api/v1/tasks"
	send(t, "POST", tasks, "application/json", []byte(`{"title":"one"}`))
	for size, want := range map[int]int{megabyte + 1: 400, 4 * megabyte: 413} {
		kind, body := form(t, size)
		if status, answer := send(t, "PUT", tasks+"/1/attachments", kind, body); status != want {
			t.Errorf("%d bytes: %d %s", size, status, answer)
		}
	}
	if left, _ := os.ReadDir(folder); len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
}
