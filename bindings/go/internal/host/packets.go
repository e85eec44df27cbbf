package host

import (
	"net"
	"net/netip"
	"sync"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
)

const (
	// The longest datagram there is.
	maxDatagram = 1 << 16
	// Datagrams and bytes of a slab.
	slabCount = 128
	slabBytes = 256 << 10
)

// packets reads datagrams ahead of the stepper. A nil one has none and sends none.
type packets struct {
	conn net.PacketConn
	udp  *net.UDPConn

	mu    sync.Mutex
	slabs [2]slab
	// What the stepper takes next.
	turn, taken int
	// The stepper is through with a slab.
	freed chan struct{}
}

// slab is filled by the reader from the front, while the stepper may be looking at what came before.
type slab struct {
	arena  []byte
	used   int
	inputs []ndb.Input
	// The reader has gone on to the other one.
	full bool
}

func newPackets(conn net.PacketConn) *packets {
	p := &packets{conn: conn, freed: make(chan struct{}, 2)}
	p.udp, _ = conn.(*net.UDPConn)
	for i := range p.slabs {
		p.slabs[i] = slab{arena: make([]byte, slabBytes), inputs: make([]ndb.Input, 0, slabCount)}
	}
	// The other slab is free at the start.
	p.freed <- struct{}{}
	return p
}

// readPackets goes on until its socket is closed.
func (h *Host) readPackets() {
	for i := 0; ; i ^= 1 {
		if !h.fill(&h.packets.slabs[i]) {
			return
		}
		select {
		case <-h.packets.freed:
		case <-h.stop:
			return
		}
	}
}

// fill reads until the slab is full; false if there will be no more.
func (h *Host) fill(s *slab) bool {
	failures := 0
	for {
		n, from, err := h.packets.receive(s.arena[s.used:])
		if err != nil {
			// Such as what a peer's host says of an earlier datagram: it concerns that one only.
			if failures++; !h.again(err, failures) {
				return false
			}
			continue
		}
		failures = 0
		full := h.packets.commit(s, n, from)
		h.Wake()
		if full {
			return true
		}
	}
}

func (p *packets) commit(s *slab, n int, from netip.AddrPort) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from.IsValid() {
		input := ndb.Input{Kind: ndb.Datagram, Offset: uint64(s.used), Len: uint64(n), Addr: ndb.AddrOf(from)}
		s.inputs = append(s.inputs, input)
		s.used += n
	}
	s.full = len(s.inputs) == cap(s.inputs) || len(s.arena)-s.used < maxDatagram
	return s.full
}

func (p *packets) receive(into []byte) (int, netip.AddrPort, error) {
	if p.udp != nil {
		return p.udp.ReadFromUDPAddrPort(into)
	}
	n, from, err := p.conn.ReadFrom(into)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	return n, addrPort(from), nil
}

// take is all that has come and was not taken yet of one slab. It stands until [packets.release].
func (p *packets) take() ([]ndb.Input, []byte) {
	if p == nil {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slabs[p.turn]
	inputs := s.inputs[p.taken:]
	p.taken = len(s.inputs)
	return inputs, s.arena[:s.used]
}

// release gives a slab back that was full and is taken wholly, and says so: the other one may have been filled meanwhile.
func (p *packets) release() bool {
	p.mu.Lock()
	s := &p.slabs[p.turn]
	done := s.full && p.taken == len(s.inputs)
	if done {
		s.used, s.inputs, s.full = 0, s.inputs[:0], false
		p.turn, p.taken = p.turn^1, 0
	}
	p.mu.Unlock()
	if done {
		p.freed <- struct{}{}
	}
	return done
}

// send sends a datagram. What does not leave is lost, as on the way.
func (p *packets) send(output *ndb.Output) {
	if p == nil {
		return
	}
	to := output.Addr.AddrPort()
	if p.udp != nil {
		_, _ = p.udp.WriteToUDPAddrPort(output.Bytes(), to)
		return
	}
	_, _ = p.conn.WriteTo(output.Bytes(), net.UDPAddrFromAddrPort(to))
}

// addrPort is an address as the library knows it; not valid if it has none.
func addrPort(addr net.Addr) netip.AddrPort {
	switch addr := addr.(type) {
	case *net.UDPAddr:
		return addr.AddrPort()
	case *net.TCPAddr:
		return addr.AddrPort()
	case nil:
		return netip.AddrPort{}
	}
	parsed, _ := netip.ParseAddrPort(addr.String())
	return parsed
}
