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

// drain reads all there is, with as little work as can be. Only a decoder restart before the snapshot is understood.
func (c *client) drain(ctx context.Context) error {
	if err := c.tryToConnect(ctx); err != nil {
		return cause(ctx, err)
	}
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	defer c.conn.Close()
	if c.generation.modern && c.snappy && c.hello.SupportsDecoderRestart {
		if err := c.awaitRestart(); err != nil {
			return err
		}
	}
	buffer := make([]byte, drainSize)
	for {
		c.conn.SetReadDeadline(time.Now().Add(c.quietAfter))
		_, err := c.from.Read(buffer)
		if err == nil {
			c.counts.last.Store(c.counts.since())
		}
		if c.counts.synced.Load() == 0 && c.drained(err) {
			c.counts.synced.Store(max(c.counts.last.Load(), 1))
			c.tell("drained", fields{"bytes": c.counts.bytes.Load(), "ms": milliseconds(c.counts.synced.Load())})
			if c.hasEnd() {
				return errReached
			}
		}
		if err != nil && !isTimeout(err) {
			return cause(ctx, err)
		}
	}
}

// drained says whether the snapshot is over: by its bytes, or by silence if they are not known.
func (c *client) drained(err error) bool {
	if c.untilBytes > 0 {
		return c.counts.bytes.Load() >= c.untilBytes
	}
	return isTimeout(err)
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
