package models

import "fmt"

// NotFound says that something with this id does not exist.
type NotFound struct {
	What string
	ID   int64
}

func (e NotFound) Error() string { return fmt.Sprintf("%s %d does not exist", e.What, e.ID) }

// Invalid says what is wrong with given values.
type Invalid struct{ Reason string }

func (e Invalid) Error() string { return e.Reason }
