package ndb

// #include "shim.h"
import "C"

import (
	"net/netip"
	"unsafe"
)

// EventKind is an ndb_event_kind; see the header for what each has.
type EventKind uint16

// What an event tells.
const (
	EventJoined        EventKind = C.NDB_EVENT_JOINED
	EventLeft          EventKind = C.NDB_EVENT_LEFT
	EventSpread        EventKind = C.NDB_EVENT_SPREAD
	EventSent          EventKind = C.NDB_EVENT_SENT
	EventMissed        EventKind = C.NDB_EVENT_MISSED
	EventWarning       EventKind = C.NDB_EVENT_WARNING
	EventNetworkJoined EventKind = C.NDB_EVENT_NETWORK_JOINED
	EventNodeActive    EventKind = C.NDB_EVENT_NODE_ACTIVE
	EventNodeFailed    EventKind = C.NDB_EVENT_NODE_FAILED
	EventNodeLeft      EventKind = C.NDB_EVENT_NODE_LEFT
	EventPeerJoined    EventKind = C.NDB_EVENT_PEER_JOINED
	EventPeerLeft      EventKind = C.NDB_EVENT_PEER_LEFT
	EventAlone         EventKind = C.NDB_EVENT_ALONE
	EventRowCreated    EventKind = C.NDB_EVENT_ROW_CREATED
	EventRowUpdated    EventKind = C.NDB_EVENT_ROW_UPDATED
	EventRowDeleted    EventKind = C.NDB_EVENT_ROW_DELETED
	EventResync        EventKind = C.NDB_EVENT_RESYNC
	EventMemberJoined  EventKind = C.NDB_EVENT_MEMBER_JOINED
	EventMemberUpdated EventKind = C.NDB_EVENT_MEMBER_UPDATED
	EventMemberGone    EventKind = C.NDB_EVENT_MEMBER_GONE
	EventMessage       EventKind = C.NDB_EVENT_MESSAGE
	EventConflict      EventKind = C.NDB_EVENT_CONFLICT
	EventClientJoined  EventKind = C.NDB_EVENT_CLIENT_JOINED
	EventClientClosed  EventKind = C.NDB_EVENT_CLIENT_CLOSED
	EventDrained       EventKind = C.NDB_EVENT_DRAINED
	EventUnreached     EventKind = C.NDB_EVENT_UNREACHED
	EventConnected     EventKind = C.NDB_EVENT_CONNECTED
	EventStatus        EventKind = C.NDB_EVENT_STATUS
	EventUpdate        EventKind = C.NDB_EVENT_UPDATE
	EventDeletion      EventKind = C.NDB_EVENT_DELETION
	EventDisconnected  EventKind = C.NDB_EVENT_DISCONNECTED
	EventFinished      EventKind = C.NDB_EVENT_FINISHED
	EventClientHello   EventKind = C.NDB_EVENT_CLIENT_HELLO
	EventServerHello   EventKind = C.NDB_EVENT_SERVER_HELLO
	EventRestart       EventKind = C.NDB_EVENT_DECODER_RESTART
	EventAck           EventKind = C.NDB_EVENT_ACK
	EventPing          EventKind = C.NDB_EVENT_PING
	EventPong          EventKind = C.NDB_EVENT_PONG
	EventUpdates       EventKind = C.NDB_EVENT_UPDATES
	EventNil           EventKind = C.NDB_EVENT_NIL
)

// Event is an ndb_event, in Go's memory. Value and Previous are nil where there is none.
type Event struct {
	Kind                    EventKind
	Code                    Status
	ID, Number              uint64
	Detail                  uint32
	Addr                    netip.AddrPort
	Network, Table, Key     string
	Value, Previous         []byte
	Revision, Version, Text string
}

// own copies an event into one piece of Go's memory and frees it.
func own(from *C.ndb_event) *Event {
	addr := *(*Addr)(unsafe.Pointer(&from.addr))
	event := &Event{
		Kind: EventKind(from.kind), Code: Status(from.code), ID: uint64(from.id), Number: uint64(from.number),
		Detail: uint32(from.detail), Addr: addr.AddrPort(),
	}
	parts := [...]*C.ndb_slice{&from.network, &from.table, &from.key, &from.value, &from.previous, &from.revision,
		&from.version, &from.text}
	total := 0
	for _, part := range parts {
		total += int(part.len)
	}
	copied := copier(make([]byte, 0, total))
	event.Network, event.Table, event.Key = copied.text(&from.network), copied.text(&from.table), copied.text(&from.key)
	event.Value, event.Previous = copied.bytes(&from.value), copied.bytes(&from.previous)
	event.Revision, event.Version = copied.text(&from.revision), copied.text(&from.version)
	event.Text = copied.text(&from.text)
	C.ndb_event_free(from)
	return event
}

// copier gathers bytes without ever moving them. What texts are made of is never written again.
type copier []byte

func (c *copier) bytes(from *C.ndb_slice) []byte {
	if from.data == nil {
		return nil
	}
	start := len(*c)
	*c = append(*c, unsafe.Slice((*byte)(unsafe.Pointer(from.data)), int(from.len))...)
	return (*c)[start:len(*c):len(*c)]
}

func (c *copier) text(from *C.ndb_slice) string {
	bytes := c.bytes(from)
	return unsafe.String(unsafe.SliceData(bytes), len(bytes))
}
