package memberlist

import (
	"bytes"
	"context"
	"net"
	"os"
	"sync"
	"time"
)

// Packet is a packet as hashicorp/memberlist has it.
type Packet struct {
	// Buf is what arrived.
	Buf []byte
	// From is who sent it.
	From net.Addr
	// Timestamp is when it arrived.
	Timestamp time.Time
}

// TransportOf is hashicorp/memberlist's Transport, of a type of packets: its own Packet, or the one here.
type TransportOf[P any] interface {
	// FinalAdvertiseAddr is where others reach the member, by what the user has set.
	FinalAdvertiseAddr(ip string, port int) (net.IP, int, error)
	// WriteTo sends a packet to HOST:PORT, and says when.
	WriteTo(b []byte, addr string) (time.Time, error)
	// PacketCh are the packets that arrive.
	PacketCh() <-chan *P
	// DialTimeout opens a stream to HOST:PORT.
	DialTimeout(addr string, timeout time.Duration) (net.Conn, error)
	// StreamCh are the streams that are accepted.
	StreamCh() <-chan net.Conn
	// Shutdown closes it.
	Shutdown() error
}

// Transport is what a manager that leaves hashicorp/memberlist behind implements, as it did before.
type Transport = TransportOf[Packet]

// packet is hashicorp's Packet or ours.
type packet interface {
	~struct {
		Buf       []byte
		From      net.Addr
		Timestamp time.Time
	}
}

// How long a dial may take if the node says nothing else.
const dialTimeout = 10 * time.Second

// Adapt puts a transport written for hashicorp/memberlist under a node, without an edit and whichever Packet it speaks of:
//
//	sockets, err := memberlist.Adapt(transport)
//	node, err := memberlist.Start(ctx, memberlist.Config{Name: "east-1", Transport: sockets})
//
// The node closes it with Shutdown, and waits for dials that the transport does not give up. It fails if the transport does not know
// where others reach it.
func Adapt[P packet](transport TransportOf[P]) (*Sockets, error) {
	ip, port, err := transport.FinalAdvertiseAddr("", 0)
	if err != nil {
		return nil, err
	}
	addr := &net.UDPAddr{IP: ip, Port: port}
	a := &adapter[P]{transport: transport, addr: addr, over: make(chan struct{})}
	return &Sockets{Packets: (*adaptedPackets[P])(a), Listener: (*adaptedListener[P])(a), Dial: a.dial}, nil
}

// adapter is a transport as sockets. The node closes packets and listener; the transport is shut down once.
type adapter[P packet] struct {
	transport TransportOf[P]
	addr      net.Addr
	once      sync.Once
	over      chan struct{}
	err       error
}

func (a *adapter[P]) close() error {
	a.once.Do(func() {
		close(a.over)
		a.err = a.transport.Shutdown()
	})
	return a.err
}

// dial gives up with the context. A connection that comes too late is closed.
func (a *adapter[P]) dial(ctx context.Context, _, address string) (net.Conn, error) {
	timeout := dialTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	conn, err := a.transport.DialTimeout(address, timeout)
	if err == nil && ctx.Err() != nil {
		conn.Close()
		return nil, ctx.Err()
	}
	return conn, err
}

// adaptedPackets are the packets of a transport as a net.PacketConn.
type adaptedPackets[P packet] adapter[P]

func (a *adaptedPackets[P]) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case given, open := <-a.transport.PacketCh():
		if !open {
			return 0, nil, net.ErrClosed
		}
		packet := Packet(*given)
		return copy(b, packet.Buf), packet.From, nil
	case <-a.over:
		return 0, nil, net.ErrClosed
	}
}

func (a *adaptedPackets[P]) WriteTo(b []byte, to net.Addr) (int, error) {
	// There are transports that keep what they are given.
	if _, err := a.transport.WriteTo(bytes.Clone(b), to.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (a *adaptedPackets[P]) Close() error        { return (*adapter[P])(a).close() }
func (a *adaptedPackets[P]) LocalAddr() net.Addr { return a.addr }

// Deadlines are not used by nodes.
func (a *adaptedPackets[P]) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (a *adaptedPackets[P]) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (a *adaptedPackets[P]) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// adaptedListener are the streams of a transport as a net.Listener.
type adaptedListener[P packet] adapter[P]

func (a *adaptedListener[P]) Accept() (net.Conn, error) {
	select {
	case conn, open := <-a.transport.StreamCh():
		if !open {
			return nil, net.ErrClosed
		}
		return conn, nil
	case <-a.over:
		return nil, net.ErrClosed
	}
}

func (a *adaptedListener[P]) Close() error   { return (*adapter[P])(a).close() }
func (a *adaptedListener[P]) Addr() net.Addr { return a.addr }
