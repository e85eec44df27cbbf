// Package host drives a node of the C library on sockets of Go's.
//
// One goroutine, the stepper, owns the node's steps and all that is known of its streams. One reads packets into two
// slabs in turn, of which the stepper takes what there is, so that batches grow with load; what a step sends to one
// address leaves together. Each connection has one that reads, for which the stepper's word to go on is the
// back-pressure, and one that writes. None of them calls back from C.
package host

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
)

// Notes and bytes of one batch of stream inputs, beyond which a step is due.
const (
	maxNotes = 256
	maxArena = 1 << 20
)

// Sockets are what a node speaks on. What it does not need may be nil. They belong to the host, which closes them.
type Sockets struct {
	Packets  net.PacketConn
	Listener net.Listener
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// Host is a node being driven.
type Host struct {
	node    ndb.Node
	now     func() uint64
	stepped func()
	ended   func(error)
	sockets Sockets

	wake  chan struct{}
	inbox chan note
	stop  chan struct{}
	once  sync.Once
	over  chan struct{}
	// Of dials, ended with the host.
	ctx    context.Context
	cancel context.CancelFunc
	// Everything but the stepper.
	helpers sync.WaitGroup

	// The stepper's own.
	packets *packets
	streams map[uint64]*stream
	// The id of the next stream to be accepted.
	accepting uint64
	inputs    []ndb.Input
	arena     []byte
	deadline  uint64
	// Why it cannot go on.
	lost error
}

// New is a host for a node. `stepped` is called after each step and `ended` after a fault, by the stepper; they must not block.
func New(node ndb.Node, now func() uint64, sockets Sockets, stepped func(), ended func(error)) *Host {
	h := &Host{
		node: node, now: now, stepped: stepped, ended: ended, sockets: sockets,
		wake: make(chan struct{}, 1), inbox: make(chan note, maxNotes), stop: make(chan struct{}),
		over: make(chan struct{}), streams: make(map[uint64]*stream), accepting: 1,
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if sockets.Packets != nil {
		h.packets = newPackets(sockets.Packets)
	}
	return h
}

// Start drives the node until [Host.Stop] or a fault.
func (h *Host) Start() {
	if h.packets != nil {
		h.help(h.readPackets)
	}
	if h.sockets.Listener != nil {
		h.help(h.accept)
	}
	go h.run()
}

// Wake makes the stepper step soon: a command may have left work.
func (h *Host) Wake() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Stop ends it: its sockets are closed and its goroutines gone when it returns.
func (h *Host) Stop() {
	h.once.Do(func() { close(h.stop) })
	<-h.over
}

func (h *Host) help(work func()) {
	h.helpers.Add(1)
	go func() {
		defer h.helpers.Done()
		work()
	}()
}

func (h *Host) run() {
	defer close(h.over)
	if err := h.loop(); err != nil {
		h.ended(err)
	}
	h.shutdown()
}

func (h *Host) loop() error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-h.stop:
			return nil
		case note := <-h.inbox:
			h.take(note)
		case <-h.wake:
		case <-timer.C:
		}
		h.gather()
		if h.lost != nil {
			return fmt.Errorf("networkdb: a socket ended: %w", h.lost)
		}
		if err := h.turn(); err != nil {
			return err
		}
		timer.Reset(h.pause())
	}
}

// gather takes what else streams have to say.
func (h *Host) gather() {
	for len(h.inputs) < maxNotes && len(h.arena) < maxArena {
		select {
		case note := <-h.inbox:
			h.take(note)
		default:
			return
		}
	}
}

// turn steps with all there is.
func (h *Host) turn() error {
	packets, arena := h.packets.take()
	if len(packets) > 0 {
		err := h.step(packets, arena)
		if h.packets.release() {
			h.Wake()
		}
		if err != nil || len(h.inputs) == 0 {
			return err
		}
	}
	err := h.step(h.inputs, h.arena)
	h.inputs, h.arena = h.inputs[:0], h.arena[:0]
	return err
}

func (h *Host) step(inputs []ndb.Input, arena []byte) error {
	outputs, deadline, err := h.node.Step(h.now(), inputs, arena)
	if err != nil {
		return err
	}
	h.deadline = deadline
	for len(outputs) > 0 {
		outputs = outputs[h.carry(outputs):]
	}
	h.stepped()
	return nil
}

// carry does what the first of some outputs says, perhaps with others behind it, and says how many.
func (h *Host) carry(outputs []ndb.Output) int {
	output := &outputs[0]
	switch output.Kind {
	case ndb.Send:
		return h.packets.send(outputs)
	case ndb.Open:
		h.open(output)
	default:
		// A stream that is over is not known any more, or is no longer listened to.
		if s := h.streams[output.Stream]; s != nil && !s.over {
			h.carryStream(s, output)
		}
	}
	return 1
}

// pause is how long nothing is due.
func (h *Host) pause() time.Duration {
	if h.deadline == ndb.Never {
		return time.Hour
	}
	now := h.now()
	if h.deadline <= now {
		return 0
	}
	return min(time.Duration(h.deadline-now), time.Hour)
}

// shutdown closes everything and waits for all that may still look at memory of the library.
func (h *Host) shutdown() {
	h.once.Do(func() { close(h.stop) })
	h.cancel()
	if h.sockets.Packets != nil {
		h.sockets.Packets.Close()
	}
	if h.sockets.Listener != nil {
		h.sockets.Listener.Close()
	}
	for _, s := range h.streams {
		if !s.over {
			h.end(s)
		}
	}
	gone := make(chan struct{})
	go func() {
		h.helpers.Wait()
		close(gone)
	}()
	for {
		select {
		case note := <-h.inbox:
			note.discard()
		case <-gone:
			for len(h.inbox) > 0 {
				note := <-h.inbox
				note.discard()
			}
			return
		}
	}
}
