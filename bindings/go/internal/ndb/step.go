package ndb

// #include "shim.h"
import "C"

import (
	"net"
	"net/netip"
	"strconv"
	"unsafe"
)

// What a host tells a node.
const (
	Tick     = C.NDB_INPUT_TICK
	Datagram = C.NDB_INPUT_DATAGRAM
	Accepted = C.NDB_INPUT_ACCEPTED
	Opened   = C.NDB_INPUT_OPENED
	Received = C.NDB_INPUT_RECEIVED
	Sent     = C.NDB_INPUT_SENT
	Finished = C.NDB_INPUT_FINISHED
	Broken   = C.NDB_INPUT_FAILED
	Gone     = C.NDB_INPUT_GONE
)

// Why a dial or a stream broke.
const (
	FaultOther       = C.NDB_FAULT_OTHER
	FaultRefused     = C.NDB_FAULT_REFUSED
	FaultUnreachable = C.NDB_FAULT_UNREACHABLE
	FaultTimedOut    = C.NDB_FAULT_TIMED_OUT
	FaultReset       = C.NDB_FAULT_RESET
	FaultUntrusted   = C.NDB_FAULT_UNTRUSTED
)

// What a node asks of its host.
const (
	Send    = C.NDB_OUTPUT_DATAGRAM
	Open    = C.NDB_OUTPUT_OPEN
	Deliver = C.NDB_OUTPUT_WRITE
	Reading = C.NDB_OUTPUT_READING
	Close   = C.NDB_OUTPUT_CLOSE
)

// Addr is an ndb_addr.
type Addr struct {
	ip     [16]byte
	scope  uint32
	port   uint16
	family uint8
	_      uint8
}

// Input is an ndb_input.
type Input struct {
	Kind, Code uint16
	_          uint32
	Stream     uint64
	User       uint64
	Offset     uint64
	Len        uint64
	Addr       Addr
}

// Output is an ndb_output.
type Output struct {
	Kind, Code uint16
	_          uint32
	Stream     uint64
	User       uint64
	data       *byte
	len        uint64
	Addr       Addr
}

// The layouts are those of the header, or this does not compile.
const (
	_ = uint(unsafe.Sizeof(Input{}) - C.sizeof_ndb_input)
	_ = uint(C.sizeof_ndb_input - unsafe.Sizeof(Input{}))
	_ = uint(unsafe.Sizeof(Output{}) - C.sizeof_ndb_output)
	_ = uint(C.sizeof_ndb_output - unsafe.Sizeof(Output{}))
	_ = uint(unsafe.Sizeof(Addr{}) - C.sizeof_ndb_addr)
	_ = uint(C.sizeof_ndb_addr - unsafe.Sizeof(Addr{}))
)

// Bytes is a view into memory of the library: for as long as the header says.
func (o *Output) Bytes() []byte {
	return unsafe.Slice(o.data, int(o.len))
}

// Len is how many bytes there are.
func (o *Output) Len() int {
	return int(o.len)
}

// AddrOf is the library's form of an address.
func AddrOf(from netip.AddrPort) Addr {
	ip := from.Addr().Unmap()
	addr := Addr{port: from.Port(), family: 6}
	if ip.Is4() {
		four := ip.As4()
		copy(addr.ip[:], four[:])
		addr.family = 4
		return addr
	}
	addr.ip, addr.scope = ip.As16(), scope(ip.Zone())
	return addr
}

// AddrPort is the address; not valid if there is none.
func (a *Addr) AddrPort() netip.AddrPort {
	switch a.family {
	case 4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.ip[:4])), a.port)
	case 6:
		ip := netip.AddrFrom16(a.ip)
		if a.scope != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(a.scope), 10))
		}
		return netip.AddrPortFrom(ip, a.port)
	default:
		return netip.AddrPort{}
	}
}

// Port is the port, also where there is a name in place of an address.
func (a *Addr) Port() uint16 {
	return a.port
}

// scope is the number of a zone, which may be a name.
func scope(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if number, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(number)
	}
	if port, err := net.InterfaceByName(zone); err == nil {
		return uint32(port.Index)
	}
	return 0
}
