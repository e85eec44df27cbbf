package differential

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Packets and streams that may wait at a node. No schedule comes near.
const (
	packetsWaiting = 512
	streamsWaiting = 64
)

var errRefused = errors.New("connection refused")

// memory is a network of channels and pipes: virtual time does not pass while a goroutine waits for a socket.
type memory struct {
	mu    sync.Mutex
	ports map[netip.AddrPort]*port
	cut   netip.AddrPort // cut off from all others
}

// port is the transport of one node.
type port struct {
	on      *memory
	addr    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newMemory() *memory {
	return &memory{ports: map[netip.AddrPort]*port{}}
}

// open returns a transport at an address where none is.
func (m *memory) open(addr netip.AddrPort) *port {
	p := &port{
		on: m, addr: addr,
		packets: make(chan *memberlist.Packet, packetsWaiting),
		streams: make(chan net.Conn, streamsWaiting),
		closed:  make(chan struct{}),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ports[addr] = p
	return p
}

// isolate cuts a node off; the zero address ends that.
func (m *memory) isolate(addr netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = addr
}

// reach returns the port at an address, if there is one and a way to it.
func (p *port) reach(addr string) *port {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil
	}
	p.on.mu.Lock()
	defer p.on.mu.Unlock()
	if to != p.addr && (to == p.on.cut || p.addr == p.on.cut) {
		return nil
	}
	return p.on.ports[to]
}

func (p *port) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return p.addr.Addr().AsSlice(), int(p.addr.Port()), nil
}

// WriteTo loses what cannot be delivered, as UDP does.
func (p *port) WriteTo(packet []byte, addr string) (time.Time, error) {
	now := time.Now()
	select {
	case <-p.closed:
		return now, fmt.Errorf("write at %s: %w", p.addr, net.ErrClosed)
	default:
	}
	if to := p.reach(addr); to != nil {
		// memberlist uses the buffer again.
		copied := &memberlist.Packet{Buf: bytes.Clone(packet), From: net.UDPAddrFromAddrPort(p.addr), Timestamp: now}
		select {
		case to.packets <- copied:
		default:
		}
	}
	return now, nil
}

func (p *port) DialTimeout(addr string, _ time.Duration) (net.Conn, error) {
	to := p.reach(addr)
	if to == nil {
		return nil, errRefused
	}
	near, far := net.Pipe()
	if !to.accept(far) {
		near.Close()
		far.Close()
		return nil, errRefused
	}
	return near, nil
}

// accept queues a stream unless the port is closed: nobody would ever read it then.
func (p *port) accept(stream net.Conn) bool {
	p.on.mu.Lock()
	defer p.on.mu.Unlock()
	if p.on.ports[p.addr] != p {
		return false
	}
	select {
	case p.streams <- stream:
		return true
	default:
		return false
	}
}

func (p *port) PacketCh() <-chan *memberlist.Packet { return p.packets }

func (p *port) StreamCh() <-chan net.Conn { return p.streams }

func (p *port) Shutdown() error {
	p.once.Do(func() {
		p.on.mu.Lock()
		defer p.on.mu.Unlock()
		delete(p.on.ports, p.addr)
		close(p.closed)
		for len(p.streams) > 0 {
			(<-p.streams).Close()
		}
	})
	return nil
}
