package syncproto

import (
	"context"
	"encoding/json"
	"fmt"
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

// ServerConfig is what a server is started with. What is left out is Typha's default.
type ServerConfig struct {
	// Bind is the HOST:PORT where it listens; port 0 for any. Not with Listener.
	Bind string
	// Listener is used in place of one that is bound to Bind. It belongs to the server from a successful start on.
	Listener net.Listener
	// Hosted leaves sockets and loop to the library, with a thread of its own, on Bind.
	Hosted bool
	// TLS secures all connections, with Hosted only: else a Listener of crypto/tls does.
	TLS *TLS
	// EventBuffer is how many events wait for [Server.NextEvent] before the oldest is dropped; without it 1,024.
	EventBuffer int

	// SyncerTypes are what clients may ask for; without any, [Felix].
	SyncerTypes []SyncerType
	// Version is what the server says of itself.
	Version string
	// MaxBatchSize is how many updates are published at once.
	MaxBatchSize int
	// Tick is how long updates that come one by one are gathered after a publication; without it, each is published at once. A
	// whole batch does not wait.
	Tick time.Duration
	// MaxMessageSize is how many updates one message of a plain snapshot has.
	MaxMessageSize int
	// PingInterval is the time between pings, PongTimeout how long a client may leave them unanswered.
	PingInterval, PongTimeout time.Duration
	// WriteTimeout is how long a client may take nothing of what is written.
	WriteTimeout time.Duration
	// HandshakeTimeout is the time from the connection to the client's hello.
	HandshakeTimeout time.Duration
	// MaxFallBehind is how far a client may be behind.
	MaxFallBehind time.Duration
	// MaxConnections is how many there may be before random ones are dropped, MaxAccepted before new ones are refused.
	MaxConnections, MaxAccepted int
	// Conflate are the syncer types whose clients, when behind, get only the newest value of each key.
	Conflate []SyncerType
}

func (c *ServerConfig) settings() op {
	return op{
		"syncer_types":         orEmpty(c.SyncerTypes),
		"version":              settings.Text(c.Version),
		"tls":                  c.TLS,
		"max_batch_size":       settings.Count(c.MaxBatchSize),
		"tick_ms":              settings.Millis(c.Tick),
		"max_message_size":     settings.Count(c.MaxMessageSize),
		"ping_interval_ms":     settings.Millis(c.PingInterval),
		"pong_timeout_ms":      settings.Millis(c.PongTimeout),
		"write_timeout_ms":     settings.Millis(c.WriteTimeout),
		"handshake_timeout_ms": settings.Millis(c.HandshakeTimeout),
		"max_fall_behind_ms":   settings.Millis(c.MaxFallBehind),
		"max_connections":      settings.Count(c.MaxConnections),
		"max_accepted":         settings.Count(c.MaxAccepted),
		"conflate":             orEmpty(c.Conflate),
	}
}

func orEmpty(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

// Server is a server of the sync protocol. All methods may be called from any goroutine, also after [Server.Close]. A server that
// is no longer reachable is closed in time.
type Server struct {
	node   *node.Node
	events *node.Queue
	bound  netip.AddrPort
}

// Events that wait unless told otherwise.
const defaultEvents = 1024

// Start starts a server. The context is for binding its socket only. A server ends with [Server.Close]. ErrConfig says which
// setting cannot work.
func Start(ctx context.Context, config ServerConfig) (*Server, error) {
	if config.TLS != nil && !config.Hosted {
		return nil, errTLS
	}
	given := config.settings()
	want := host.Wanted{Bind: config.Bind, Hosted: config.Hosted}
	if config.Listener != nil {
		want.Given = &host.Sockets{Listener: config.Listener}
	}
	sockets, err := host.Prepare(ctx, want, given)
	if err != nil {
		return nil, fmt.Errorf("syncproto: %w", err)
	}
	limit := config.EventBuffer
	if limit <= 0 {
		limit = defaultEvents
	}
	s := &Server{events: node.NewQueue(limit), bound: sockets.Bound()}
	events := s.events
	s.node, err = node.Start(node.Options{
		Kind: ndb.SyncServer, Settings: given, Sockets: sockets, Hosted: config.Hosted,
		Deliver: func(event *ndb.Event) { events.Push(event) },
	})
	if err != nil {
		want.Release(&sockets)
		return nil, err
	}
	runtime.AddCleanup(s, func(inner *node.Node) { go inner.Close() }, s.node)
	return s, nil
}

// Close ends the server and all its connections. Nothing of it is left when it returns, and whoever waits is given ErrClosed.
// Closing twice does no harm. To let clients go gently, see [Server.Drain].
func (s *Server) Close() error {
	s.node.Close()
	return nil
}

// Addr is where the server listens; not valid if its listener does not say so in numbers.
func (s *Server) Addr() netip.AddrPort {
	var info struct{ Bound *netip.AddrPort }
	// Of a closed server: as it was bound.
	if err := s.node.Ask(op{"op": "info"}, &info); err == nil && info.Bound != nil {
		return *info.Bound
	}
	return s.bound
}

// Publish publishes updates to all clients of a syncer type, at once and in this order. It says how many were taken; the first
// that was not is why. ErrMissing: there is no such syncer type; ErrTooLarge. The updates are read and not kept. Does not block.
func (s *Server) Publish(syncerType SyncerType, updates ...Update) (int, error) {
	taken, given := 0, raw(updates)
	err := s.node.Do(func(node ndb.Node, now uint64) (err error) {
		taken, err = node.Publish(now, syncerType, given)
		return err
	})
	return taken, err
}

// SetStatus tells all clients of a syncer type how far the datastore is read. A server begins with [Wait].
func (s *Server) SetStatus(syncerType SyncerType, status SyncStatus) error {
	return s.node.Ask(op{"op": "status", "syncer_type": syncerType, "status": status}, nil)
}

// Client is a client that is being served.
type Client struct {
	// ID names its connection.
	ID         uint64         `json:"stream"`
	Addr       netip.AddrPort `json:"from"`
	Hostname   string         `json:"hostname"`
	Info       string         `json:"info"`
	Version    string         `json:"version"`
	SyncerType SyncerType     `json:"syncer_type"`
	// Snappy says whether what it gets is compressed.
	Snappy bool `json:"snappy"`
}

// Clients are those that are being served.
func (s *Server) Clients() ([]Client, error) {
	var answer struct{ Clients []Client }
	err := s.node.Ask(op{"op": "clients"}, &answer)
	return answer.Clients, err
}

// Disconnect drops a client: ErrMissing if it is gone already.
func (s *Server) Disconnect(id uint64) error {
	return s.node.Ask(op{"op": "disconnect", "stream": id}, nil)
}

// SetMaxConnections changes how many connections there may be before random ones are dropped.
func (s *Server) SetMaxConnections(limit int) error {
	return s.node.Ask(op{"op": "max_connections", "max": limit}, nil)
}

// Drain takes no more connections, and drops those there are one by one within the time given. The event [Drained] tells of the
// last.
func (s *Server) Drain(within time.Duration) error {
	return s.node.Ask(op{"op": "drain", "timeout_ms": max(within.Milliseconds(), 0)}, nil)
}

// Stats are the server's figures, as JSON.
func (s *Server) Stats() (json.RawMessage, error) {
	return s.node.Document("stats")
}

// ServerEventKind says what an event of a server tells.
type ServerEventKind int

// The kinds of events.
const (
	// ServerUnknown is one of a newer library.
	ServerUnknown ServerEventKind = iota
	// ClientJoined is a client that is served from now on.
	ClientJoined
	// ClientClosed is a connection that ended: ID, Addr, and Reason.
	ClientClosed
	// Drained says that the last connection has ended since the drain began.
	Drained
	// ServerMissed says that older events were dropped because nobody took them: Count.
	ServerMissed
)

var serverEventKinds = map[ndb.EventKind]ServerEventKind{
	ndb.EventClientJoined: ClientJoined, ndb.EventClientClosed: ClientClosed, ndb.EventDrained: Drained,
	ndb.EventMissed: ServerMissed,
}

// ServerEvent is what a server has to tell.
type ServerEvent struct {
	Kind ServerEventKind
	// Client is whom it is about.
	Client Client
	Reason string
	Count  uint64
}

// NextEvent waits for the next event. ErrClosed after the end of the server, and the context's error.
func (s *Server) NextEvent(ctx context.Context) (ServerEvent, error) {
	defer runtime.KeepAlive(s)
	from, _, err := s.events.Next(ctx, s.node)
	if err != nil {
		return ServerEvent{}, err
	}
	event := ServerEvent{Kind: serverEventKinds[from.Kind], Client: Client{ID: from.ID, Addr: from.Addr}}
	switch event.Kind {
	case ClientJoined:
		client := &event.Client
		client.Hostname, client.Info, client.Version, client.SyncerType = from.Key, from.Text, string(from.Value), from.Table
	case ClientClosed:
		event.Reason = from.Text
	case ServerMissed:
		event.Count = from.Number
	}
	return event, nil
}

// Events are the events until the context ends, the server is closed, or the loop is left. Why it ended is the last it gives, but
// for the loop's own end. Each event is given to one reader.
func (s *Server) Events(ctx context.Context) iter.Seq2[ServerEvent, error] {
	return func(yield func(ServerEvent, error) bool) {
		for {
			event, err := s.NextEvent(ctx)
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}
