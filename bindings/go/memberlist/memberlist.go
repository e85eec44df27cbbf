// Package memberlist is a member of a cluster of hashicorp/memberlist 0.4 to 0.7, byte for byte: who is there, what they say of
// themselves, and messages to them.
//
// [Start] starts a member, [Node.Join] brings it into a cluster. A manager that has a memberlist.Transport of its own keeps it:
// see [Adapt]. Errors are those of package [github.com/networkdb/networkdb/bindings/go].
package memberlist

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	networkdb "github.com/networkdb/networkdb/bindings/go"
	"github.com/networkdb/networkdb/bindings/go/internal/host"
	"github.com/networkdb/networkdb/bindings/go/internal/members"
	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
	"github.com/networkdb/networkdb/bindings/go/internal/node"
	"github.com/networkdb/networkdb/bindings/go/internal/settings"
)

// Sockets are what a node speaks on in place of sockets that it binds itself.
type Sockets = networkdb.Transport

// Gossip are settings that are seldom changed.
type Gossip = networkdb.Gossip

// Member is a member of the cluster.
type Member = networkdb.Member

// State says what is believed of a member.
type State = networkdb.MemberState

// The states of members.
const (
	Alive   = networkdb.Alive
	Suspect = networkdb.Suspect
	Dead    = networkdb.Dead
	Left    = networkdb.Left
)

// Profile is one of the peer's sets of defaults.
type Profile string

// The profiles.
const (
	// LAN is for a local area network, and the default.
	LAN Profile = "lan"
	// WAN is for long distances.
	WAN Profile = "wan"
	// Local is for one machine.
	Local Profile = "local"
)

// Config is what a member is started with. What is left out is the default of the profile.
type Config struct {
	// Name is the member's name, unique in the cluster.
	Name string
	// Bind is the HOST:PORT of its sockets, packets and streams alike; port 0 for any. Not with Transport.
	Bind string
	// Advertise is where others reach it; what is left out of it is taken from what the member is bound to.
	Advertise netip.AddrPort
	// Keys encrypt all that is said, with 16, 24 or 32 bytes; the first seals. Without any, everything is plain.
	Keys [][]byte
	// Label is the tag of the cluster: packets with another one are not heard.
	Label string
	// Meta is what the member says of itself, at most 512 bytes.
	Meta []byte

	// Transport is used in place of sockets that are bound to Bind. See also [Adapt].
	Transport *Sockets
	// Hosted leaves sockets and loop to the library, with a thread of its own, on Bind.
	Hosted bool
	// EventBuffer is how many events wait for [Node.NextEvent] before the oldest is dropped; without it 1,024.
	EventBuffer int

	// Profile is the set of defaults.
	Profile Profile
	// Gossip changes single ones.
	Gossip Gossip
}

// Node is a member. All methods may be called from any goroutine, also after [Node.Close].
//
// A node that is no longer reachable is closed in time, but says no goodbye and keeps its name until then: call Leave and Close.
type Node struct {
	node   *node.Node
	events *node.Queue
}

// Events that wait unless told otherwise.
const defaultEvents = 1024

// Start starts a member. The context is for binding its sockets only. A member ends with [Node.Close].
func Start(ctx context.Context, config Config) (*Node, error) {
	given := op{
		"name": config.Name, "keys": settings.Keys(config.Keys), "label": config.Label, "gossip": settings.Gossip(config.Gossip),
		"meta_hex": hex.EncodeToString(config.Meta),
	}
	if config.Profile != "" {
		given["profile"] = config.Profile
	}
	want := host.Wanted{
		Bind: config.Bind, Advertise: config.Advertise, Given: (*host.Sockets)(config.Transport), Hosted: config.Hosted, Packets: true,
	}
	sockets, err := host.Prepare(ctx, want, given)
	if err != nil {
		return nil, fmt.Errorf("memberlist: %w", err)
	}
	limit := config.EventBuffer
	if limit <= 0 {
		limit = defaultEvents
	}
	n := &Node{events: node.NewQueue(limit)}
	events := n.events
	n.node, err = node.Start(node.Options{
		Kind: ndb.Memberlist, Settings: given, Sockets: sockets, Hosted: config.Hosted,
		Deliver: func(event *ndb.Event) { events.Push(event) },
	})
	if err != nil {
		want.Release(&sockets)
		return nil, err
	}
	runtime.AddCleanup(n, func(inner *node.Node) { go inner.Close() }, n.node)
	return n, nil
}

// Close ends the member and closes its sockets. Nothing of it is left when it returns, and whoever waits is given ErrClosed.
// Others are told nothing: that is [Node.Leave]. Closing twice does no harm.
func (n *Node) Close() error {
	n.node.Close()
	return nil
}

// Addr is where others reach the member.
func (n *Node) Addr() netip.AddrPort {
	return n.node.Advertised()
}

// Join joins a cluster by way of some of its members, each a HOST:PORT. It returns when all have been tried, and says how many
// were reached. ErrUnreachable if nobody was; the text says why.
func (n *Node) Join(ctx context.Context, members ...string) (int, error) {
	defer runtime.KeepAlive(n)
	return n.node.Join(ctx, members)
}

// Leave says goodbye. It returns when the others know; ErrUnannounced if not all do at the context's deadline, or after 5 s.
func (n *Node) Leave(ctx context.Context) error {
	_, err := n.request(ctx, op{"op": "leave", "timeout_ms": timeout(ctx)})
	return err
}

// SetMeta changes what the member says of itself: at most 512 bytes, else ErrTooLarge. It returns when the others know;
// ErrUnannounced if not all do at the context's deadline, or after 5 s.
func (n *Node) SetMeta(ctx context.Context, meta []byte) error {
	_, err := n.request(ctx, op{"op": "meta", "meta_hex": hex.EncodeToString(meta), "timeout_ms": timeout(ctx)})
	return err
}

// SendBestEffort sends a message to members, in packets that may get lost. It says to how many of them it was sent: not to those
// that are not there.
func (n *Node) SendBestEffort(message []byte, to ...string) (int, error) {
	var answer struct{ Sent int }
	err := n.node.Ask(op{"op": "send_best_effort", "to": to, "message_hex": hex.EncodeToString(message)}, &answer)
	return answer.Sent, err
}

// SendReliable sends a message to a member over a stream, and returns when it has left. ErrMissing: there is no such member;
// ErrUndelivered: it was not taken over.
func (n *Node) SendReliable(ctx context.Context, message []byte, to string) error {
	_, err := n.request(ctx, op{"op": "send_reliable", "to": to, "message_hex": hex.EncodeToString(message)})
	return err
}

// Members are all that are known, in order of their names, this one among them.
func (n *Node) Members() ([]Member, error) {
	known, err := members.Ask[State](n.node)
	list := make([]Member, len(known))
	for i, member := range known {
		list[i] = Member(member)
	}
	return list, err
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

// Stats are the member's counters and gauges, as JSON.
func (n *Node) Stats() (json.RawMessage, error) {
	return n.node.Document("stats")
}

// request asks and waits; meanwhile the node is in use.
func (n *Node) request(ctx context.Context, request op) (*ndb.Event, error) {
	defer runtime.KeepAlive(n)
	return n.node.Request(ctx, request)
}

// op is a request in the library's names.
type op = map[string]any

// timeout is what is left to a context in milliseconds; nothing if it has no deadline.
func timeout(ctx context.Context) *int64 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	left := max(time.Until(deadline).Milliseconds(), 0)
	return &left
}
