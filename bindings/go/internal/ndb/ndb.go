// Package ndb is the C library in Go's types, and all of cgo in this module: one function a C function. Who may call what and
// when stands in the C header.
//
// The calls that carry the load take Go memory as it is (no pointers lie in it), make no garbage and never come back into Go.
package ndb

/*
#include "shim.h"

#cgo noescape shim_create
#cgo nocallback shim_create
#cgo noescape shim_step
#cgo nocallback shim_step
#cgo noescape shim_write
#cgo nocallback shim_write
#cgo noescape shim_read
#cgo nocallback shim_read
#cgo noescape shim_publish
#cgo nocallback shim_publish
#cgo noescape shim_sync_encode
#cgo nocallback shim_sync_encode
#cgo noescape ndb_sync_decode
#cgo nocallback ndb_sync_decode
#cgo noescape ndb_command
#cgo nocallback ndb_command
#cgo noescape ndb_next_event
#cgo nocallback ndb_next_event
#cgo nocallback ndb_event_free
#cgo noescape ndb_buffer_free
#cgo nocallback ndb_buffer_free
#cgo nocallback ndb_abi_version
#cgo nocallback ndb_features
*/
import "C"

import (
	"bytes"
	"encoding/json"
	"math"
	"net"
	"unsafe"
)

// Never is no deadline.
const Never = math.MaxUint64

// Kind is an ndb_kind.
type Kind uint16

// The kinds of nodes.
const (
	NetworkDB  Kind = C.NDB_KIND_NETWORK_DB
	Memberlist Kind = C.NDB_KIND_MEMBERLIST
	SyncServer Kind = C.NDB_KIND_SYNC_SERVER
	SyncClient Kind = C.NDB_KIND_SYNC_CLIENT
	Codec      Kind = C.NDB_KIND_CODEC
)

// How a row is written.
const (
	Put    = C.NDB_PUT
	Create = C.NDB_CREATE
	Update = C.NDB_UPDATE
	Delete = C.NDB_DELETE
)

var errNetClosed = net.ErrClosed

// Version is that of the loaded library.
func Version() string {
	return text(C.ndb_version())
}

// Hosted says whether the loaded library has its own host.
func Hosted() bool {
	return C.ndb_features()&C.NDB_FEATURE_HOSTED != 0
}

// compatible says whether the loaded library serves what was built with the header.
func compatible() bool {
	loaded, built := uint32(C.ndb_abi_version()), uint32(C.NDB_ABI_VERSION)
	return loaded>>16 == built>>16 && loaded >= built
}

func errIncompatible() error {
	return Failed(Unsupported, "the loaded libnetworkdb is another version: "+Version())
}

// Node is a number of the library's. After [Node.Free] every call is answered with [Closed].
type Node C.ndb_node

// New creates a node from settings in JSON. Without a seed, the operating system draws one.
func New(kind Kind, config []byte, seed *[32]byte, now uint64) (Node, error) {
	if !compatible() {
		return 0, errIncompatible()
	}
	var node C.ndb_node
	var reason C.ndb_buffer
	status := C.shim_create(C.uint16_t(kind), pointer(config), C.size_t(len(config)),
		(*C.uint8_t)(unsafe.Pointer(seed)), C.uint64_t(now), &node, &reason)
	return Node(node), Failed(Status(status), string(taken(&reason)))
}

// Free ends the node. Nothing that a step showed may be used any more.
func (n Node) Free() error {
	return failed(C.ndb_free(C.ndb_node(n)))
}

// Run starts the built-in host.
func (n Node) Run() error {
	return failed(C.ndb_run(C.ndb_node(n)))
}

