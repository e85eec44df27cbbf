package memberlist

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
)

// peerPacket is hashicorp's Packet as somebody else declares it.
type peerPacket struct {
	Buf       []byte
	From      net.Addr
	Timestamp time.Time
}

// oldTransport is a transport as managers write them for hashicorp/memberlist: UDP and TCP on one port.
type oldTransport struct {
	packets *net.UDPConn
	streams *net.TCPListener
	arrived chan *peerPacket
	dialled chan net.Conn
	work    sync.WaitGroup
	over    chan struct{}
	shut    int
}

func newOldTransport(t *testing.T) *oldTransport {
	streams, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check.OK(t, err)
	at := streams.Addr().(*net.TCPAddr)
	packets, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port})
	check.OK(t, err)
	o := &oldTransport{
		packets: packets, streams: streams, arrived: make(chan *peerPacket), dialled: make(chan net.Conn),
		over: make(chan struct{}),
	}
	o.work.Go(o.receive)
	o.work.Go(o.accept)
	return o
}

func (o *oldTransport) receive() {
	for {
		buffer := make([]byte, 1<<16)
		n, from, err := o.packets.ReadFrom(buffer)
		if err != nil {
			return
		}
		select {
		case o.arrived <- &peerPacket{buffer[:n], from, time.Now()}:
		case <-o.over:
		}
	}
}

func (o *oldTransport) accept() {
	for {
		conn, err := o.streams.Accept()
		if err != nil {
			return
		}
		select {
		case o.dialled <- conn:
		case <-o.over:
			conn.Close()
		}
	}
}

func (o *oldTransport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	at := o.streams.Addr().(*net.TCPAddr)
	return at.IP, at.Port, nil
}

func (o *oldTransport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return time.Time{}, err
	}
	_, err = o.packets.WriteTo(b, to)
	return time.Now(), err
}

func (o *oldTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", addr, timeout)
}

func (o *oldTransport) PacketCh() <-chan *peerPacket { return o.arrived }
func (o *oldTransport) StreamCh() <-chan net.Conn    { return o.dialled }

func (o *oldTransport) Shutdown() error {
	o.shut++
	close(o.over)
	err := errors.Join(o.packets.Close(), o.streams.Close())
	o.work.Wait()
	return err
}

func TestATransportWrittenForThePeerCarriesAMember(t *testing.T) {
	check.Leaks(t)
	ctx := check.Context(t)
	old := newOldTransport(t)
	sockets, err := Adapt(old)
	check.OK(t, err)
	a, b := start(t, Config{Name: "a", Transport: sockets}), start(t, Config{Name: "b"})
	if addr := a.Addr(); addr.String() != old.streams.Addr().String() {
		t.Fatal(addr)
	}
	_, err = a.Join(ctx, b.Addr().String())
	check.OK(t, err)
	check.OK(t, b.SendReliable(ctx, []byte("by stream"), "a"))
	_, err = b.SendBestEffort([]byte("by packet"), "a")
	check.OK(t, err)
	told := make(map[string]bool)
	for event, err := range a.Events(ctx) {
		check.OK(t, err)
		if event.Kind == Message {
			told[string(event.Data)] = true
		}
		if told["by stream"] && told["by packet"] {
			break
		}
	}
	check.OK(t, a.Close())
	if old.shut != 1 {
		t.Errorf("shut down %d times", old.shut)
	}
}
