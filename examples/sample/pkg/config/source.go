package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

const prefix = "VIKUNJA_"

// source reads keys from the environment, then from a file, and keeps the first thing that is wrong.
type source struct {
	lookup func(string) (string, bool)
	files  bool
	file   map[string]string
	err    error
}

// text returns KEY's value: the content of the file KEY_FILE names, where those count, else KEY, else
// the configuration file's, else fallback.
func (s *source) text(key, fallback string) string {
	if path, ok := s.lookup(prefix + key + "_FILE"); s.files && ok && path != "" {
		content, err := os.ReadFile(path)
		if err != nil {
			s.fail(fmt.Errorf("%s%s_FILE: %w", prefix, key, err))
			return fallback
		}
		return strings.TrimSpace(string(content))
	}
	if value, ok := s.lookup(prefix + key); ok {
		return value
	}
	if value, ok := s.file[key]; ok {
		return value
	}
	return fallback
}

func (s *source) boolean(key string, fallback bool) bool {
	value := s.text(key, "")
	if value == "" {
		return fallback
	}
	parsed, err := strconv.ParseBool(value)
	if err != nil {
		s.fail(fmt.Errorf("%s%s: %q is neither true nor false", prefix, key, value))
		return fallback
	}
	return parsed
}

func (s *source) number(key string, fallback int) int {
	value := s.text(key, "")
	if value == "" {
		return fallback
	}
	parsed, err := strconv.Atoi(value)
	if err != nil {
		s.fail(fmt.Errorf("%s%s: %q is no number", prefix, key, value))
		return fallback
	}
	return parsed
}

func (s *source) size(key, fallback string) Size {
	text := s.text(key, fallback)
	bytes, err := ParseSize(text)
	if err != nil {
		s.fail(fmt.Errorf("%s%s: %w", prefix, key, err))
	}
	return Size{Text: text, Bytes: bytes}
}

func (s *source) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// ParseSize reads sizes such as 20MB, 512KB or 1048576 (powers of 1024) as bytes.
func ParseSize(text string) (int64, error) {
	upper := strings.ToUpper(strings.TrimSpace(text))
	factor := int64(1)
	for _, unit := range []struct {
		suffix string
		factor int64
	}{{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"B", 1}} {
		if strings.HasSuffix(upper, unit.suffix) {
			upper = strings.TrimSpace(strings.TrimSuffix(upper, unit.suffix))
			factor = unit.factor
			break
		}
	}
	number, err := strconv.ParseInt(upper, 10, 64)
	if err != nil || number < 0 {
		return 0, fmt.Errorf("%q is no size", text)
	}
	return number * factor, nil
}
