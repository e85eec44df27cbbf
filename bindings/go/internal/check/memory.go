package check

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Memory is a network without sockets: packets through channels, connections through pipes.
type Memory struct {
	mu    sync.Mutex
	hosts map[string]*MemoryHost
}

// MemoryHost is an address of such a network. It is a net.PacketConn; Listener is its other half.
type MemoryHost struct {
	network *Memory
	addr    netip.AddrPort
	packets chan memoryPacket
	conns   chan net.Conn
	once    sync.Once
	over    chan struct{}
}

type memoryPacket struct {
	bytes []byte
	from  net.Addr
}

// NewMemory is a network without hosts.
func NewMemory() *Memory {
	return &Memory{hosts: make(map[string]*MemoryHost)}
}

// Host adds a host.
func (m *Memory) Host(addr string) *MemoryHost {
	h := &MemoryHost{
		network: m, addr: netip.MustParseAddrPort(addr), packets: make(chan memoryPacket, 1024),
		conns: make(chan net.Conn), over: make(chan struct{}),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hosts[addr] = h
	return h
}

func (m *Memory) find(addr string) *MemoryHost {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hosts[addr]
}

// ReadFrom takes a packet.
func (h *MemoryHost) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case packet := <-h.packets:
		return copy(b, packet.bytes), packet.from, nil
	case <-h.over:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends a packet, which is lost if there is no room.
func (h *MemoryHost) WriteTo(b []byte, to net.Addr) (int, error) {
	if other := h.network.find(to.String()); other != nil {
		select {
		case other.packets <- memoryPacket{append([]byte(nil), b...), h.LocalAddr()}:
		default:
		}
	}
	return len(b), nil
}

// Close closes both halves.
func (h *MemoryHost) Close() error {
	h.once.Do(func() { close(h.over) })
	return nil
}

// LocalAddr is its address, as of UDP.
func (h *MemoryHost) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(h.addr) }

// Nobody asks for deadlines.
func (h *MemoryHost) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (h *MemoryHost) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (h *MemoryHost) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// Listener is the host as a net.Listener.
func (h *MemoryHost) Listener() net.Listener { return memoryListener{h} }

type memoryListener struct{ *MemoryHost }

func (l memoryListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

func (l memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

// Dial connects to another host.
func (h *MemoryHost) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	other := h.network.find(address)
	if other == nil {
		return nil, fmt.Errorf("%s: %w", address, syscall.ECONNREFUSED)
	}
	near, far := net.Pipe()
	select {
	case other.conns <- memoryConn{far, h.addr}:
		return memoryConn{near, other.addr}, nil
	case <-other.over:
		return nil, fmt.Errorf("%s: %w", address, syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type memoryConn struct {
	net.Conn
	remote netip.AddrPort
}

func (c memoryConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }
