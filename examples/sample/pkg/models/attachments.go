package models

import (
	"context"
	"time"

	"code.vikunja.io/api/pkg/db"
)

// File describes a stored file; its content lies under FILES_BASEPATH by the same id.
type File struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Mime string `json:"mime"`
	Size int64  `json:"size"`
}

// Attachment ties a file to a task.
type Attachment struct {
	ID      int64     `json:"id"`
	TaskID  int64     `json:"task_id"`
	File    File      `json:"file"`
	Created time.Time `json:"created"`
}

// CreateAttachment records a file of a task. Place puts the content where the
// new id says; the record becomes visible only after that, so that every file
// the database names exists.
func CreateAttachment(
	ctx context.Context, database *db.DB, taskID int64, file File, place func(fileID int64) error,
) (Attachment, error) {
	attachment := Attachment{TaskID: taskID, File: file, Created: now()}
	err := database.Transaction(ctx, func(tx *db.Tx) error {
		var err error
		attachment.File.ID, err = tx.Insert(ctx,
			"INSERT INTO files (name, mime, size, created) VALUES (?, ?, ?, ?)",
			file.Name, file.Mime, file.Size, attachment.Created)
		if err != nil {
			return err
		}
		attachment.ID, err = tx.Insert(ctx,
			"INSERT INTO task_attachments (task_id, file_id, created) VALUES (?, ?, ?)",
			taskID, attachment.File.ID, attachment.Created)
		if err != nil {
			return err
		}
		return place(attachment.File.ID)
	})
	return attachment, err
}

// GetAttachment returns one attachment of a task, or NotFound.
func GetAttachment(ctx context.Context, database *db.DB, taskID, id int64) (Attachment, error) {
	found, err := attachmentsWhere(ctx, database, "a.task_id = ? AND a.id = ?", taskID, id)
	if err != nil {
		return Attachment{}, err
	}
	if len(found) == 0 {
		return Attachment{}, NotFound{What: "attachment", ID: id}
	}
	return found[0], nil
}

// DeleteAttachment removes the record, and returns the id of the file it named.
func DeleteAttachment(ctx context.Context, database *db.DB, taskID, id int64) (int64, error) {
	attachment, err := GetAttachment(ctx, database, taskID, id)
	if err != nil {
		return 0, err
	}
	return attachment.File.ID, database.Transaction(ctx, func(tx *db.Tx) error {
		if err := tx.Exec(ctx, "DELETE FROM task_attachments WHERE id = ?", id); err != nil {
			return err
		}
		return tx.Exec(ctx, "DELETE FROM files WHERE id = ?", attachment.File.ID)
	})
}

func attachmentsWhere(
	ctx context.Context, database *db.DB, condition string, arguments ...interface{},
) ([]Attachment, error) {
	rows, err := database.Query(ctx,
		"SELECT a.id, a.task_id, a.created, f.id, f.name, f.mime, f.size "+
			"FROM task_attachments a JOIN files f ON f.id = a.file_id "+
			"WHERE "+condition+" ORDER BY a.id", arguments...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var attachments []Attachment
	for rows.Next() {
		var a Attachment
		err := rows.Scan(&a.ID, &a.TaskID, &a.Created, &a.File.ID, &a.File.Name, &a.File.Mime, &a.File.Size)
		if err != nil {
			return nil, err
		}
		attachments = append(attachments, a)
	}
	return attachments, rows.Err()
}
