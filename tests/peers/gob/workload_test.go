package main

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

func TestAWorkloadsKVsHaveOneSizeOnTheWire(t *testing.T) {
	for small, want := range map[bool]int{false: 804, true: 88} {
		work := newWorkload(small, 0)
		for _, i := range []int{0, 7, 12345, 99999} {
			for _, round := range []int{0, 3} {
				kv := work.kv(i, round)
				if got := messageSize(t, kv, 5) - messageSize(t, kv, 4); got != want {
					t.Errorf("%d bytes in place of %d: %+v", got, want, kv)
				}
			}
		}
	}
}

// messageSize is that of a message with so many times the same KV, on a stream that knows the types.
func messageSize(t *testing.T, kv syncproto.SerializedUpdate, count int) int {
	t.Helper()
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	list := slices.Repeat([]syncproto.SerializedUpdate{kv}, count)
	for range 2 {
		stream.Reset()
		if err := encoder.Encode(list); err != nil {
			t.Fatal(err)
		}
	}
	return stream.Len()
}

func TestAWorkloadIsTheSameEachTimeAndChangesWithTheRound(t *testing.T) {
	work := newWorkload(false, 0)
	if !reflect.DeepEqual(work.kvs(100), work.kvs(100)) {
		t.Error("it differs")
	}
	first, next := work.kv(5, 0), work.kv(5, 1)
	if first.Key != next.Key || wouldBeNoOp(next, first) {
		t.Errorf("%+v after %+v", next, first)
	}
	var endpoint map[string]any
	if err := json.Unmarshal(first.Value, &endpoint); err != nil {
		t.Error(err)
	}
}
