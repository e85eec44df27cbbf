package main

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

const wakeUpInterval = time.Second

// cache turns updates into breadcrumbs, each a snapshot and what is new in it, which connections follow.
type cache struct {
	batch int
	input chan any // []syncproto.SerializedUpdate or syncproto.SyncStatus
	cond  *sync.Cond
	last  atomic.Pointer[crumb]

	// of the loop alone
	rows    rows
	status  syncproto.SyncStatus
	pending []syncproto.SerializedUpdate
}

// crumb is what the cache held at one moment.
type crumb struct {
	sequence uint64
	at       time.Time
	status   syncproto.SyncStatus
	chunks   []*chunk
	count    int
	deltas   []syncproto.SerializedUpdate
	cond     *sync.Cond
	follower atomic.Pointer[crumb]
}

func newCache(batch int) *cache {
	c := &cache{batch: batch, input: make(chan any, 2*batch), cond: sync.NewCond(&sync.Mutex{})}
	c.last.Store(&crumb{at: time.Now(), cond: c.cond})
	go c.loop()
	return c
}

func (c *cache) current() *crumb { return c.last.Load() }

func (c *cache) loop() {
	wake := jittered(context.Background(), wakeUpInterval, wakeUpInterval/10)
	for {
		select {
		case first := <-c.input:
			c.fill(first)
			for c.publish(); len(c.pending) > 0; {
				c.publish()
			}
		case <-wake:
			c.cond.Broadcast() // a condition has no deadline: waiters look whether they are cancelled
		}
	}
}

// fill takes what waits, up to a batch.
func (c *cache) fill(entry any) {
	for taken := 0; ; {
		switch entry := entry.(type) {
		case syncproto.SyncStatus:
			c.status = entry
			taken++
		case []syncproto.SerializedUpdate:
			c.pending = append(c.pending, entry...)
			taken += len(entry)
		}
		if taken >= c.batch {
			return
		}
		select {
		case entry = <-c.input:
		default:
			return
		}
	}
}

// publish makes a crumb of at most a batch. Only the last of several has the new status.
func (c *cache) publish() {
	size := min(len(c.pending), c.batch)
	updates := c.pending[:size]
	c.pending = c.pending[size:]
	previous := c.current()
	next := &crumb{sequence: previous.sequence + 1, at: time.Now(), status: previous.status, cond: c.cond}
	if len(c.pending) == 0 {
		next.status = c.status
		c.pending = nil
	}
	next.deltas = make([]syncproto.SerializedUpdate, 0, size)
	for _, update := range updates {
		if c.apply(update) {
			next.deltas = append(next.deltas, update)
		}
	}
	if len(next.deltas) == 0 && next.status == previous.status {
		return
	}
	next.chunks, next.count = c.rows.snapshot(), c.rows.count
	c.cond.L.Lock()
	previous.follower.Store(next)
	c.last.Store(next)
	c.cond.L.Unlock()
	c.cond.Broadcast()
}

// apply says whether clients have to hear of an update. Of deletions they always do, for the sake of the type.
func (c *cache) apply(update syncproto.SerializedUpdate) bool {
	if update.Value == nil {
		c.rows.remove(update.Key)
		return true
	}
	if previous, exists := c.rows.get(update.Key); exists && wouldBeNoOp(update, previous) {
		return false
	}
	update.UpdateType = syncproto.KVNew // to those who get it in a snapshot
	c.rows.set(update)
	return true
}

func wouldBeNoOp(next, previous syncproto.SerializedUpdate) bool {
	if previous.UpdateType == syncproto.KVNew {
		previous.UpdateType = syncproto.KVUpdated
	}
	return next.Key == previous.Key && next.TTL == previous.TTL && next.UpdateType == previous.UpdateType &&
		(next.Value == nil) == (previous.Value == nil) && bytes.Equal(next.Value, previous.Value)
}

// next waits for the following crumb.
func (c *crumb) next(ctx context.Context) (*crumb, error) {
	if next := c.follower.Load(); next != nil {
		return next, nil
	}
	c.cond.L.Lock()
	defer c.cond.L.Unlock()
	for ctx.Err() == nil {
		if next := c.follower.Load(); next != nil {
			return next, nil
		}
		c.cond.Wait()
	}
	return nil, context.Cause(ctx)
}

// inMessages gives all KVs in messages of at most `size`. The message's memory is used again.
func (c *crumb) inMessages(size int, send func(syncproto.MsgKVs) error) error {
	kvs := make([]syncproto.SerializedUpdate, 0, size)
	for _, chunk := range c.chunks {
		for _, kv := range chunk.kvs {
			if kvs = append(kvs, kv); len(kvs) < size {
				continue
			}
			if err := send(syncproto.MsgKVs{KVs: kvs}); err != nil {
				return err
			}
			kvs = kvs[:0]
		}
	}
	if len(kvs) == 0 {
		return nil
	}
	return send(syncproto.MsgKVs{KVs: kvs})
}
