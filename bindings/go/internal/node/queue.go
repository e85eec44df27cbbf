package node

import (
	"context"
	"sync"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
)

// Queue holds events until somebody takes them. Any number may take.
type Queue struct {
	// Events beyond which the oldest is dropped; 0 for no bound.
	limit int

	mu     sync.Mutex
	events []*ndb.Event
	missed uint64
	closed bool
	news   chan struct{}
}

// NewQueue is a queue of so many events at most.
func NewQueue(limit int) *Queue {
	return &Queue{limit: limit, news: make(chan struct{}, 1)}
}

// Push adds an event, and says how many there are.
func (q *Queue) Push(event *ndb.Event) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limit > 0 && len(q.events) == q.limit {
		q.events[0] = nil
		q.events = q.events[1:]
		q.missed++
	}
	q.events = append(q.events, event)
	notify(q.news)
	return len(q.events)
}

// Next waits for an event of a node, and says how many are left. What was dropped is told by an event of its own.
func (q *Queue) Next(ctx context.Context, n *Node) (*ndb.Event, int, error) {
	for {
		event, left, err := q.pop()
		if event != nil || err != nil {
			return event, left, err
		}
		select {
		case <-q.news:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-n.over:
			// What came before the end is still told.
			if event, left, _ := q.pop(); event != nil {
				return event, left, nil
			}
			return nil, 0, n.err
		}
	}
}

func (q *Queue) pop() (*ndb.Event, int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		notify(q.news)
		return nil, 0, ndb.Closed
	}
	if q.missed > 0 {
		missed := &ndb.Event{Kind: ndb.EventMissed, Number: q.missed}
		q.missed = 0
		return missed, len(q.events), nil
	}
	if len(q.events) == 0 {
		return nil, 0, nil
	}
	event := q.events[0]
	q.events[0] = nil
	q.events = q.events[1:]
	if len(q.events) > 0 {
		// For another who waits.
		notify(q.news)
	}
	return event, len(q.events), nil
}

// Len is how many events wait.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events)
}

// Close drops what waits and tells those who wait.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.events = true, nil
	notify(q.news)
}
