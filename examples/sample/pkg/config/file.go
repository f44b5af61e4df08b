package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// readFile returns the settings of the first config.yml or config.yaml, as KEY_PATH in capitals, and
// where it is; none where there is no such file. As in Vikunja the environment counts more.
func readFile(root string) (map[string]string, string, error) {
	places := []string{root, "/etc/vikunja"}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, ".config", "vikunja"))
	}
	for _, place := range append(places, ".") {
		for _, name := range []string{"config.yaml", "config.yml"} {
			path := filepath.Join(place, name)
			content, err := os.ReadFile(path)
			if os.IsNotExist(err) {
				continue
			}
			if err != nil {
				return nil, "", err
			}
			settings, err := parse(string(content))
			if err != nil {
				return nil, "", fmt.Errorf("%s: %w", path, err)
			}
			return settings, path, nil
		}
	}
	return nil, "", nil
}

// parse reads sections of scalars, which is what of YAML such a file needs.
func parse(text string) (map[string]string, error) {
	type section struct {
		indent int
		name   string
	}
	settings, above := map[string]string{}, []section{}
	for number, raw := range strings.Split(text, "\n") {
		line := strings.TrimRight(raw, " \t\r")
		trimmed := strings.TrimLeft(line, " ")
		if trimmed == "" || strings.HasPrefix(trimmed, "#") || trimmed == "---" {
			continue
		}
		key, value, found := strings.Cut(trimmed, ":")
		if !found || strings.HasPrefix(trimmed, "-") {
			return nil, fmt.Errorf("line %d is no setting", number+1)
		}
		indent := len(line) - len(trimmed)
		for len(above) > 0 && above[len(above)-1].indent >= indent {
			above = above[:len(above)-1]
		}
		name := strings.ToUpper(strings.Trim(key, `"' `))
		if len(above) > 0 {
			name = above[len(above)-1].name + "_" + name
		}
		if value = scalar(value); value == "" {
			above = append(above, section{indent, name})
			continue
		}
		settings[name] = value
	}
	return settings, nil
}

// scalar is a value without its quotes, and without the comment behind it.
func scalar(text string) string {
	text = strings.TrimSpace(text)
	for _, quote := range []string{`"`, "'"} {
		if strings.HasPrefix(text, quote) {
			if end := strings.Index(text[1:], quote); end >= 0 {
				return text[1 : end+1]
			}
		}
	}
	if strings.HasPrefix(text, "#") {
		return ""
	}
	before, _, _ := strings.Cut(text, " #")
	return strings.TrimSpace(before)
}
