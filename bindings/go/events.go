package networkdb

import (
	"context"
	"iter"
	"net/netip"
	"runtime"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
)

// EventKind says what an event tells.
type EventKind int

// The kinds of events, and what they have beside their kind.
const (
	// Unknown is one of a newer library.
	Unknown EventKind = iota
	// NodeActive is a node of the cluster that takes part: Node, Addr.
	NodeActive
	// NodeFailed is one that does not answer: Node, Addr.
	NodeFailed
	// NodeLeft is one that said goodbye: Node, Addr.
	NodeLeft
	// PeerJoined is a node that joined a network: Node, Network.
	PeerJoined
	// PeerLeft is a node that left a network: Node, Network.
	PeerLeft
	// Alone says that no other node answers any more.
	Alone
	// Warning is something to look at: Text; Node and Addr if known.
	Warning
	// Missed says that older events were dropped because nobody took them: Count.
	Missed
)

var eventKinds = map[ndb.EventKind]EventKind{
	ndb.EventNodeActive: NodeActive, ndb.EventNodeFailed: NodeFailed, ndb.EventNodeLeft: NodeLeft,
	ndb.EventPeerJoined: PeerJoined, ndb.EventPeerLeft: PeerLeft, ndb.EventAlone: Alone,
	ndb.EventWarning: Warning, ndb.EventMissed: Missed,
}

func (k EventKind) String() string {
	names := [...]string{"unknown", "node active", "node failed", "node left", "peer joined", "peer left", "alone", "warning",
		"missed"}
	if k < 0 || int(k) >= len(names) {
		return names[0]
	}
	return names[k]
}

// Event is what a node has to tell of the cluster.
type Event struct {
	Kind    EventKind
	Node    string
	Addr    netip.AddrPort
	Network string
	Count   uint64
	Text    string
}

// NextEvent waits for the next event. [ErrClosed] after the end of the node, and the context's error.
func (n *Node) NextEvent(ctx context.Context) (Event, error) {
	defer runtime.KeepAlive(n)
	event, _, err := n.events.Next(ctx, n.node)
	if err != nil {
		return Event{}, err
	}
	return Event{
		Kind: eventKinds[event.Kind], Node: event.Key, Addr: event.Addr, Network: event.Network, Count: event.Number,
		Text: event.Text,
	}, nil
}

// Events are the events until the context ends, the node is closed, or the loop is left. Why it ended is the last it gives, but
// for the loop's own end. Each event is given to one reader.
func (n *Node) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := n.NextEvent(ctx)
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}
