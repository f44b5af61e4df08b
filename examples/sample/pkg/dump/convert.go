package dump

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// portable turns what a driver returned into what JSON should hold: MySQL's
// driver returns numbers as text, too.
func portable(value interface{}, columnType string) interface{} {
	text, ok := value.([]byte)
	if !ok {
		return value
	}
	switch strings.TrimPrefix(columnType, "UNSIGNED ") {
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "DECIMAL", "FLOAT", "DOUBLE":
		return json.Number(text)
	}
	return string(text)
}

// convert turns a dumped value into what a column of this type takes: what one
// engine dumps as true another dumps as 1, and times travel as text.
func convert(value interface{}, columnType string) (interface{}, error) {
	if value == nil {
		return nil, nil
	}
	switch columnType {
	case "BOOL", "BOOLEAN", "TINYINT":
		return toBoolean(value)
	case "DATETIME", "TIMESTAMP":
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("%v is no time", value)
		}
		parsed, err := time.Parse(time.RFC3339Nano, text)
		return parsed.UTC(), err
	}
	if number, ok := value.(json.Number); ok {
		if whole, err := number.Int64(); err == nil {
			return whole, nil
		}
		return number.Float64()
	}
	return value, nil
}

func toBoolean(value interface{}) (bool, error) {
	switch typed := value.(type) {
	case bool:
		return typed, nil
	case json.Number:
		return typed.String() != "0", nil
	}
	return false, fmt.Errorf("%v is neither true nor false", value)
}
