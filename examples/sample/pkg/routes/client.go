package routes

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// limitPeriod is how long the tries of one address are counted together.
const limitPeriod = time.Minute

// limiter counts requests by address, in this process only, as Vikunja does without redis.
type limiter struct {
	most  int
	mutex sync.Mutex
	since time.Time
	seen  map[string]int
}

// limited lets an address ask no more often than the limit within a minute.
func (s *Server) limited(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.logins.allow(s.clientAddress(r), time.Now()) {
			writeMessage(w, http.StatusTooManyRequests, "Too Many Requests")
			return
		}
		next(w, r)
	}
}

func (l *limiter) allow(address string, now time.Time) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.seen == nil || now.Sub(l.since) >= limitPeriod {
		l.since, l.seen = now, map[string]int{}
	}
	l.seen[address]++
	return l.seen[address] <= l.most
}

// clientAddress is who asks, as Vikunja finds it. With the method "xff" it walks X-Forwarded-For
// from its end for as long as an address is that of a trusted proxy, and every private network is.
func (s *Server) clientAddress(r *http.Request) string {
	direct, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		direct = r.RemoteAddr
	}
	forwarded := r.Header.Values("X-Forwarded-For")
	if s.Config.IPExtractionMethod != "xff" || len(forwarded) == 0 {
		return direct
	}
	hops := append(strings.Split(strings.Join(forwarded, ","), ","), direct)
	for at := len(hops) - 1; at >= 0; at-- {
		hop := net.ParseIP(strings.Trim(strings.TrimSpace(hops[at]), "[]"))
		if hop == nil {
			return direct
		}
		if at == 0 || !s.trusts(hop) {
			return hop.String()
		}
	}
	return direct
}

func (s *Server) trusts(address net.IP) bool {
	if address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsPrivate() {
		return true
	}
	for _, text := range strings.Split(s.Config.TrustedProxies, ",") {
		if _, network, err := net.ParseCIDR(strings.TrimSpace(text)); err == nil && network.Contains(address) {
			return true
		}
	}
	return false
}
