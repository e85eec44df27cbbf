// Package syncproto is Calico Typha's sync protocol, byte for byte as of 3.2.5 and today: a snapshot of keys and values, then
// what changes.
//
// [Start] starts a server, whose clients are Felix and every other client of Typha; [Server.Publish] publishes to them. [Follow]
// starts a client. [Decoder] and [Encode] are the format alone, without sockets or goroutines.
//
// Errors are those of package [github.com/networkdb/networkdb/bindings/go]. For TLS, give a server a [crypto/tls.Listener] and a
// client the DialContext of a [crypto/tls.Dialer].
package syncproto

import (
	"context"
	"net"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
)

// SyncerType says what a client wants to hear of.
type SyncerType = string

// Felix is the syncer type of Felix, and what is meant when none is named.
const Felix SyncerType = "felix"

// SyncStatus says how far a datastore is read.
type SyncStatus int

// The states.
const (
	// Wait is a datastore that is not ready.
	Wait SyncStatus = iota
	// ResyncInProgress is one that is being read.
	ResyncInProgress
	// InSync is one that is read wholly.
	InSync
)

func (s SyncStatus) String() string {
	names := [...]string{"wait-for-ready", "resync", "in-sync"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// UpdateType says what an update does to its key, as far as its maker knows.
type UpdateType uint8

// The types of updates.
const (
	UpdateUnknown UpdateType = iota
	UpdateNew
	UpdateChanged
	UpdateDeleted
)

// Update is a key and its value, or that it has none any more.
type Update struct {
	// Key is the path of the key.
	Key string
	// Value is nil if the key is deleted. One of no bytes is the same on the wire.
	Value []byte
	// Revision is the datastore's, empty for none.
	Revision string
	// Version is the resourceVersion of a v3 resource, or empty.
	Version string
	// TTL is how long the key lives, 0 for ever.
	TTL time.Duration
	// Type is what it does.
	Type UpdateType
}

// raw are updates in the library's form.
func raw(updates []Update) []ndb.Published {
	raw := make([]ndb.Published, len(updates))
	for i := range updates {
		u := &updates[i]
		raw[i] = ndb.Published{Key: u.Key, Version: u.Version, Value: u.Value, TTL: int64(u.TTL), Type: uint8(u.Type)}
		if u.Revision != "" {
			raw[i].Revision = []byte(u.Revision)
		}
	}
	return raw
}

// updateOf is an update as the library tells it.
func updateOf(event *ndb.Event) Update {
	return Update{
		Key: event.Key, Value: event.Value, Revision: event.Revision, Version: event.Version,
		TTL: time.Duration(event.Number), Type: UpdateType(event.Detail),
	}
}

// Dial opens a connection, as the DialContext of a [net.Dialer] and of a [crypto/tls.Dialer] do.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// op is a request in the library's names.
type op = map[string]any
