package main

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// maxClientMessage is how much of a client one message may read.
const maxClientMessage = 1 << 20

// connection is one client of a server.
type connection struct {
	*server
	id     uint64
	conn   net.Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
	read   chan any

	cache       *cache
	syncer      syncproto.SyncerType
	restarts    bool
	compression syncproto.CompressionAlgorithm

	writing  sync.Mutex // guards what follows: pings and updates are sent by goroutines of their own
	to       *sink
	deadline time.Time
}

func newConnection(s *server, id uint64, conn net.Conn) *connection {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &connection{server: s, id: id, conn: conn, ctx: ctx, cancel: cancel, read: make(chan any), to: newSink(conn)}
}

func (c *connection) run() {
	context.AfterFunc(c.ctx, func() { c.conn.Close(); c.forget(c) })
	go func() { c.cancel(c.receive()) }()
	c.cancel(c.serve())
	c.tell(c, "gone", fields{"reason": context.Cause(c.ctx).Error()})
}

// limited reads so many bytes, and then fails.
type limited struct {
	io.Reader
	left int
}

func (l *limited) Read(into []byte) (int, error) {
	n, err := l.Reader.Read(into)
	if l.left -= n; l.left < 0 {
		return 0, errors.New("the message is too large")
	}
	return n, err
}