// Step gives inputs, whose bytes lie in the arena, and returns what is to be done: until the next step, but for bytes of
// streams, and when to step again.
func (n Node) Step(now uint64, inputs []Input, arena []byte) ([]Output, uint64, error) {
	var out C.shim_stepped
	status := C.shim_step(C.ndb_node(n), C.uint64_t(now), unsafe.Pointer(unsafe.SliceData(inputs)), C.size_t(len(inputs)),
		(*C.uint8_t)(unsafe.SliceData(arena)), C.size_t(len(arena)), &out)
	if status != C.NDB_OK {
		return nil, Never, Status(status)
	}
	return unsafe.Slice((*Output)(unsafe.Pointer(out.outputs)), int(out.count)), uint64(out.deadline), nil
}

// Command does what a request in JSON asks for, and answers in JSON.
func (n Node) Command(now uint64, request []byte) ([]byte, error) {
	var buffer C.ndb_buffer
	status := C.ndb_command(C.ndb_node(n), C.uint64_t(now), (*C.uint8_t)(unsafe.SliceData(request)),
		C.size_t(len(request)), &buffer)
	answer := taken(&buffer)
	if status == C.NDB_OK {
		return answer, nil
	}
	var reason struct {
		Error string `json:"error"`
	}
	// An answer that is no JSON has no reason in it.
	_ = json.Unmarshal(answer, &reason)
	if reason.Error == statusText(Status(status)) {
		reason.Error = ""
	}
	return nil, Failed(Status(status), reason.Error)
}

// Write writes or deletes a row.
func (n Node) Write(now uint64, how uint16, network, table, key string, value []byte) error {
	return failed(C.shim_write(C.ndb_node(n), C.uint64_t(now), C.uint16_t(how), str(network), C.size_t(len(network)),
		str(table), C.size_t(len(table)), str(key), C.size_t(len(key)), pointer(value), C.size_t(len(value))))
}

// Read appends the value of a row to what lies in the buffer.
func (n Node) Read(network, table, key string, into []byte) ([]byte, error) {
	for {
		room := into[len(into):cap(into)]
		var size C.size_t
		status := C.shim_read(C.ndb_node(n), str(network), C.size_t(len(network)), str(table), C.size_t(len(table)),
			str(key), C.size_t(len(key)), (*C.uint8_t)(unsafe.SliceData(room)), C.size_t(len(room)), &size)
		if status == C.NDB_OK {
			return into[:len(into)+int(size)], nil
		}
		if status != C.NDB_TOO_SMALL {
			return into, Status(status)
		}
		into = append(make([]byte, 0, len(into)+int(size)), into...)
	}
}

// NextEvent takes the next event; [Empty] if none waits.
func (n Node) NextEvent() (*Event, error) {
	var event *C.ndb_event
	if status := C.ndb_next_event(C.ndb_node(n), &event); status != C.NDB_OK {
		return nil, Status(status)
	}
	return own(event), nil
}

// WaitEvent takes the next event and waits for it, until the node is freed. It holds a thread meanwhile.
func (n Node) WaitEvent() (*Event, error) {
	var event *C.ndb_event
	if status := C.ndb_wait_event(C.ndb_node(n), C.NDB_NEVER, &event); status != C.NDB_OK {
		return nil, Status(status)
	}
	return own(event), nil
}

func failed(status C.ndb_status) error {
	if status == C.NDB_OK {
		return nil
	}
	return Status(status)
}

func statusText(status Status) string {
	return text(C.ndb_status_text(C.int32_t(status)))
}

// taken copies what a buffer holds and frees it.
func taken(buffer *C.ndb_buffer) []byte {
	bytes := bytes.Clone(unsafe.Slice((*byte)(buffer.data), int(buffer.len)))
	C.ndb_buffer_free(buffer)
	return bytes
}

func text(slice C.ndb_slice) string {
	return C.GoStringN((*C.char)(unsafe.Pointer(slice.data)), C.int(slice.len))
}

func pointer(bytes []byte) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(bytes))
}

func str(text string) unsafe.Pointer {
	return unsafe.Pointer(unsafe.StringData(text))
}
