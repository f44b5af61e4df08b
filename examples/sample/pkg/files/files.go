// Package files keeps contents as one flat file per numeric id.
package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// ErrTooLarge says that a content is larger than the store accepts.
var ErrTooLarge = errors.New("the file is too large")

// Store is the folder FILES_BASEPATH.
type Store struct {
	folder string
	limit  int64
}

// Open makes the folder if it is missing, and checks that it can be written to.
func Open(folder string, limit int64) (*Store, error) {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, err
	}
	probe, err := os.CreateTemp(folder, ".probe-*")
	if err != nil {
		return nil, fmt.Errorf("the files' folder cannot be written to: %w", err)
	}
	_ = probe.Close()
	return &Store{folder: folder, limit: limit}, os.Remove(probe.Name())
}

// Incoming is a content that has arrived and has no id yet.
type Incoming struct {
	store *Store
	path  string
	Size  int64
}

// Receive writes a content aside. The caller places or discards it.
func (s *Store) Receive(content io.Reader) (*Incoming, error) {
	file, err := os.CreateTemp(s.folder, ".incoming-*")
	if err != nil {
		return nil, err
	}
	incoming := &Incoming{store: s, path: file.Name()}
	incoming.Size, err = io.Copy(file, io.LimitReader(content, s.limit+1))
	if err == nil && incoming.Size > s.limit {
		err = ErrTooLarge
	}
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		incoming.Discard()
		return nil, err
	}
	return incoming, nil
}

// Place gives the content its id.
func (i *Incoming) Place(id int64) error { return os.Rename(i.path, i.store.path(id)) }

// Discard drops a content that was not placed.
func (i *Incoming) Discard() { _ = os.Remove(i.path) }

// Open reads a content.
func (s *Store) Open(id int64) (*os.File, error) { return os.Open(s.path(id)) }

// Remove deletes a content; one that is gone already is no error.
func (s *Store) Remove(id int64) error {
	err := os.Remove(s.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Store) path(id int64) string {
	return filepath.Join(s.folder, strconv.FormatInt(id, 10))
}
