package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// counts are what a client has heard on its connection. Others may look at any time.
type counts struct {
	kvs, messages, statuses atomic.Int64
	pings, restarts         atomic.Int64
	bytes, restartBytes     atomic.Int64 // all, and those up to the last restart
	connected               atomic.Int64 // nanoseconds since 1970
	synced, last            atomic.Int64 // nanoseconds since then; 0: not yet
}

func (c *counts) connect() {
	all := []*atomic.Int64{
		&c.kvs, &c.messages, &c.statuses, &c.pings, &c.restarts, &c.bytes, &c.restartBytes, &c.synced, &c.last,
	}
	for _, count := range all {
		count.Store(0)
	}
	c.connected.Store(time.Now().UnixNano())
}

func (c *counts) since() int64 { return time.Now().UnixNano() - c.connected.Load() }

func (c *counts) status(status syncproto.SyncStatus) {
	c.statuses.Add(1)
	if status == syncproto.InSync {
		c.synced.CompareAndSwap(0, c.since())
	}
}

func (c *counts) restart() {
	c.restarts.Add(1)
	c.restartBytes.Store(c.bytes.Load())
}

func (c *counts) updates(kvs int) {
	c.messages.Add(1)
	c.kvs.Add(int64(kvs))
	c.last.Store(c.since())
}

func (c *counts) fields() fields {
	return fields{
		"kvs": c.kvs.Load(), "messages": c.messages.Load(), "statuses": c.statuses.Load(), "pings": c.pings.Load(),
		"restarts": c.restarts.Load(), "bytes": c.bytes.Load(), "restart_bytes": c.restartBytes.Load(),
		"synced_ms": milliseconds(c.synced.Load()), "last_kvs_ms": milliseconds(c.last.Load()),
	}
}

// milliseconds is null if there is nothing to tell.
func milliseconds(nanoseconds int64) any {
	if nanoseconds == 0 {
		return nil
	}
	return float64(nanoseconds) / 1e6
}

// digest is the SHA-256 over key, value, revision and v3 version of each KV, by key, each after its length as be32.
func digest(rows map[string]syncproto.SerializedUpdate) string {
	hash := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		kv := rows[key]
		for _, part := range []string{key, string(kv.Value), revisionText(kv.Revision), kv.V3ResourceVersion} {
			hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
			io.WriteString(hash, part)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// readCounter counts the bytes read.
type readCounter struct {
	io.Reader
	count *atomic.Int64
}

func (r readCounter) Read(into []byte) (int, error) {
	n, err := r.Reader.Read(into)
	r.count.Add(int64(n))
	return n, err
}
