package models

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"code.vikunja.io/api/pkg/db"
)

// User is an account. Nothing in the web UI needs one.
type User struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
	Email    string `json:"email"`
}

// CreateUser stores a new account.
func CreateUser(ctx context.Context, database *db.DB, username, email, password string) (User, error) {
	if username == "" || strings.ContainsAny(username, " \t\n") {
		return User{}, Invalid{"the username must not be empty or hold spaces"}
	}
	if at := strings.Index(email, "@"); at < 1 || at == len(email)-1 {
		return User{}, Invalid{"the email address is invalid"}
	}
	if len(password) < 8 || len(password) > 72 {
		return User{}, Invalid{"the password must have 8 to 72 characters"}
	}
	var taken int
	err := database.QueryRow(ctx, "SELECT COUNT(*) FROM users WHERE username = ? OR email = ?",
		username, email).Scan(&taken)
	if err != nil {
		return User{}, err
	}
	if taken > 0 {
		return User{}, Invalid{"a user with this username or email address exists already"}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return User{}, err
	}
	user := User{Username: username, Email: email}
	err = database.Transaction(ctx, func(tx *db.Tx) error {
		user.ID, err = tx.Insert(ctx,
			"INSERT INTO users (username, email, password, created, updated) VALUES (?, ?, ?, ?, ?)",
			username, email, string(hash), now(), now())
		return err
	})
	return user, err
}

// CheckPassword returns the account, or Invalid for a wrong name or password.
func CheckPassword(ctx context.Context, database *db.DB, username, password string) (User, error) {
	var user User
	var hash string
	err := database.QueryRow(ctx,
		"SELECT id, username, email, password FROM users WHERE username = ?", username,
	).Scan(&user.ID, &user.Username, &user.Email, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return User{}, err
	}
	if err != nil || bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil {
		return User{}, Invalid{"wrong username or password"}
	}
	return user, nil
}

// GetUser returns the account with this id, or NotFound.
func GetUser(ctx context.Context, database *db.DB, id int64) (User, error) {
	var user User
	err := database.QueryRow(ctx, "SELECT id, username, email FROM users WHERE id = ?", id).
		Scan(&user.ID, &user.Username, &user.Email)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, NotFound{What: "user", ID: id}
	}
	return user, err
}

// ListUsers returns every account.
func ListUsers(ctx context.Context, database *db.DB) ([]User, error) {
	rows, err := database.Query(ctx, "SELECT id, username, email FROM users ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var users []User
	for rows.Next() {
		var user User
		if err := rows.Scan(&user.ID, &user.Username, &user.Email); err != nil {
			return nil, err
		}
		users = append(users, user)
	}
	return users, rows.Err()
}
