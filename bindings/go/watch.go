package networkdb

import (
	"context"
	"iter"
	"runtime"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
	"github.com/networkdb/networkdb/bindings/go/internal/node"
)

// Changes that wait in Go: above the one the library is told to pause the watch, at the other to go on. What waits in the
// library is bounded too.
const (
	pauseAt  = 256
	resumeAt = 64
)

// ChangeKind says what happened to a row.
type ChangeKind int

// The kinds of changes.
const (
	// Created is a row that is there.
	Created ChangeKind = iota + 1
	// Updated is a row with a new value, or the same again.
	Updated
	// Removed is a row that is gone, or hidden because its owner has failed.
	Removed
	// Resync voids all that the watch has told, because it lagged behind: the rows that are there follow as Created.
	Resync
)

func (k ChangeKind) String() string {
	names := [...]string{"none", "created", "updated", "removed", "resync"}
	if k < 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// Change is what happened to a row.
type Change struct {
	Kind                ChangeKind
	Network, Table, Key string
	// Value is what is there now, nil of Removed; Previous what was, nil of Created.
	Value, Previous []byte
}

// Watch tells of changes, in order and without a gap, beginning with the rows that are there. A slow reader delays nobody: what
// it cannot take waits in the library, and if that becomes too much it is told to [Resync].
type Watch struct {
	owner *Node
	watch *watch
}

// watch is what the node's goroutine knows of one.
type watch struct {
	id     uint64
	queue  *node.Queue
	paused bool
}

// NodeTable is the table, of no network, in which a watch without a network finds the nodes that come and go.
const NodeTable = "NodeTable"

// Watch begins a watch, which ends with [Watch.Close] or the node.
func (n *Node) Watch(filter Filter) (*Watch, error) {
	request := filter.request("watch")
	request["own"] = filter.Own
	// Its first change may come before its number is known here.
	n.tables.mu.Lock()
	defer n.tables.mu.Unlock()
	var answer struct{ Watch uint64 }
	if err := n.node.Ask(request, &answer); err != nil {
		return nil, err
	}
	w := &watch{id: answer.Watch, queue: node.NewQueue(0)}
	n.tables.byID[w.id] = w
	return &Watch{owner: n, watch: w}, nil
}

// Next waits for the next change. [ErrClosed] after the end of the watch or the node, and the context's error.
func (w *Watch) Next(ctx context.Context) (Change, error) {
	defer runtime.KeepAlive(w.owner)
	event, left, err := w.watch.queue.Next(ctx, w.owner.node)
	if err != nil {
		return Change{}, err
	}
	if left == resumeAt {
		w.owner.tables.balance(w.watch)
	}
	return change(event), nil
}

// All are the changes until the context ends, the watch or the node is closed, or the loop is left. Why it ended is the last it
// gives, but for the loop's own end.
func (w *Watch) All(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for {
			change, err := w.Next(ctx)
			if !yield(change, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the watch. Closing twice does no harm.
func (w *Watch) Close() error {
	tables := w.owner.tables
	tables.mu.Lock()
	defer tables.mu.Unlock()
	if tables.byID[w.watch.id] == nil {
		return nil
	}
	delete(tables.byID, w.watch.id)
	w.watch.queue.Close()
	// The node may be closed, and its watches with it.
	_ = w.owner.node.Ask(op{"op": "unwatch", "watch": w.watch.id}, nil)
	return nil
}

// push gives a watch its change.
func (t *watches) push(event *ndb.Event) {
	t.mu.Lock()
	w := t.byID[event.ID]
	t.mu.Unlock()
	if w != nil && w.queue.Push(event) == pauseAt {
		t.balance(w)
	}
}

// balance pauses a watch with too much waiting, and lets one go on that has room again. It looks once more how much that is: the
// other side may have been quicker.
func (t *watches) balance(w *watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := w.queue.Len()
	if w.paused && waiting > resumeAt || !w.paused && waiting < pauseAt {
		return
	}
	w.paused = !w.paused
	// Both may have ended meanwhile.
	_ = t.node.Ask(op{"op": "watch_pause", "watch": w.id, "paused": w.paused}, nil)
}

func change(event *ndb.Event) Change {
	return Change{
		Kind: changeKind(event.Kind), Network: event.Network, Table: event.Table, Key: event.Key, Value: event.Value,
		Previous: event.Previous,
	}
}

func changeKind(kind ndb.EventKind) ChangeKind {
	switch kind {
	case ndb.EventRowCreated:
		return Created
	case ndb.EventRowUpdated:
		return Updated
	case ndb.EventRowDeleted:
		return Removed
	default:
		return Resync
	}
}
