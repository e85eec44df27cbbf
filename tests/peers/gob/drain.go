package main

import (
	"context"
	"encoding/gob"
	"errors"
	"io"
	"time"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

const drainSize = 256 << 10

// drain reads all there is, with as little work as can be: only decoder restarts before and after the snapshot are
// minded. Pings stay unanswered.
func (c *client) drain(ctx context.Context) error {
	if err := c.tryToConnect(ctx); err != nil {
		return cause(ctx, err)
	}
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	defer c.conn.Close()
	restarts := c.generation.modern && c.snappy && c.hello.SupportsDecoderRestart
	if restarts {
		if err := c.awaitRestart(); err != nil {
			return cause(ctx, err)
		}
	}
	buffer := make([]byte, drainSize)
	if err := c.drainSnapshot(buffer); err != nil {
		return cause(ctx, err)
	}
	if c.once {
		return errReached
	}
	if restarts {
		if err := c.say(syncproto.MsgACK{}); err != nil {
			return cause(ctx, err)
		}
	}
	c.conn.SetReadDeadline(time.Time{})
	for {
		if err := c.discard(buffer); err != nil {
			return cause(ctx, err)
		}
	}
}

func (c *client) discard(buffer []byte) error {
	_, err := c.from.Read(buffer)
	if err == nil {
		c.counts.last.Store(c.counts.since())
	}
	return err
}

// drainSnapshot reads until the snapshot is over: by its bytes, or if they are not known by silence after it has begun.
func (c *client) drainSnapshot(buffer []byte) error {
	for begun := false; ; begun = true {
		wait := c.read
		if begun && c.untilBytes == 0 {
			wait = c.quietAfter
		}
		c.conn.SetReadDeadline(time.Now().Add(wait))
		err := c.discard(buffer)
		silent := begun && c.untilBytes == 0 && isTimeout(err)
		if silent || c.untilBytes > 0 && c.counts.bytes.Load() >= c.untilBytes {
			c.counts.synced.Store(c.counts.last.Load())
			c.tell("drained", fields{"bytes": c.counts.bytes.Load(), "ms": milliseconds(c.counts.last.Load())})
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// awaitRestart reads up to the decoder restart, and not a byte more.
func (c *client) awaitRestart() error {
	c.decoder = gob.NewDecoder(unbuffered{c.from})
	for {
		message, err := c.hear()
		if err != nil {
			return err
		}
		switch message.(type) {
		case syncproto.MsgServerHello:
		case syncproto.MsgDecoderRestart:
			return c.say(syncproto.MsgACK{})
		default:
			return io.ErrUnexpectedEOF
		}
	}
}
