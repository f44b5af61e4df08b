// Package hub hands every change to everybody who listens, within this process.
package hub

import "sync"

// Hub keeps the listeners.
type Hub struct {
	mutex     sync.Mutex
	listeners map[chan []byte]struct{}
	closed    bool
}

// New makes an empty hub.
func New() *Hub { return &Hub{listeners: map[chan []byte]struct{}{}} }

// Listen returns messages until the channel closes, and the way to stop listening.
func (h *Hub) Listen() (messages <-chan []byte, stop func()) {
	channel := make(chan []byte, 64)
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.closed {
		close(channel)
		return channel, func() {}
	}
	h.listeners[channel] = struct{}{}
	return channel, func() { h.remove(channel) }
}

// Publish sends to all. A listener that does not keep up is cut off.
func (h *Hub) Publish(message []byte) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for channel := range h.listeners {
		select {
		case channel <- message:
		default:
			delete(h.listeners, channel)
			close(channel)
		}
	}
}

// Close ends all listening, now and later.
func (h *Hub) Close() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.closed = true
	for channel := range h.listeners {
		delete(h.listeners, channel)
		close(channel)
	}
}

func (h *Hub) remove(channel chan []byte) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if _, ok := h.listeners[channel]; ok {
		delete(h.listeners, channel)
		close(channel)
	}
}
