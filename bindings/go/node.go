package networkdb

import (
	"context"
	"encoding/json"
	"net/netip"
	"runtime"
	"sync"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
	"github.com/networkdb/networkdb/bindings/go/internal/node"
)

// Events that wait unless told otherwise.
const defaultEvents = 1024

// Node is a NetworkDB node. All methods may be called from any goroutine, also after [Node.Close].
//
// A node that is no longer reachable is closed in time, but says no goodbye and keeps its name until then: call Leave and Close.
type Node struct {
	node   *node.Node
	events *node.Queue
	tables *watches
}

// Start starts a node. The context is for binding its sockets only. A node ends with [Node.Close].
//
// [ErrConfig] says which setting cannot work.
func Start(ctx context.Context, config Config) (*Node, error) {
	sockets, given, err := config.prepare(ctx)
	if err != nil {
		return nil, err
	}
	n := &Node{events: node.NewQueue(orElse(config.EventBuffer, defaultEvents)), tables: newWatches()}
	n.node, err = node.Start(node.Options{
		Kind: ndb.NetworkDB, Settings: given, Sockets: sockets, Hosted: config.Hosted,
		Deliver: deliver(n.events, n.tables),
	})
	if err != nil {
		if config.Transport == nil {
			sockets.Close()
		}
		return nil, err
	}
	n.tables.adopt(n.node)
	runtime.AddCleanup(n, func(inner *node.Node) { go inner.Close() }, n.node)
	return n, nil
}

// deliver parts what watches tell from the rest.
func deliver(events *node.Queue, tables *watches) func(*ndb.Event) {
	return func(event *ndb.Event) {
		switch event.Kind {
		case ndb.EventRowCreated, ndb.EventRowUpdated, ndb.EventRowDeleted, ndb.EventResync:
			tables.push(event)
		default:
			events.Push(event)
		}
	}
}

// Close ends the node and closes its sockets. Nothing of it is left when it returns, and whoever waits is given [ErrClosed].
// Others are told nothing: that is [Node.Leave]. Closing twice does no harm.
func (n *Node) Close() error {
	n.node.Close()
	return nil
}

// Addr is where others reach the node.
func (n *Node) Addr() netip.AddrPort {
	return n.node.Advertised()
}

// Join joins a cluster by way of some of its members, each a HOST:PORT. It returns when one has been reached and the others have
// been tried, and says how many were reached. The node remembers the addresses, and tries them again when it is cut off.
//
// [ErrUnreachable] if nobody was; the text says why.
func (n *Node) Join(ctx context.Context, members ...string) (int, error) {
	defer runtime.KeepAlive(n)
	return n.node.Join(ctx, members)
}

// Leave says goodbye to the cluster. It returns when the others know, or [Config.LeaveTimeout] has passed.
func (n *Node) Leave(ctx context.Context) error {
	_, err := n.request(ctx, op{"op": "leave"})
	return err
}

// JoinNetwork joins a network, and returns when another node of it has begun to send its rows. It says false if there was none.
func (n *Node) JoinNetwork(ctx context.Context, network string) (bool, error) {
	event, err := n.request(ctx, op{"op": "network_join", "network": network})
	return event != nil && event.Number == 1, err
}

// LeaveNetwork leaves a network. Own rows in it become tombstones.
func (n *Node) LeaveNetwork(network string) error {
	return n.node.Ask(op{"op": "network_leave", "network": network}, nil)
}

// AddKey installs a key, to open what others seal with it.
func (n *Node) AddKey(key []byte) error {
	return n.node.Key("key_add", key)
}

// UseKey seals with a key that is installed.
func (n *Node) UseKey(key []byte) error {
	return n.node.Key("key_use", key)
}

// RemoveKey removes a key that is not in use.
func (n *Node) RemoveKey(key []byte) error {
	return n.node.Key("key_remove", key)
}

// Stats are the node's counters and gauges, as JSON.
func (n *Node) Stats() (json.RawMessage, error) {
	return n.node.Document("stats")
}

// Snapshot is all that the node knows, as JSON. Keys are not in it.
func (n *Node) Snapshot() (json.RawMessage, error) {
	return n.node.Document("snapshot")
}

// request asks and waits; meanwhile the node is in use.
func (n *Node) request(ctx context.Context, request op) (*ndb.Event, error) {
	defer runtime.KeepAlive(n)
	return n.node.Request(ctx, request)
}

// op is a request in the library's names.
type op map[string]any

func orElse(value, otherwise int) int {
	if value > 0 {
		return value
	}
	return otherwise
}

// watches are those of one node, by id.
type watches struct {
	mu   sync.Mutex
	node *node.Node
	byID map[uint64]*watch
}

func newWatches() *watches {
	return &watches{byID: make(map[uint64]*watch)}
}

// adopt tells whose they are, before the first of them.
func (t *watches) adopt(n *node.Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.node = n
}
