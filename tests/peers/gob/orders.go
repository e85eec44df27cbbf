package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// order is a line of the server's stdin. Its parts are done in this order.
type order struct {
	ID       json.RawMessage       `json:"id"`
	Syncer   syncproto.SyncerType  `json:"syncer"`
	Updates  []orderedUpdate       `json:"updates"`
	Touch    int                   `json:"touch"`
	Status   *syncproto.SyncStatus `json:"status"`
	MaxConns *int64                `json:"max_conns"`
	Report   bool                  `json:"report"`
}

// orderedUpdate is a KV to be told. Without a value and a text it is a deletion.
type orderedUpdate struct {
	Key       string               `json:"key"`
	Value     []byte               `json:"value"`
	Text      *string              `json:"text"`
	Revision  json.RawMessage      `json:"revision"`
	V3Version string               `json:"v3_version"`
	TTL       time.Duration        `json:"ttl"`
	Type      syncproto.UpdateType `json:"type"`
}

// orders are what stdin makes of a server.
type orders struct {
	server   *server
	workload workload
	kvs      int
	touched  int
}

// load puts the synthetic KVs in, if there are to be any, and waits for them.
func (o *orders) load() {
	if o.kvs == 0 {
		return
	}
	cache := o.server.caches[o.server.first]
	cache.input <- syncproto.ResyncInProgress
	cache.input <- o.workload.kvs(o.kvs)
	cache.input <- syncproto.InSync
	for at := cache.current(); at.status != syncproto.InSync; {
		at, _ = at.next(context.Background())
	}
}

// obey does what the lines say. When they end, so does the process, and nobody is told.
func (o *orders) obey(from io.Reader) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			os.Exit(0)
		}
		var order order
		if err := json.Unmarshal(line, &order); err != nil {
			emit(fields{"event": "refused", "error": err.Error()})
			continue
		}
		reply, err := o.do(order)
		if err != nil {
			reply = fields{"event": "refused", "error": err.Error()}
		}
		if order.ID != nil {
			reply["id"], reply["ok"] = order.ID, err == nil
		}
		if len(reply) > 0 {
			emit(reply)
		}
	}
}

func (o *orders) do(order order) (fields, error) {
	syncer := order.Syncer
	if syncer == "" {
		syncer = o.server.first
	}
	cache := o.server.caches[syncer]
	if cache == nil {
		return nil, fmt.Errorf("no syncer is named %q", syncer)
	}
	updates, err := serialized(order.Updates)
	if err != nil {
		return nil, err
	}
	if len(updates) > 0 {
		cache.input <- updates
	}
	if order.Touch > 0 {
		cache.input <- o.touch(order.Touch)
	}
	if order.Status != nil {
		cache.input <- *order.Status
	}
	if order.MaxConns != nil {
		o.server.limit.Store(*order.MaxConns)
	}
	if order.Report {
		return o.report(syncer), nil
	}
	return fields{}, nil
}

func serialized(ordered []orderedUpdate) ([]syncproto.SerializedUpdate, error) {
	updates := make([]syncproto.SerializedUpdate, 0, len(ordered))
	for _, update := range ordered {
		revision, err := update.revision()
		if err != nil {
			return nil, err
		}
		if update.Text != nil {
			update.Value = []byte(*update.Text)
		}
		updates = append(updates, syncproto.SerializedUpdate{
			Key: update.Key, Value: update.Value, Revision: revision,
			V3ResourceVersion: update.V3Version, TTL: update.TTL, UpdateType: update.Type,
		})
	}
	return updates, nil
}

// revision is a text, or anything as `gob decode` shows it.
func (u *orderedUpdate) revision() (any, error) {
	var text string
	if len(u.Revision) == 0 || string(u.Revision) == "null" {
		return nil, nil
	}
	if json.Unmarshal(u.Revision, &text) == nil {
		return text, nil
	}
	return parseRevision(u.Revision, syncproto.Messages())
}

// touch changes so many of the synthetic KVs, beginning where the last one ended.
func (o *orders) touch(count int) []syncproto.SerializedUpdate {
	updates := make([]syncproto.SerializedUpdate, 0, count)
	for range count {
		i := o.touched % max(o.kvs, 1)
		updates = append(updates, o.workload.kv(i, 1+o.touched/max(o.kvs, 1)))
		o.touched++
	}
	return updates
}

func (o *orders) report(syncer syncproto.SyncerType) fields {
	largest, now := memory()
	snapshots := o.server.snapshots[syncer]
	at := o.server.caches[syncer].current()
	return fields{
		"event": "report", "cpu_seconds": cpu().Seconds(), "max_rss": largest, "rss": now,
		"connections": o.server.size(), "snapshots_sent": o.server.sent.Load(),
		"snapshots_generated": snapshots.generated.Load(), "snapshots_reused": snapshots.reused.Load(),
		"sequence": at.sequence, "status": at.status, "kvs": at.count,
	}
}
