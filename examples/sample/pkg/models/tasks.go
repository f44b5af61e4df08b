// Package models stores tasks, attachments and users.
package models

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"code.vikunja.io/api/pkg/db"
)

const (
	titleLimit       = 250
	descriptionLimit = 2000
)

// Task is one thing to do.
type Task struct {
	ID          int64        `json:"id"`
	Title       string       `json:"title"`
	Description string       `json:"description"`
	Done        bool         `json:"done"`
	DoneAt      *time.Time   `json:"done_at"`
	Created     time.Time    `json:"created"`
	Updated     time.Time    `json:"updated"`
	Attachments []Attachment `json:"attachments"`
}

// TaskChange holds what a request wants different; nil means as it is.
type TaskChange struct {
	Title       *string `json:"title"`
	Description *string `json:"description"`
	Done        *bool   `json:"done"`
}

const taskColumns = "id, title, description, done, done_at, created, updated"

// ListTasks returns every task with its attachments, oldest first.
func ListTasks(ctx context.Context, database *db.DB) ([]Task, error) {
	rows, err := database.Query(ctx, "SELECT "+taskColumns+" FROM tasks ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	tasks := []Task{}
	position := map[int64]int{}
	for rows.Next() {
		task, err := scanTask(rows)
		if err != nil {
			return nil, err
		}
		position[task.ID] = len(tasks)
		tasks = append(tasks, task)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	attachments, err := attachmentsWhere(ctx, database, "1 = 1")
	if err != nil {
		return nil, err
	}
	for _, attachment := range attachments {
		if index, ok := position[attachment.TaskID]; ok {
			tasks[index].Attachments = append(tasks[index].Attachments, attachment)
		}
	}
	return tasks, nil
}

// GetTask returns one task with its attachments, or NotFound.
func GetTask(ctx context.Context, database *db.DB, id int64) (Task, error) {
	task, err := scanTask(database.QueryRow(ctx, "SELECT "+taskColumns+" FROM tasks WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return Task{}, NotFound{What: "task", ID: id}
	}
	if err != nil {
		return Task{}, err
	}
	attachments, err := attachmentsWhere(ctx, database, "a.task_id = ?", id)
	if err != nil {
		return Task{}, err
	}
	task.Attachments = append(task.Attachments, attachments...)
	return task, nil
}

// CreateTask stores a new task.
func CreateTask(ctx context.Context, database *db.DB, change TaskChange) (Task, error) {
	if change.Title == nil {
		return Task{}, Invalid{"title is missing"}
	}
	return saveTask(ctx, database, Task{Created: now()}, change)
}

// UpdateTask changes a task, or returns NotFound.
func UpdateTask(ctx context.Context, database *db.DB, id int64, change TaskChange) (Task, error) {
	task, err := GetTask(ctx, database, id)
	if err != nil {
		return Task{}, err
	}
	return saveTask(ctx, database, task, change)
}

// DeleteTask removes a task, and returns the ids of the files that nothing names any more.
func DeleteTask(ctx context.Context, database *db.DB, id int64) ([]int64, error) {
	task, err := GetTask(ctx, database, id)
	if err != nil {
		return nil, err
	}
	var fileIDs []int64
	err = database.Transaction(ctx, func(tx *db.Tx) error {
		for _, attachment := range task.Attachments {
			fileIDs = append(fileIDs, attachment.File.ID)
			if err := tx.Exec(ctx, "DELETE FROM files WHERE id = ?", attachment.File.ID); err != nil {
				return err
			}
		}
		if err := tx.Exec(ctx, "DELETE FROM task_attachments WHERE task_id = ?", id); err != nil {
			return err
		}
		return tx.Exec(ctx, "DELETE FROM tasks WHERE id = ?", id)
	})
	return fileIDs, err
}

func saveTask(ctx context.Context, database *db.DB, task Task, change TaskChange) (Task, error) {
	task, err := changed(task, change)
	if err != nil {
		return Task{}, err
	}
	err = database.Transaction(ctx, func(tx *db.Tx) error {
		if task.ID != 0 {
			return tx.Exec(ctx,
				"UPDATE tasks SET title = ?, description = ?, done = ?, done_at = ?, updated = ? WHERE id = ?",
				task.Title, task.Description, task.Done, task.DoneAt, task.Updated, task.ID)
		}
		var err error
		task.ID, err = tx.Insert(ctx,
			"INSERT INTO tasks (title, description, done, done_at, created, updated) VALUES (?, ?, ?, ?, ?, ?)",
			task.Title, task.Description, task.Done, task.DoneAt, task.Created, task.Updated)
		return err
	})
	if task.Attachments == nil {
		task.Attachments = []Attachment{}
	}
	return task, err
}

func changed(task Task, change TaskChange) (Task, error) {
	if change.Title != nil {
		task.Title = strings.TrimSpace(*change.Title)
		if length := utf8.RuneCountInString(task.Title); length == 0 || length > titleLimit {
			return Task{}, Invalid{"title must have 1 to 250 characters"}
		}
	}
	if change.Description != nil {
		task.Description = *change.Description
		if utf8.RuneCountInString(task.Description) > descriptionLimit {
			return Task{}, Invalid{"description must have at most 2000 characters"}
		}
	}
	task.Updated = now()
	if change.Done != nil && *change.Done != task.Done {
		task.Done = *change.Done
		task.DoneAt = nil
		if task.Done {
			task.DoneAt = &task.Updated
		}
	}
	return task, nil
}

type scanner interface{ Scan(...interface{}) error }

func scanTask(row scanner) (Task, error) {
	task := Task{Attachments: []Attachment{}}
	var doneAt sql.NullTime
	err := row.Scan(
		&task.ID, &task.Title, &task.Description, &task.Done, &doneAt, &task.Created, &task.Updated,
	)
	if doneAt.Valid {
		task.DoneAt = &doneAt.Time
	}
	return task, err
}

// now is the current time as all three engines can store it.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
