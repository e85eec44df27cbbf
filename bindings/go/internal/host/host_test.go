package host

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
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

// numbered is a socket on which so many packets arrive, numbered and of any length.
type numbered struct {
	net.PacketConn
	next, left uint64
	over       chan struct{}
}

func size(number uint64) int {
	return 8 + int(number*7919%(maxDatagram-8))
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
