package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"code.vikunja.io/api/pkg/db"
)

// Status says whether an account may be used.
type Status int

// StatusActive and StatusDisabled are stored as Vikunja stores them.
const (
	StatusActive   Status = 0
	StatusDisabled Status = 2
)

func (s Status) String() string {
	switch s {
	case StatusActive:
		return "Active"
	case StatusDisabled:
		return "Disabled"
	}
	return "Unknown"
}

// User is an account. Nothing in the web UI needs one.
type User struct {
	ID       int64     `json:"id"`
	Username string    `json:"username"`
	Email    string    `json:"email"`
	Status   Status    `json:"-"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
	password string
}

const userColumns = "id, username, email, status, created, updated, password"

var reserved = regexp.MustCompile(`^(link-share-\d+$|bot-)`)

// IsEmail tells whether this may be an email address.
func IsEmail(email string) bool {
	at := strings.Index(email, "@")
	return at > 0 && at < len(email)-1 && !strings.ContainsAny(email, " \t\n")
}

// CreateUser stores a new account.
func CreateUser(ctx context.Context, database *db.DB, username, email, password string) (User, error) {
	if username == "" || email == "" || password == "" {
		return User{}, Invalid{"No username and password provided"}
	}
	if strings.Contains(username, " ") {
		return User{}, Invalid{"username must not contain spaces"}
	}
	if reserved.MatchString(username) {
		return User{}, Invalid{"username is reserved"}
	}
	for column, value := range map[string]string{"username": username, "email": email} {
		var taken int
		query := "SELECT COUNT(*) FROM users WHERE " + column + " = ?"
		if err := database.QueryRow(ctx, query, value).Scan(&taken); err != nil {
			return User{}, err
		}
		if taken > 0 {
			return User{}, Invalid{fmt.Sprintf("User with that %s already exists [%s]", column, value)}
		}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return User{}, err
	}
	user := User{Username: username, Email: email, Created: now(), Updated: now()}
	err = database.Transaction(ctx, func(tx *db.Tx) error {
		user.ID, err = tx.Insert(ctx,
			"INSERT INTO users (username, email, password, created, updated) VALUES (?, ?, ?, ?, ?)",
			username, email, string(hash), user.Created, user.Updated)
		return err
	})
	return user, err
}

// SetPassword gives an account another password.
func SetPassword(ctx context.Context, database *db.DB, id int64, password string) error {
	if password == "" {
		return Invalid{"New password is empty"}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	_, err = database.Exec(ctx, "UPDATE users SET password = ?, updated = ? WHERE id = ?",
		string(hash), now(), id)
	return err
}

// SetStatus enables or disables an account.
func SetStatus(ctx context.Context, database *db.DB, id int64, status Status) error {
	_, err := database.Exec(ctx, "UPDATE users SET status = ?, updated = ? WHERE id = ?",
		int(status), now(), id)
	return err
}

// DeleteUser removes an account.
func DeleteUser(ctx context.Context, database *db.DB, id int64) error {
	_, err := database.Exec(ctx, "DELETE FROM users WHERE id = ?", id)
	return err
}

// ErrDisabled says that name and password are right, and the account may not be used.
var ErrDisabled = errors.New("This account is disabled. Check your emails or ask your administrator.")

// CheckPassword returns the account, Invalid for a wrong name or password, or ErrDisabled.
func CheckPassword(ctx context.Context, database *db.DB, username, password string) (User, error) {
	user, err := UserByName(ctx, database, username)
	var invalid Invalid
	if err != nil && !errors.As(err, &invalid) {
		return User{}, err
	}
	if err != nil || bcrypt.CompareHashAndPassword([]byte(user.password), []byte(password)) != nil {
		return User{}, Invalid{"Wrong username or password."}
	}
	if user.Status == StatusDisabled {
		return User{}, ErrDisabled
	}
	return user, nil
}

// UserByName returns the account of this name, or Invalid.
func UserByName(ctx context.Context, database *db.DB, username string) (User, error) {
	user, err := scanUser(database.QueryRow(ctx,
		"SELECT "+userColumns+" FROM users WHERE username = ?", username))
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, Invalid{"User does not exist [user id: 0]"}
	}
	return user, err
}

// GetUser returns the account with this id, or NotFound.
func GetUser(ctx context.Context, database *db.DB, id int64) (User, error) {
	user, err := scanUser(database.QueryRow(ctx, "SELECT "+userColumns+" FROM users WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, NotFound{What: "user", ID: id}
	}
	return user, err
}

// ListUsers returns every account.
func ListUsers(ctx context.Context, database *db.DB) ([]User, error) {
	rows, err := database.Query(ctx, "SELECT "+userColumns+" FROM users ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var users []User
	for rows.Next() {
		user, err := scanUser(rows)
		if err != nil {
			return nil, err
		}
		users = append(users, user)
	}
	return users, rows.Err()
}

func scanUser(row interface{ Scan(...interface{}) error }) (User, error) {
	var user User
	err := row.Scan(&user.ID, &user.Username, &user.Email, &user.Status, &user.Created, &user.Updated,
		&user.password)
	return user, err
}
