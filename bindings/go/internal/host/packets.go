package host

import (
	"net"
	"net/netip"
	"sync"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
	"github.com/networkdb/networkdb/bindings/go/internal/udp"
)

// Datagrams and bytes of a slab, of which it may have as many more as one read brings.
const (
	slabCount = 256
	slabBytes = 256 << 10
)

// packets reads datagrams ahead of the stepper. A nil one has none and sends none.
type packets struct {
	conn net.PacketConn
	// The same, if it is a socket of Go's.
	udp *udp.Conn
	// What is sent together.
	out []byte

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
	if socket, ok := conn.(*net.UDPConn); ok {
		p.udp, p.out = udp.New(socket), make([]byte, 0, udp.MaxBytes)
	}
	for i := range p.slabs {
		p.slabs[i] = slab{arena: make([]byte, slabBytes), inputs: make([]ndb.Input, 0, 2*slabCount)}
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
		n, size, from, err := h.packets.receive(s.arena[s.used:])
		if err != nil {
			// Such as what a peer's host says of an earlier datagram: it concerns that one only.
			if failures++; !h.again(err, failures) {
				return false
			}
			continue
		}
		failures = 0
		full := h.packets.commit(s, n, size, from)
		h.Wake()
		if full {
			return true
		}
	}
}

// commit adds what was read to a slab, and says whether that is full now.
func (p *packets) commit(s *slab, n, size int, from netip.AddrPort) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from.IsValid() {
		s.add(n, size, ndb.AddrOf(from))
	}
	s.full = len(s.inputs) >= slabCount || len(s.arena)-s.used < udp.MaxBytes
	return s.full
}

// add adds n bytes, which are datagrams of one size, but for the last.
func (s *slab) add(n, size int, from ndb.Addr) {
	for {
		next := min(size, n)
		input := ndb.Input{Kind: ndb.Datagram, Offset: uint64(s.used), Len: uint64(next), Addr: from}
		s.inputs = append(s.inputs, input)
		s.used += next
		if n -= next; n == 0 {
			return
		}
	}
}

func (p *packets) receive(into []byte) (n, size int, from netip.AddrPort, err error) {
	if p.udp != nil {
		return p.udp.Read(into)
	}
	n, addr, err := p.conn.ReadFrom(into)
	if err != nil {
		return 0, 0, netip.AddrPort{}, err
	}
	return n, n, addrPort(addr), nil
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

// send sends the first of some outputs, a datagram, with those that can go along, and says how many. What does not leave is lost, as
// on the way.
func (p *packets) send(outputs []ndb.Output) int {
	if p == nil {
		return 1
	}
	first, to := outputs[0].Bytes(), outputs[0].Addr.AddrPort()
	if p.udp == nil {
		_, _ = p.conn.WriteTo(first, net.UDPAddrFromAddrPort(to))
		return 1
	}
	count := p.together(outputs)
	if count == 1 {
		_ = p.udp.Write(first, len(first), to)
		return 1
	}
	p.out = p.out[:0]
	for i := range outputs[:count] {
		p.out = append(p.out, outputs[i].Bytes()...)
	}
	_ = p.udp.Write(p.out, len(first), to)
	return count
}

// together is how many outputs from the first on are datagrams that may be written together.
func (p *packets) together(outputs []ndb.Output) int {
	first := &outputs[0]
	count, last := 1, first.Len()
	for count < len(outputs) && last == first.Len() {
		next := &outputs[count]
		if next.Kind != ndb.Send || next.Addr != first.Addr || !p.udp.Fits(count, first.Len(), next.Len()) {
			break
		}
		count, last = count+1, next.Len()
	}
	return count
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
