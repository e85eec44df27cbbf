package ndb

// #include "shim.h"
import "C"

import "unsafe"

// Published is an ndb_update. Value nil deletes the key; Revision nil is none.
type Published struct {
	Key, Version    string
	Value, Revision []byte
	TTL             int64
	Type            uint8
}

// Publish publishes updates to the clients of a syncer type; it says how many were taken.
func (n Node) Publish(now uint64, syncerType string, updates []Published) (int, error) {
	arena, flat := flatten(updates)
	var taken C.size_t
	status := C.shim_publish(C.ndb_node(n), C.uint64_t(now), str(syncerType), C.size_t(len(syncerType)),
		(*C.uint8_t)(unsafe.SliceData(arena)), unsafe.SliceData(flat), C.size_t(len(flat)), &taken)
	return int(taken), failed(status)
}

// SyncEncode is a stream with updates in it, and then a status unless that is negative.
func SyncEncode(updates []Published, status int32) ([]byte, error) {
	if !compatible() {
		return nil, errIncompatible()
	}
	arena, flat := flatten(updates)
	var stream C.ndb_buffer
	err := failed(C.shim_sync_encode((*C.uint8_t)(unsafe.SliceData(arena)), unsafe.SliceData(flat), C.size_t(len(flat)),
		C.int32_t(status), &stream))
	return taken(&stream), err
}

// SyncDecode gives a codec the next bytes of its stream, whose messages become events.
func (n Node) SyncDecode(bytes []byte, fromClient bool) error {
	side := C.uint32_t(0)
	if fromClient {
		side = 1
	}
	var reason C.ndb_buffer
	status := C.ndb_sync_decode(C.ndb_node(n), (*C.uint8_t)(unsafe.SliceData(bytes)), C.size_t(len(bytes)), side, &reason)
	return Failed(Status(status), string(taken(&reason)))
}

// flatten lays the bytes of updates one behind the other.
func flatten(updates []Published) ([]byte, []C.shim_update) {
	size := 0
	for i := range updates {
		u := &updates[i]
		size += len(u.Key) + len(u.Value) + len(u.Revision) + len(u.Version)
	}
	// A value of no bytes is still one: it must not lie at NULL.
	arena, flat := make([]byte, 0, max(size, 1)), make([]C.shim_update, len(updates))
	for i := range updates {
		u := &updates[i]
		flat[i] = C.shim_update{
			key: C.size_t(len(u.Key)), value: C.size_t(len(u.Value)),
			revision: C.size_t(len(u.Revision)), version: C.size_t(len(u.Version)),
			ttl_ns: C.int64_t(u.TTL), update_type: C.uint8_t(u.Type), has: has(u),
		}
		arena = append(arena, u.Key...)
		arena = append(arena, u.Value...)
		arena = append(arena, u.Revision...)
		arena = append(arena, u.Version...)
	}
	return arena, flat
}

func has(update *Published) C.uint8_t {
	bits := C.uint8_t(0)
	if update.Value != nil {
		bits |= 1
	}
	if update.Revision != nil {
		bits |= 2
	}
	return bits
}
