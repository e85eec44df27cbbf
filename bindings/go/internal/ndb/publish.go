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
	var arena []byte
	flat := make([]C.shim_update, len(updates))
	for i, update := range updates {
		flat[i] = C.shim_update{
			key: C.size_t(len(update.Key)), value: C.size_t(len(update.Value)),
			revision: C.size_t(len(update.Revision)), version: C.size_t(len(update.Version)),
			ttl_ns: C.int64_t(update.TTL), update_type: C.uint8_t(update.Type), has: has(update),
		}
		arena = append(arena, update.Key...)
		arena = append(arena, update.Value...)
		arena = append(arena, update.Revision...)
		arena = append(arena, update.Version...)
	}
	// A value of no bytes is still one: it must not lie at NULL.
	if arena == nil {
		arena = make([]byte, 0, 1)
	}
	var taken C.size_t
	status := C.shim_publish(C.ndb_node(n), C.uint64_t(now), str(syncerType), C.size_t(len(syncerType)),
		(*C.uint8_t)(unsafe.SliceData(arena)), unsafe.SliceData(flat), C.size_t(len(flat)), &taken)
	return int(taken), failed(status)
}

func has(update Published) C.uint8_t {
	bits := C.uint8_t(0)
	if update.Value != nil {
		bits |= 1
	}
	if update.Revision != nil {
		bits |= 2
	}
	return bits
}
