package main

import (
	"context"
	"encoding/gob"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/snappy"
	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

const (
	binaryMessageSize = 1000
	binaryFlush       = 20 * time.Millisecond
)

// binarySnapshots writes a snapshot once, compressed, for all clients that ask while it is valid.
type binarySnapshots struct {
	cache     *cache
	validity  time.Duration
	timeout   time.Duration
	generated atomic.Int64
	reused    atomic.Int64

	lock   sync.Mutex
	active *binarySnapshot
}

// binarySnapshot grows while clients already read it.
type binarySnapshot struct {
	of    *crumb
	lock  *sync.Mutex
	grown *sync.Cond
	bytes []byte
	whole bool
}

// growing is a buffer whose bytes are never written again, so that readers may keep them.
type growing struct{ bytes []byte }

// Write implements io.Writer.
func (g *growing) Write(more []byte) (int, error) {
	g.bytes = append(g.bytes, more...)
	return len(more), nil
}

// send writes the valid snapshot to a client, up to the decoder restart at its end.
func (b *binarySnapshots) send(ctx context.Context, conn net.Conn) (*crumb, error) {
	snapshot := b.current()
	return snapshot.of, snapshot.send(ctx, conn, b.timeout)
}

func (b *binarySnapshots) current() *binarySnapshot {
	b.lock.Lock()
	defer b.lock.Unlock()
	if b.active != nil {
		b.reused.Add(1)
		return b.active
	}
	b.generated.Add(1)
	b.active = &binarySnapshot{of: b.cache.current(), lock: &b.lock, grown: sync.NewCond(&b.lock)}
	go b.live(b.active)
	return b.active
}

// live writes a snapshot, and forgets it when it is old and there is a newer crumb.
func (b *binarySnapshots) live(snapshot *binarySnapshot) {
	snapshot.fill()
	time.Sleep(b.validity)
	snapshot.of.next(context.Background())
	b.lock.Lock()
	defer b.lock.Unlock()
	b.active = nil
}

func (s *binarySnapshot) fill() {
	var plain growing
	compressor := snappy.NewBufferedWriter(&plain)
	encoder := gob.NewEncoder(compressor)
	flushed := time.Now()
	write := func(message any) error {
		if err := encoder.Encode(&syncproto.Envelope{Message: message}); err != nil {
			return err
		}
		if time.Since(flushed) <= binaryFlush {
			return nil
		}
		flushed = time.Now()
		err := compressor.Flush()
		s.grow(plain.bytes, false)
		return err
	}
	err := s.of.inMessages(binaryMessageSize, func(message syncproto.MsgKVs) error { return write(message) })
	if err == nil {
		err = write(syncproto.MsgDecoderRestart{Message: "End of compressed snapshot.", CompressionAlgorithm: syncproto.Snappy})
	}
	if err == nil {
		err = compressor.Close()
	}
	if err != nil {
		panic(err) // memory takes all
	}
	s.grow(plain.bytes, true)
}

func (s *binarySnapshot) grow(bytes []byte, whole bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.bytes, s.whole = bytes, whole
	if whole {
		s.grown.Broadcast()
	} else {
		s.grown.Signal() // one at a time, lest they all starve the writer
	}
}

func (s *binarySnapshot) send(ctx context.Context, conn net.Conn, timeout time.Duration) error {
	var deadline time.Time
	for sent, whole := 0, false; !whole; {
		var bytes []byte
		if bytes, whole = s.after(ctx, sent); ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for len(bytes) > 0 {
			if time.Until(deadline) < timeout {
				deadline = time.Now().Add(timeout * 110 / 100)
				conn.SetWriteDeadline(deadline)
			}
			n, err := conn.Write(bytes)
			bytes, sent = bytes[n:], sent+n
			if err != nil && (n == 0 || !os.IsTimeout(err)) {
				return err
			}
		}
	}
	return conn.SetWriteDeadline(time.Time{})
}

// after waits for bytes that were not sent yet.
func (s *binarySnapshot) after(ctx context.Context, sent int) (bytes []byte, whole bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for len(s.bytes) == sent && !s.whole && ctx.Err() == nil {
		s.grown.Wait()
	}
	return s.bytes[sent:], s.whole
}
