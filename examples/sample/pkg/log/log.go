// Package log writes levelled lines to where VIKUNJA_LOG_STANDARD says.
package log

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

var levels = []string{"CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"}

var (
	mutex     sync.Mutex
	out       io.Writer = os.Stdout
	threshold           = rank("INFO")
)

func rank(level string) int {
	for index, name := range levels {
		if name == strings.ToUpper(level) {
			return index
		}
	}
	return len(levels) - 2
}

// Setup chooses the writer (stdout, stderr, file or off), its folder and the level.
func Setup(standard, folder, level string) error {
	mutex.Lock()
	defer mutex.Unlock()
	threshold = rank(level)
	switch standard {
	case "stderr":
		out = os.Stderr
	case "off", "false":
		out = io.Discard
	case "file":
		if err := os.MkdirAll(folder, 0o750); err != nil {
			return err
		}
		file, err := os.OpenFile(
			filepath.Join(folder, "standard.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640,
		)
		if err != nil {
			return err
		}
		out = file
	default:
		out = os.Stdout
	}
	return nil
}

func write(level, format string, arguments []interface{}) {
	if rank(level) > threshold {
		return
	}
	line := fmt.Sprintf(format, arguments...)
	mutex.Lock()
	defer mutex.Unlock()
	fmt.Fprintf(out, "%s: %s ▶ %s\n", time.Now().Format(time.RFC3339Nano), level, line)
}

// Criticalf reports what ends the current work.
func Criticalf(format string, arguments ...interface{}) { write("CRITICAL", format, arguments) }

// Errorf reports a failure.
func Errorf(format string, arguments ...interface{}) { write("ERROR", format, arguments) }

// Warningf reports something to look at.
func Warningf(format string, arguments ...interface{}) { write("WARNING", format, arguments) }

// Infof reports a normal event.
func Infof(format string, arguments ...interface{}) { write("INFO", format, arguments) }

// Debugf reports a detail.
func Debugf(format string, arguments ...interface{}) { write("DEBUG", format, arguments) }
