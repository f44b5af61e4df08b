package routes

import (
	"net/http/httptest"
	"testing"
	"time"

	"code.vikunja.io/api/pkg/config"
)

func TestTheClientIsFoundBeyondTrustedAndPrivateAddresses(t *testing.T) {
	for _, example := range []struct{ method, trusted, direct, forwarded, client string }{
		{"direct", "", "127.0.0.1", "198.51.100.7", "127.0.0.1"},
		{"xff", "", "127.0.0.1", "", "127.0.0.1"},
		{"xff", "", "127.0.0.1", "198.51.100.7", "198.51.100.7"},
		{"xff", "", "127.0.0.1", "198.51.100.7, 192.168.1.9", "198.51.100.7"},
		{"xff", "", "127.0.0.1", "198.51.100.7, 203.0.113.2", "203.0.113.2"},
		{"xff", "203.0.113.0/24", "127.0.0.1", "198.51.100.7, 203.0.113.2", "198.51.100.7"},
		{"xff", "", "127.0.0.1", "192.168.1.9", "192.168.1.9"},
		{"xff", "", "203.0.113.2", "198.51.100.7", "203.0.113.2"},
		{"xff", "", "127.0.0.1", "nonsense", "127.0.0.1"},
	} {
		server := &Server{Config: config.Config{
			IPExtractionMethod: example.method, TrustedProxies: example.trusted,
		}}
		request := httptest.NewRequest("GET", "/", nil)
		request.RemoteAddr = example.direct + ":1234"
		if example.forwarded != "" {
			request.Header.Set("X-Forwarded-For", example.forwarded)
		}
		if found := server.clientAddress(request); found != example.client {
			t.Errorf("%+v: found %s", example, found)
		}
	}
}

func TestAnAddressMayTryTenTimesAMinute(t *testing.T) {
	logins := &limiter{most: 10}
	begun := time.Now()
	for try := 1; try <= 11; try++ {
		if allowed := logins.allow("192.0.2.1", begun); allowed != (try <= 10) {
			t.Errorf("try %d: allowed is %v", try, allowed)
		}
	}
	if !logins.allow("192.0.2.2", begun) {
		t.Error("another address is counted along")
	}
	if !logins.allow("192.0.2.1", begun.Add(time.Minute)) {
		t.Error("the next minute is counted along")
	}
}