// receive hands over what the client says.
func (c *connection) receive() error {
	from := &limited{Reader: c.conn}
	decoder := gob.NewDecoder(from)
	for {
		from.left = maxClientMessage
		var envelope syncproto.Envelope
		if err := decoder.Decode(&envelope); err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		if envelope.Message == nil {
			return errors.New("the client sent a nil message")
		}
		select {
		case c.read <- c.generation.hear(envelope.Message):
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

// hear waits for a message.
func (c *connection) hear(timeout time.Duration) (any, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case message := <-c.read:
		return message, nil
	case <-timer.C:
		return nil, errors.New("the client did not speak in time")
	case <-c.ctx.Done():
		return nil, context.Cause(c.ctx)
	}
}

func (c *connection) serve() error {
	if err := c.shakeHands(); err != nil {
		return err
	}
	if !c.generation.modern {
		go func() { c.cancel(c.sendPings()) }()
		go func() { c.cancel(c.streamAndFollow()) }()
		return c.watch()
	}
	from, err := c.sendSnapshot()
	if err != nil {
		return err
	}
	go func() { c.cancel(c.follow(from)) }()
	go func() { c.cancel(c.sendPings()) }()
	return c.watch()
}

func (c *connection) shakeHands() error {
	message, err := c.hear(c.handshake)
	if err != nil {
		return err
	}
	hello, ok := message.(syncproto.MsgClientHello)
	if !ok {
		return fmt.Errorf("the client began with a %T", message)
	}
	c.tell(c, "client", fields{"hello": show(hello)["msg"]})
	if err := c.choose(hello); err != nil {
		return err
	}
	return c.say(syncproto.MsgServerHello{
		Version: c.version, SyncerType: c.syncer, SupportsNodeResourceUpdates: true, ServerConnID: c.id,
	})
}

func (c *connection) choose(hello syncproto.MsgClientHello) error {
	c.syncer = hello.SyncerType
	if c.syncer == "" {
		c.syncer = c.first
		if c.generation.modern {
			c.syncer = syncproto.Felix
		}
	}
	if c.cache = c.caches[c.syncer]; c.cache == nil {
		return errors.New("the client wants an unknown syncer")
	}
	if c.generation.modern && !hello.SupportsModernPolicyKeys {
		return errors.New("the client does not know modern policy keys")
	}
	c.restarts = hello.SupportsDecoderRestart
	if c.restarts && c.snappy && slices.Contains(hello.SupportedCompressionAlgorithms, syncproto.Snappy) {
		c.compression = syncproto.Snappy
	}
	return nil
}

// say sends one message. It may be called by several goroutines.
func (c *connection) say(message any) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.write > 0 && time.Until(c.deadline) < c.write {
		c.deadline = time.Now().Add(c.write * 110 / 100)
		c.conn.SetWriteDeadline(c.deadline)
	}
	return c.to.send(&syncproto.Envelope{Message: c.generation.say(message)})
}

// sendSnapshot brings the client to the crumb it returns.
func (c *connection) sendSnapshot() (*crumb, error) {
	if c.compression == "" {
		from := c.cache.current()
		err := c.stream(from)
		return from, err
	}
	why := "enable compression: " + string(c.compression) + ";send binary snapshot"
	if err := c.say(syncproto.MsgDecoderRestart{Message: why, CompressionAlgorithm: c.compression}); err != nil {
		return nil, err
	}
	if err := c.restart(); err != nil {
		return nil, err
	}
	from, err := c.snapshots[c.syncer].send(c.ctx, c.conn)
	if err != nil {
		return nil, err
	}
	if err := c.restart(); err != nil { // the snapshot ends with a decoder restart
		return nil, err
	}
	c.sent.Add(1)
	return from, nil
}

// restart waits until the client is ready for a new stream. Not before may a byte of it be sent.
func (c *connection) restart() error {
	message, err := c.hear(c.pong)
	if err != nil {
		return err
	}
	if _, ok := message.(syncproto.MsgACK); !ok {
		return fmt.Errorf("a %T in place of an ACK", message)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.to, c.deadline = restartedSink(c.conn, c.compression), time.Time{}
	return nil
}

func (c *connection) stream(from *crumb) error {
	err := from.inMessages(c.messageSize, func(message syncproto.MsgKVs) error { return c.say(message) })
	c.sent.Add(1)
	return err
}

func (c *connection) streamAndFollow() error {
	from := c.cache.current()
	if err := c.stream(from); err != nil {
		return err
	}
	return c.follow(from)
}

// follow sends what is new since a crumb, and each change of status.
func (c *connection) follow(at *crumb) error {
	grace := time.Now().Add(c.grace)
	var told syncproto.SyncStatus
	for {
		if at.status != told {
			if err := c.say(syncproto.MsgSyncStatus{SyncStatus: at.status}); err != nil {
				return err
			}
			told = at.status
		}
		next, deltas, err := c.gather(at, grace)
		if err != nil {
			return err
		}
		if len(deltas) > 0 {
			if err := c.say(syncproto.MsgKVs{KVs: deltas}); err != nil {
				return err
			}
		}
		at = next
	}
}

// gather takes the next crumb, and more of them while the client is behind and the message not full.
func (c *connection) gather(at *crumb, grace time.Time) (*crumb, []syncproto.SerializedUpdate, error) {
	var deltas []syncproto.SerializedUpdate
	for len(deltas) < c.messageSize {
		next, err := at.next(c.ctx)
		if err != nil {
			return nil, nil, err
		}
		at = next
		age := c.cache.current().at.Sub(at.at)
		if age > c.fallBehind && time.Now().After(grace) {
			return nil, nil, errors.New("the client fell behind")
		}
		caughtUp := age < c.batchingAge
		if caughtUp && deltas == nil {
			return at, at.deltas, nil
		}
		deltas = append(deltas, at.deltas...)
		if caughtUp {
			break
		}
	}
	return at, deltas, nil
}

func (c *connection) sendPings() error {
	ticks := jittered(c.ctx, c.ping, c.ping/10)
	for {
		select {
		case <-ticks:
			if err := c.say(syncproto.MsgPing{Timestamp: time.Now()}); err != nil {
				return err
			}
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

// watch takes nothing but pongs from the client, and wants them in time.
func (c *connection) watch() error {
	ticks := jittered(c.ctx, c.ping/2, c.ping/10)
	last := time.Now()
	for {
		select {
		case message := <-c.read:
			if _, ok := message.(syncproto.MsgPong); !ok {
				return fmt.Errorf("the client sent a %T", message)
			}
			last = time.Now()
		case <-ticks:
			if time.Since(last) > c.pong {
				return errors.New("no pong in time")
			}
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}
