package main

import (
	"cmp"
	"slices"
	"sort"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// rows are the KVs of a cache, sorted by key. A snapshot costs nothing; what is written afterwards copies what it
// touches. Typha has a B-tree for it; two levels do the same work.
type rows struct {
	chunks []*chunk
	count  int
	epoch  uint64 // chunks of an earlier one belong to a snapshot too
	shared bool   // as does the list of chunks
}

type chunk struct {
	epoch uint64
	kvs   []syncproto.SerializedUpdate
}

const chunkSize = 128

// snapshot is the rows as they are now. They must not be written.
func (r *rows) snapshot() []*chunk {
	r.epoch++
	r.shared = true
	return r.chunks
}

// find tells where a key is, or would be. There must be a chunk.
func (r *rows) find(key string) (number, at int, found bool) {
	after := sort.Search(len(r.chunks), func(i int) bool { return r.chunks[i].kvs[0].Key > key })
	number = max(after-1, 0)
	at, found = slices.BinarySearchFunc(r.chunks[number].kvs, key, func(kv syncproto.SerializedUpdate, key string) int {
		return cmp.Compare(kv.Key, key)
	})
	return number, at, found
}

func (r *rows) get(key string) (kv syncproto.SerializedUpdate, found bool) {
	if len(r.chunks) == 0 {
		return kv, false
	}
	number, at, found := r.find(key)
	if found {
		kv = r.chunks[number].kvs[at]
	}
	return kv, found
}

func (r *rows) set(kv syncproto.SerializedUpdate) {
	if len(r.chunks) == 0 {
		first := &chunk{r.epoch, []syncproto.SerializedUpdate{kv}}
		r.chunks, r.shared, r.count = []*chunk{first}, false, 1
		return
	}
	number, at, found := r.find(kv.Key)
	own := r.own(number)
	if found {
		own.kvs[at] = kv
		return
	}
	own.kvs = slices.Insert(own.kvs, at, kv)
	r.count++
	if len(own.kvs) == chunkSize {
		upper := &chunk{r.epoch, slices.Clone(own.kvs[chunkSize/2:])}
		own.kvs = slices.Delete(own.kvs, chunkSize/2, chunkSize)
		r.chunks = slices.Insert(r.chunks, number+1, upper)
	}
}

func (r *rows) remove(key string) {
	if len(r.chunks) == 0 {
		return
	}
	number, at, found := r.find(key)
	if !found {
		return
	}
	own := r.own(number)
	own.kvs = slices.Delete(own.kvs, at, at+1)
	r.count--
	if len(own.kvs) == 0 {
		r.chunks = slices.Delete(r.chunks, number, number+1)
	}
}

// own is a chunk that may be written.
func (r *rows) own(number int) *chunk {
	if r.shared {
		r.chunks, r.shared = slices.Clone(r.chunks), false
	}
	if r.chunks[number].epoch != r.epoch {
		r.chunks[number] = &chunk{r.epoch, slices.Clone(r.chunks[number].kvs)}
	}
	return r.chunks[number]
}
