// Package syncproto holds the messages of Typha's sync protocol as they are today. Names of types, names and order of
// fields, and the name of this package are on the wire.
package syncproto

import "time"

// Prefix stands before a message's type name in the name it is registered with.
const Prefix = "github.com/projectcalico/typha/pkg/syncproto."

// Snappy is the one compression there is.
const Snappy CompressionAlgorithm = "snappy"

// Felix is the syncer that is meant when none is named.
const Felix SyncerType = "felix"

const (
	WaitForDatastore SyncStatus = iota
	ResyncInProgress
	InSync
)

const (
	Unknown UpdateType = iota
	KVNew
	KVUpdated
	KVDeleted
)

type (
	SyncerType           string
	CompressionAlgorithm string
	SyncStatus           uint8
	UpdateType           uint8
)

// Envelope is what a stream is a row of.
type Envelope struct {
	Message any
}

type MsgClientHello struct {
	Hostname                       string
	Info                           string
	Version                        string
	SyncerType                     SyncerType
	SupportsDecoderRestart         bool
	SupportedCompressionAlgorithms []CompressionAlgorithm
	SupportsModernPolicyKeys       bool
	ClientConnID                   uint64
}

type MsgServerHello struct {
	Version                     string
	SyncerType                  SyncerType
	SupportsNodeResourceUpdates bool
	ServerConnID                uint64
}

type MsgDecoderRestart struct {
	Message              string
	CompressionAlgorithm CompressionAlgorithm
}

type MsgACK struct{}

type MsgSyncStatus struct {
	SyncStatus SyncStatus
}

type MsgPing struct {
	Timestamp time.Time
}

type MsgPong struct {
	PingTimestamp time.Time
	PongTimestamp time.Time
}

type MsgKVs struct {
	KVs []SerializedUpdate
}

type SerializedUpdate struct {
	Key               string
	Value             []byte
	Revision          any
	V3ResourceVersion string
	TTL               time.Duration
	UpdateType        UpdateType
}

// Messages has one of each, in no particular order.
func Messages() []any {
	return []any{
		MsgClientHello{}, MsgServerHello{}, MsgDecoderRestart{}, MsgACK{}, MsgSyncStatus{}, MsgPing{}, MsgPong{}, MsgKVs{},
	}
}
