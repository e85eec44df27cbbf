package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
	"github.com/networkdb/networkdb/bindings/go/internal/udp"
)

func TestPacketsComeInOrderThroughBothSlabsHoweverSlowTheStepperIs(t *testing.T) {
	check.Leaks(t)
	const count = 5 * slabCount
	sender := &numbered{left: count, over: make(chan struct{})}
	h := New(0, nil, Sockets{Packets: sender}, nil, nil)
	h.help(h.readPackets)
	for next := uint64(0); next < count; {
		<-h.wake
		for {
			inputs, arena := h.packets.take()
			if len(inputs) == 0 {
				break
			}
			for _, input := range inputs {
				bytes := arena[input.Offset:][:input.Len]
				if got := binary.BigEndian.Uint64(bytes); got != next || len(bytes) != size(next) {
					t.Fatalf("packet %d of %d bytes, not %d", got, len(bytes), next)
				}
				next++
			}
			h.packets.release()
		}
	}
	close(h.stop)
	check.OK(t, sender.Close())
	h.helpers.Wait()
}

func TestEachPingIsAnsweredOnceHoweverManyComeAtOnce(t *testing.T) {
	check.Leaks(t)
	to := member(t)
	plain, several := dial(t, to), udp.New(dial(t, to))
	settle(t, plain)
	for first := 1; first < 255; first += burst {
		var pings []byte
		for i := range burst {
			ping := check.Ping("a", number(first+i), 1000)
			pings = append(pings, ping...)
			_, err := plain.Write(ping)
			check.OK(t, err)
		}
		check.OK(t, several.Write(pings, 1000, netip.AddrPort{}))
		answered(t, first, func(into []byte) (int, int, error) {
			n, err := plain.Read(into)
			return n, n, err
		})
		answered(t, first, func(into []byte) (int, int, error) {
			n, size, _, err := several.Read(into)
			return n, size, err
		})
	}
}

// Pings at once; there are at most 255.
const burst = 15

// number is that of the i-th ping: every other one is beyond 127, to which the answer is a byte longer.
func number(i int) byte {
	return byte(i * 129)
}

// member is where a member called `a` is, driven by a host.
func member(t *testing.T) *net.UDPAddr {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check.OK(t, err)
	to := socket.LocalAddr().(*net.UDPAddr)
	config := fmt.Sprintf(`{"name":"a","advertise":%q,"gossip":{"compression":false}}`, to)
	node, err := ndb.New(ndb.Memberlist, []byte(config), nil, 1)
	check.OK(t, err)
	begin := time.Now()
	now := func() uint64 { return uint64(time.Since(begin)) + 1 }
	h := New(node, now, Sockets{Packets: socket}, func() {}, func(err error) { t.Error(err) })
	h.Start()
	t.Cleanup(func() {
		h.Stop()
		check.OK(t, node.Free())
	})
	return to
}

// settle pings a member until its answers have no news in them.
func settle(t *testing.T, socket *net.UDPConn) {
	t.Helper()
	answer := make([]byte, 1500)
	for n := 0; check.AckNumber(answer[:n]) == 0; {
		_, err := socket.Write(check.Ping("a", 1, 1000))
		check.OK(t, err)
		n, err = socket.Read(answer)
		check.OK(t, err)
	}
}

func dial(t *testing.T, to *net.UDPAddr) *net.UDPConn {
	t.Helper()
	socket, err := net.DialUDP("udp", nil, to)
	check.OK(t, err)
	t.Cleanup(func() { socket.Close() })
	check.OK(t, socket.SetReadDeadline(time.Now().Add(check.Patience)))
	return socket
}

// answered reads the answers to a burst of pings.
func answered(t *testing.T, first int, read func([]byte) (int, int, error)) {
	t.Helper()
	var numbers []byte
	buffer := make([]byte, udp.MaxBytes)
	for len(numbers) < burst {
		n, size, err := read(buffer)
		check.OK(t, err)
		for answer := range slices.Chunk(buffer[:n], size) {
			numbers = append(numbers, check.AckNumber(answer))
		}
	}
	for i, got := range numbers {
		if got != number(first+i) {
			t.Fatalf("answers to %v, ping %d was %d", numbers, i, number(first+i))
		}
	}
}

// numbered is a socket on which so many packets arrive, numbered and of any length.
type numbered struct {
	net.PacketConn
	next, left uint64
	over       chan struct{}
}

func size(number uint64) int {
	return 8 + int(number*7919%(udp.MaxBytes-8))
}

func (n *numbered) ReadFrom(b []byte) (int, net.Addr, error) {
	if n.left == 0 {
		<-n.over
		return 0, nil, net.ErrClosed
	}
	n.left--
	n.next++
	binary.BigEndian.PutUint64(b, n.next-1)
	return size(n.next - 1), &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}, nil
}

func (n *numbered) Close() error {
	close(n.over)
	return nil
}

func TestNothingIsKeptOfConnectionsThatEnded(t *testing.T) {
	check.Leaks(t)
	sockets, err := ListenStream(check.Context(t), "127.0.0.1:0")
	check.OK(t, err)
	node, err := ndb.New(ndb.SyncServer, []byte("{}"), nil, 1)
	check.OK(t, err)
	var h *Host
	var kept, most atomic.Int64
	begin := time.Now()
	h = New(node, func() uint64 { return uint64(time.Since(begin)) + 1 }, sockets, func() {
		kept.Store(int64(len(h.streams)))
		most.Store(max(most.Load(), kept.Load()))
	}, func(err error) { t.Error(err) })
	h.Start()
	const count = 20
	for range count {
		conn, err := net.Dial("tcp", sockets.Bound().String())
		check.OK(t, err)
		_, err = conn.Write([]byte("no hello"))
		check.OK(t, errors.Join(err, conn.Close()))
	}
	check.Eventually(t, "all connections to come and go", func() bool { return most.Load() > 0 && kept.Load() == 0 })
	h.Stop()
	check.OK(t, node.Free())
}

func TestErrorsBecomeTheFaultsOfTheLibrary(t *testing.T) {
	for want, err := range map[uint16]error{
		ndb.FaultRefused:     &net.OpError{Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		ndb.FaultUnreachable: &net.DNSError{Err: "no such host", IsNotFound: true},
		ndb.FaultTimedOut:    os.ErrDeadlineExceeded,
		ndb.FaultReset:       &net.OpError{Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		ndb.FaultOther:       errors.New("anything else"),
	} {
		if got := fault(err); got != want {
			t.Errorf("%v is fault %d, not %d", err, got, want)
		}
	}
}
