// Package syncproto holds the messages that had fewer fields in Typha 3.2.5.
package syncproto

import "time"

type MsgClientHello struct {
	Hostname string
	Info     string
	Version  string
}

type MsgServerHello struct {
	Version string
}

type MsgKVs struct {
	KVs []SerializedUpdate
}

type SerializedUpdate struct {
	Key        string
	Value      []byte
	Revision   any
	TTL        time.Duration
	UpdateType uint8
}
