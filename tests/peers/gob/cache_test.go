package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

func contents(chunks []*chunk) (keys []string, values map[string]string) {
	values = map[string]string{}
	for _, chunk := range chunks {
		for _, kv := range chunk.kvs {
			keys = append(keys, kv.Key)
			values[kv.Key] = string(kv.Value)
		}
	}
	return keys, values
}

func TestRowsAreThoseOfASortedMapAndSnapshotsStayAsTheyWere(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	model := map[string]string{}
	var rows rows
	type snapshot struct {
		chunks []*chunk
		values map[string]string
	}
	var snapshots []snapshot
	for step := range 20000 {
		key := fmt.Sprint("key-", chance.IntN(3000))
		if chance.IntN(3) == 0 {
			rows.remove(key)
			delete(model, key)
		} else {
			rows.set(syncproto.SerializedUpdate{Key: key, Value: fmt.Append(nil, step)})
			model[key] = fmt.Sprint(step)
		}
		if kv, found := rows.get(key); found != (model[key] != "") || string(kv.Value) != model[key] {
			t.Fatalf("step %d: %q is %q", step, key, kv.Value)
		}
		if step%1000 == 0 {
			snapshots = append(snapshots, snapshot{rows.snapshot(), maps.Clone(model)})
		}
	}
	snapshots = append(snapshots, snapshot{rows.snapshot(), model})
	for i, snapshot := range snapshots {
		keys, values := contents(snapshot.chunks)
		if !slices.IsSorted(keys) || len(keys) != len(values) || !maps.Equal(values, snapshot.values) {
			t.Errorf("snapshot %d differs", i)
		}
	}
	if rows.count != len(model) {
		t.Errorf("%d rows are counted of %d", rows.count, len(model))
	}
}

func TestWouldBeNoOpIsThatOfTypha(t *testing.T) {
	type update struct {
		Key        string
		Revision   any
		TTL        time.Duration
		UpdateType syncproto.UpdateType
		Value      []byte
		ValueIsNil bool
	}
	var cases []struct {
		Name     string
		Next     update
		Previous update
		Want     bool `json:"would_be_noop"`
	}
	readVector(t, "would-be-noop.json", &cases)
	made := func(u update) syncproto.SerializedUpdate {
		kv := syncproto.SerializedUpdate{Key: u.Key, Revision: u.Revision, TTL: u.TTL, UpdateType: u.UpdateType}
		if !u.ValueIsNil {
			kv.Value = append([]byte{}, u.Value...)
		}
		return kv
	}
	if len(cases) < 20 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		if got := wouldBeNoOp(made(c.Next), made(c.Previous)); got != c.Want {
			t.Errorf("%s: %v for %+v after %+v", c.Name, got, c.Next, c.Previous)
		}
	}
}

// crumbAfter waits for the next crumb of a cache.
func crumbAfter(t *testing.T, at *crumb) *crumb {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	next, err := at.next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestACrumbHasTheDeltasAndTheSnapshotOnlyNewKVs(t *testing.T) {
	cache := newCache(100)
	at := cache.current()
	kv := func(key, value string, kind syncproto.UpdateType) syncproto.SerializedUpdate {
		update := syncproto.SerializedUpdate{Key: key, UpdateType: kind}
		if value != "" {
			update.Value = []byte(value)
		}
		return update
	}
	steps := []struct {
		what     string
		update   syncproto.SerializedUpdate
		snapshot int
	}{
		{"new", kv("a", "1", syncproto.KVNew), 1},
		{"changed", kv("a", "2", syncproto.KVUpdated), 1},
		{"deleted without having been there", kv("b", "", syncproto.KVDeleted), 1},
		{"deleted", kv("a", "", syncproto.KVDeleted), 0},
		{"there again", kv("a", "2", syncproto.KVUpdated), 1},
	}
	for _, step := range steps {
		cache.input <- []syncproto.SerializedUpdate{step.update}
		at = crumbAfter(t, at)
		if len(at.deltas) != 1 || at.deltas[0].UpdateType != step.update.UpdateType || at.count != step.snapshot {
			t.Errorf("%s: %+v", step.what, at)
		}
		for _, chunk := range at.chunks {
			if chunk.kvs[0].UpdateType != syncproto.KVNew {
				t.Errorf("%s: %+v in the snapshot", step.what, chunk.kvs[0])
			}
		}
	}
	cache.input <- []syncproto.SerializedUpdate{kv("a", "2", syncproto.KVUpdated)} // nothing new
	cache.input <- syncproto.InSync
	if at = crumbAfter(t, at); len(at.deltas) != 0 || at.status != syncproto.InSync {
		t.Errorf("%+v", at)
	}
}

func TestALongListIsCutIntoCrumbsAndTheLastHasTheStatus(t *testing.T) {
	cache := newCache(100)
	at := cache.current()
	cache.input <- newWorkload(true, 0).kvs(250)
	cache.input <- syncproto.InSync
	var sizes []int
	for at.status != syncproto.InSync {
		at = crumbAfter(t, at)
		sizes = append(sizes, len(at.deltas))
	}
	if len(sizes) < 3 || sizes[0] != 100 || sizes[1] != 100 || sizes[2] != 50 || at.count != 250 {
		t.Errorf("%v, %d KVs", sizes, at.count)
	}
}
