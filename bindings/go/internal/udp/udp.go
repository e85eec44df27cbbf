// Package udp moves several datagrams of one peer in one call of the system, where the system can: Linux's UDP_GRO and UDP_SEGMENT.
// Elsewhere, and where the kernel refuses, it is one at a time. What is on the wire is the same.
package udp

import (
	"net"
	"net/netip"
)

const (
	// MaxBytes is what one call reads or writes at most.
	MaxBytes = 1 << 16
	// MaxTogether is how many datagrams one call writes at most; a read may bring twice as many.
	MaxTogether = 64
	// What a datagram holds over IPv4, which several together may not exceed either.
	maxPayload = 65507
	// Room for control messages, also for those of a user who has asked for more.
	maxControl = 256
)

// Conn is a socket. One goroutine may read while another writes.
type Conn struct {
	socket *net.UDPConn
	// Of the reader, and of the writer.
	received, control []byte
	// Several may be written at once.
	together bool
}

// New is a Conn for a socket, which from now on is read by it alone.
func New(socket *net.UDPConn) *Conn {
	c := &Conn{socket: socket, received: make([]byte, maxControl)}
	c.enable()
	return c
}

// Read reads datagrams of one sender: n bytes, of which each has `size`, but for the last, which may have fewer. There must be
// room for [MaxBytes].
func (c *Conn) Read(into []byte) (n, size int, from netip.AddrPort, err error) {
	n, control, _, from, err := c.socket.ReadMsgUDPAddrPort(into, c.received)
	return n, segmentSize(c.received[:control], n), from, err
}

// Fits says whether a datagram may be written together with so many before it, which have `size` bytes each.
func (c *Conn) Fits(count, size, next int) bool {
	return c.together && count < MaxTogether && next > 0 && next <= size && count*size+next <= maxPayload
}

// Write writes datagrams of `size` bytes each, but for the last, which may have fewer, to an address; to none if the socket is
// connected. They have to fit together.
func (c *Conn) Write(bytes []byte, size int, to netip.AddrPort) error {
	if len(bytes) <= size {
		return c.write(bytes, nil, to)
	}
	if c.together {
		err := c.write(bytes, c.segments(size), to)
		if err == nil {
			return nil
		}
		c.together = !refused(err)
	}
	return c.writeEach(bytes, size, to)
}

// writeEach writes them one at a time; that one is lost does not concern the others.
func (c *Conn) writeEach(bytes []byte, size int, to netip.AddrPort) (lost error) {
	for len(bytes) > 0 {
		next := min(size, len(bytes))
		if err := c.write(bytes[:next], nil, to); err != nil {
			lost = err
		}
		bytes = bytes[next:]
	}
	return lost
}

func (c *Conn) write(bytes, control []byte, to netip.AddrPort) error {
	_, _, err := c.socket.WriteMsgUDPAddrPort(bytes, control, to)
	return err
}
