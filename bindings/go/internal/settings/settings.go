// Package settings has what the settings of several kinds of nodes have in common, in the names of the library.
package settings

import (
	"encoding/hex"
	"encoding/json"
	"time"
)

// Gossip are settings of membership, as the package for users has them.
type Gossip struct {
	PacketSize                                    int
	NoCompression                                 bool
	Interval                                      time.Duration
	Nodes                                         int
	ProbeInterval, ProbeTimeout, PushPullInterval time.Duration
	StreamTimeout                                 time.Duration
}

// MarshalJSON is the form of the library.
func (g Gossip) MarshalJSON() ([]byte, error) {
	var compression *bool
	if g.NoCompression {
		compression = new(bool)
	}
	return json.Marshal(map[string]any{
		"packet_size":           Count(g.PacketSize),
		"compression":           compression,
		"interval_ms":           Millis(g.Interval),
		"nodes":                 Count(g.Nodes),
		"probe_interval_ms":     Millis(g.ProbeInterval),
		"probe_timeout_ms":      Millis(g.ProbeTimeout),
		"push_pull_interval_ms": Millis(g.PushPullInterval),
		"stream_timeout_ms":     Millis(g.StreamTimeout),
	})
}

// Millis is a time in milliseconds, rounded up; nothing if it is zero, and 0 if it is negative.
func Millis(d time.Duration) *int64 {
	if d == 0 {
		return nil
	}
	ms := int64((max(d, 0) + time.Millisecond - 1) / time.Millisecond)
	return &ms
}

// Count is a number; nothing if it is 0.
func Count(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// Text is a text; nothing if it is empty.
func Text(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Keys are keys in hex.
func Keys(keys [][]byte) []string {
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = hex.EncodeToString(key)
	}
	return texts
}
