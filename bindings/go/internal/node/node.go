// Package node is what the packages for users have in common: a node of the library, who drives it, its requests, its events
// and its end.
package node

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/host"
	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
)

// Options say what a node is and who drives it.
type Options struct {
	Kind ndb.Kind
	// Settings in the names of the library.
	Settings any
	// Sockets are taken over if Start succeeds.
	Sockets host.Sockets
	// Hosted leaves the driving to the library's own host.
	Hosted bool
	// Deliver takes each event, and must not block. Without it events wait for [Node.Next].
	Deliver func(*ndb.Event)
}

// Node is a node that is being driven.
type Node struct {
	raw     ndb.Node
	origin  time.Time
	host    *host.Host
	deliver func(*ndb.Event)

	// Requests that are not over, by id.
	mu      sync.Mutex
	waiting map[uint64]chan *ndb.Event

	// For Next: that there may be events, and those of the library's host.
	news   chan struct{}
	hosted chan *ndb.Event
	taken  atomic.Uint64

	closing sync.Once
	ending  sync.Once
	over    chan struct{}
	err     error
	helpers sync.WaitGroup
}

// Start creates a node and drives it until [Node.Close].
func Start(options Options) (*Node, error) {
	n := &Node{
		origin: time.Now(), deliver: options.Deliver, waiting: make(map[uint64]chan *ndb.Event),
		news: make(chan struct{}, 1), over: make(chan struct{}),
	}
	config, err := json.Marshal(options.Settings)
	if err != nil {
		return nil, err
	}
	if n.raw, err = ndb.New(options.Kind, config, nil, 0); err != nil {
		return nil, err
	}
	if !options.Hosted {
		n.host = host.New(n.raw, n.now, options.Sockets, n.stepped, n.end)
		n.host.Start()
		return n, nil
	}
	if err := n.raw.Run(); err != nil {
		n.raw.Free()
		return nil, err
	}
	n.hosted = make(chan *ndb.Event)
	n.helpers.Add(1)
	go n.follow()
	return n, nil
}

// Raw is the library's node.
func (n *Node) Raw() ndb.Node {
	return n.raw
}

// Close ends the node: nothing of it is left when it returns, and whoever waits is told [ndb.Closed].
func (n *Node) Close() {
	n.closing.Do(func() {
		n.end(ndb.Closed)
		if n.host != nil {
			n.host.Stop()
		}
		// It can only be closed already, which it is not.
		_ = n.raw.Free()
		n.helpers.Wait()
	})
}

// end tells those who wait that there will be no more, and why.
func (n *Node) end(err error) {
	n.ending.Do(func() {
		n.err = err
		close(n.over)
	})
}

// ---- Requests ------------------------------------------------------------------------------------------------------

// Ask does what a request asks for, and reads the answer into `answer`, if that is not nil.
func (n *Node) Ask(request, answer any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	var given []byte
	err = n.Do(func(raw ndb.Node, now uint64) (err error) {
		given, err = raw.Command(now, text)
		return err
	})
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(given, answer)
}

// Request asks for what takes time, and waits until it is over. If the context ends earlier, the request goes on unattended.
func (n *Node) Request(ctx context.Context, request any) (*ndb.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	id, done, err := n.begin(request)
	if err != nil {
		return nil, err
	}
	select {
	case event := <-done:
		return event, ndb.Failed(event.Code, event.Text)
	case <-ctx.Done():
		n.forget(id)
		return nil, ctx.Err()
	case <-n.over:
		return nil, n.err
	}
}

func (n *Node) begin(request any) (uint64, chan *ndb.Event, error) {
	// Its end may come before its number is known here.
	n.mu.Lock()
	defer n.mu.Unlock()
	var answer struct {
		Request uint64 `json:"request"`
	}
	if err := n.Ask(request, &answer); err != nil {
		return 0, nil, err
	}
	done := make(chan *ndb.Event, 1)
	n.waiting[answer.Request] = done
	return answer.Request, done, nil
}

func (n *Node) forget(id uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.waiting, id)
}

// Do makes a call on the library's node at the time it is, after which the node may have work.
func (n *Node) Do(call func(raw ndb.Node, now uint64) error) error {
	select {
	case <-n.over:
		return n.err
	default:
	}
	err := call(n.raw, n.now())
	n.wake()
	return err
}

// ---- Events --------------------------------------------------------------------------------------------------------

// stepped takes what a step told.
func (n *Node) stepped() {
	if n.deliver == nil {
		notify(n.news)
		return
	}
	for taken := false; ; taken = true {
		event, err := n.raw.NextEvent()
		if err != nil {
			if taken {
				// That may have made room.
				n.wake()
			}
			return
		}
		n.receive(event)
	}
}

// follow takes what the library's own host has to tell.
func (n *Node) follow() {
	defer n.helpers.Done()
	for {
		event, err := n.raw.WaitEvent()
		if err != nil {
			n.end(err)
			return
		}
		if n.deliver != nil {
			n.receive(event)
			continue
		}
		select {
		case n.hosted <- event:
		case <-n.over:
			return
		}
	}
}

func (n *Node) receive(event *ndb.Event) {
	switch event.Kind {
	case ndb.EventJoined, ndb.EventLeft, ndb.EventSpread, ndb.EventSent, ndb.EventNetworkJoined:
		n.mu.Lock()
		done := n.waiting[event.ID]
		delete(n.waiting, event.ID)
		n.mu.Unlock()
		if done != nil {
			done <- event
		}
	default:
		n.deliver(event)
	}
}

// How many events Next takes before it looks whether that made room.
const takenAtOnce = 64

// Next waits for an event, of a node without Deliver. One goroutine at a time.
func (n *Node) Next(ctx context.Context) (*ndb.Event, error) {
	for {
		event, err := n.next()
		if event != nil {
			return event, nil
		}
		if err != nil && err != ndb.Empty {
			return nil, err
		}
		n.wake()
		select {
		case <-n.news:
		case event := <-n.hosted:
			return event, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-n.over:
			return nil, n.err
		}
	}
}

func (n *Node) next() (*ndb.Event, error) {
	if n.host == nil {
		return nil, nil
	}
	if n.taken.Add(1)%takenAtOnce == 0 {
		n.wake()
	}
	return n.raw.NextEvent()
}

// ---- Time and waking -----------------------------------------------------------------------------------------------

// now is the node's time: nanoseconds since its creation, and never 0.
func (n *Node) now() uint64 {
	return uint64(time.Since(n.origin)) + 1
}

func (n *Node) wake() {
	if n.host != nil {
		n.host.Wake()
	}
}

func notify(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}
