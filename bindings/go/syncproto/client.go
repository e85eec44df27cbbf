package syncproto

import (
	"context"
	"encoding/json"
	"iter"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/host"
	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
	"github.com/networkdb/networkdb/bindings/go/internal/node"
	"github.com/networkdb/networkdb/bindings/go/internal/settings"
)

// Tracking says what a client remembers of the keys, to tell a deletion that it missed and nothing twice.
type Tracking string

// What may be remembered.
const (
	// TrackNothing remembers nothing.
	TrackNothing Tracking = "none"
	// TrackKeys remembers the keys.
	TrackKeys Tracking = "keys"
	// TrackValues remembers the keys and a fingerprint of each value. It is the default.
	TrackValues Tracking = "values"
)

// ClientConfig is what a client is started with. What is left out is the peer's default.
type ClientConfig struct {
	// Hostname is this host's name, for the server's log.
	Hostname string
	// Endpoints are the servers, each a HOST:PORT, at least one.
	Endpoints []string
	// SyncerType is what to hear of; without it [Felix].
	SyncerType SyncerType
	// Version and Info are for the server's log.
	Version, Info string

	// Dial is used in place of a net.Dialer.
	Dial Dial
	// Hosted leaves sockets and loop to the library, with a thread of its own.
	Hosted bool
	// TLS secures the connection, with Hosted only: else a Dial of crypto/tls does.
	TLS *TLS

	// InOrder tries the servers in their order, not at random.
	InOrder bool
	// As325 behaves like the client of 3.2.5.
	As325 bool
	// AcceptOldServers goes on with a server before 3.9.
	AcceptOldServers bool
	// NoSnappy does not offer to take compressed messages.
	NoSnappy bool
	// Tracking is what is remembered of the keys.
	Tracking Tracking
	// NoReconnect ends with the first connection.
	NoReconnect bool
	// Tries is how many connections in a row may fail, 0 for no bound.
	Tries int
	// ReadTimeout is the longest from one message to the next, WriteTimeout that nothing of what is written leaves,
	// ConnectTimeout that a dial takes.
	ReadTimeout, WriteTimeout, ConnectTimeout time.Duration
	// PendingBytes are those of events not taken beyond which nothing more is read.
	PendingBytes int
}

func (c *ClientConfig) settings() op {
	given := op{
		"hostname":           c.Hostname,
		"endpoints":          orEmpty(c.Endpoints),
		"syncer_type":        settings.Text(c.SyncerType),
		"tls":                c.TLS,
		"version":            settings.Text(c.Version),
		"info":               settings.Text(c.Info),
		"shuffle":            no(c.InOrder),
		"as_3_2_5":           c.As325,
		"accept_old_servers": c.AcceptOldServers,
		"snappy":             no(c.NoSnappy),
		"reconnect":          no(c.NoReconnect),
		"tries":              settings.Count(c.Tries),
		"read_timeout_ms":    settings.Millis(c.ReadTimeout),
		"write_timeout_ms":   settings.Millis(c.WriteTimeout),
		"connect_timeout_ms": settings.Millis(c.ConnectTimeout),
		"pending_bytes":      settings.Count(c.PendingBytes),
	}
	if c.Tracking != "" {
		given["tracking"] = c.Tracking
	}
	return given
}

// no turns a setting off, or leaves it as it is.
func no(off bool) *bool {
	if off {
		return new(bool)
	}
	return nil
}

// Follower is a client of the sync protocol, which connects again when a connection is lost. A follower that is no longer reachable
// is closed in time.
type Follower struct {
	node *node.Node
}

// Follow starts a client. It ends with [Follower.Close]. ErrConfig says which setting cannot work.
func Follow(config ClientConfig) (*Follower, error) {
	if config.TLS != nil && !config.Hosted {
		return nil, errTLS
	}
	dial := config.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	inner, err := node.Start(node.Options{
		Kind: ndb.SyncClient, Settings: config.settings(), Sockets: host.Sockets{Dial: dial}, Hosted: config.Hosted,
	})
	if err != nil {
		return nil, err
	}
	f := &Follower{node: inner}
	runtime.AddCleanup(f, func(inner *node.Node) { go inner.Close() }, inner)
	return f, nil
}

// Close ends the client and its connection. Nothing of it is left when it returns, and whoever waits is given ErrClosed. Closing
// twice does no harm.
func (f *Follower) Close() error {
	f.node.Close()
	return nil
}

// Stop ends the connection for good; what has been received is still told, and then [Ended].
func (f *Follower) Stop() error {
	return f.node.Ask(op{"op": "stop"}, nil)
}

// SetEndpoints changes the servers, for connections to come.
func (f *Follower) SetEndpoints(endpoints ...string) error {
	return f.node.Ask(op{"op": "endpoints", "endpoints": orEmpty(endpoints)}, nil)
}

// Stats are the client's figures, as JSON.
func (f *Follower) Stats() (json.RawMessage, error) {
	return f.node.Document("stats")
}

// EventKind says what an event of a client tells.
type EventKind int

// The kinds of events.
const (
	// Unknown is one of a newer library.
	Unknown EventKind = iota
	// Unreached is a server that could not be reached: Text says which and why.
	Unreached
	// Connected is a server that was reached: Addr, and Text is its version.
	Connected
	// StatusChanged says how far the server's datastore is read: Status.
	StatusChanged
	// Updated is a key with a value, or one that is gone: Update.
	Updated
	// Disconnected is a connection that ended; another will be made. Text says why.
	Disconnected
	// Ended says that there will be no more connections and no more events. Text says why.
	Ended
)

var eventKinds = map[ndb.EventKind]EventKind{
	ndb.EventUnreached: Unreached, ndb.EventConnected: Connected, ndb.EventStatus: StatusChanged,
	ndb.EventUpdate: Updated, ndb.EventDeletion: Updated, ndb.EventDisconnected: Disconnected,
	ndb.EventFinished: Ended,
}

func (k EventKind) String() string {
	names := [...]string{"unknown", "unreached", "connected", "status", "updated", "disconnected", "ended"}
	if k < 0 || int(k) >= len(names) {
		return names[0]
	}
	return names[k]
}

// Event is what a client has to tell.
type Event struct {
	Kind   EventKind
	Update Update
	Status SyncStatus
	Addr   netip.AddrPort
	Text   string
}

// Next waits for the next event. While nobody takes events, no more than a bounded amount is read from the server. One goroutine
// at a time. ErrClosed after the end of the client, and the context's error.
func (f *Follower) Next(ctx context.Context) (Event, error) {
	defer runtime.KeepAlive(f)
	from, err := f.node.Next(ctx)
	if err != nil {
		return Event{}, err
	}
	event := Event{Kind: eventKinds[from.Kind], Addr: from.Addr, Text: from.Text}
	switch event.Kind {
	case Connected:
		event.Text = string(from.Value)
	case StatusChanged:
		event.Status = SyncStatus(from.Number)
	case Updated:
		event.Update = updateOf(from)
	}
	return event, nil
}

// All are the events until the context ends, the client ends or is closed, or the loop is left. Why it ended is the last it gives,
// but for the loop's own end and [Ended].
func (f *Follower) All(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := f.Next(ctx)
			if !yield(event, err) || err != nil || event.Kind == Ended {
				return
			}
		}
	}
}
