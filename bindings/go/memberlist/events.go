package memberlist

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
	// Joined is a member that came: Name, Addr, Data is its meta.
	Joined
	// Updated is a member that says something else of itself: Name, Addr, Data is its meta.
	Updated
	// Gone is a member that is dead or has left, as State says: Name, Addr.
	Gone
	// Message is a message to this member: Data.
	Message
	// Conflict is a second member of one name: Name, Addr is the other's.
	Conflict
	// Warning is something to look at: Text; Addr if known.
	Warning
	// Missed says that older events were dropped because nobody took them: Count.
	Missed
)

var eventKinds = map[ndb.EventKind]EventKind{
	ndb.EventMemberJoined: Joined, ndb.EventMemberUpdated: Updated, ndb.EventMemberGone: Gone, ndb.EventMessage: Message,
	ndb.EventConflict: Conflict, ndb.EventWarning: Warning, ndb.EventMissed: Missed,
}

func (k EventKind) String() string {
	names := [...]string{"unknown", "joined", "updated", "gone", "message", "conflict", "warning", "missed"}
	if k < 0 || int(k) >= len(names) {
		return names[0]
	}
	return names[k]
}

// Event is what a member has to tell.
type Event struct {
	Kind EventKind
	Name string
	Addr netip.AddrPort
	// State is Dead or Left, of Gone.
	State State
	Data  []byte
	Count uint64
	Text  string
}

// NextEvent waits for the next event. ErrClosed after the end of the node, and the context's error.
func (n *Node) NextEvent(ctx context.Context) (Event, error) {
	defer runtime.KeepAlive(n)
	from, _, err := n.events.Next(ctx, n.node)
	if err != nil {
		return Event{}, err
	}
	event := Event{
		Kind: eventKinds[from.Kind], Name: from.Key, Addr: from.Addr, Data: from.Value, Text: from.Text,
	}
	switch event.Kind {
	case Missed:
		event.Count = from.Number
	case Gone:
		event.State = Dead
		if from.Number == stateLeft {
			event.State = Left
		}
	}
	return event, nil
}

// As the library numbers the state.
const stateLeft = 3

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
