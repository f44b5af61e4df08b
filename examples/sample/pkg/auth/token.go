// Package auth signs and checks the tokens that clients of the API carry.
package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

const lifetime = 72 * time.Hour

// ErrInvalid says that a token was not signed with this secret, or is too old.
var ErrInvalid = errors.New("invalid or expired token")

// Sign makes a token for a user's id.
func Sign(secret string, userID int64) string {
	claim := fmt.Sprintf("%d.%d", userID, time.Now().Add(lifetime).Unix())
	return base64.RawURLEncoding.EncodeToString([]byte(claim)) + "." + signature(secret, claim)
}

// Check returns the user's id of a token, or ErrInvalid.
func Check(secret, token string) (int64, error) {
	encoded, signed, _ := strings.Cut(token, ".")
	claim, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !hmac.Equal([]byte(signed), []byte(signature(secret, string(claim)))) {
		return 0, ErrInvalid
	}
	var userID, expires int64
	if _, err := fmt.Sscanf(string(claim), "%d.%d", &userID, &expires); err != nil {
		return 0, ErrInvalid
	}
	if time.Now().Unix() > expires {
		return 0, ErrInvalid
	}
	return userID, nil
}

func signature(secret, claim string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(claim))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
