package memberlist

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
	"github.com/networkdb/networkdb/bindings/go/internal/udp"
)

// An echo is a ping of 1,400 bytes through two sockets of Go's, from a sender that keeps many under way, and the ack back. One
// operation is one that was answered. Sender and node share the processors, and the sender's time counts too. The Plain ones are
// the same with a loop of Go alone, without a node: what the sockets cost on this machine; the Hosted ones are those of a node on
// the library's own host. In the Single ones the sender moves one datagram a call, as most peers do; in the others several.

func BenchmarkEcho(b *testing.B)             { benchmarkEcho(b, Config{}, several) }
func BenchmarkEchoPlain(b *testing.B)        { benchmarkPlain(b, several) }
func BenchmarkEchoHosted(b *testing.B)       { benchmarkEcho(b, Config{Hosted: true}, several) }
func BenchmarkEchoSingle(b *testing.B)       { benchmarkEcho(b, Config{}, one) }
func BenchmarkEchoPlainSingle(b *testing.B)  { benchmarkPlain(b, one) }
func BenchmarkEchoHostedSingle(b *testing.B) { benchmarkEcho(b, Config{Hosted: true}, one) }

// mover moves datagrams through a socket; see package udp.
type mover interface {
	Read(into []byte) (n, size int, from netip.AddrPort, err error)
	Write(bytes []byte, size int, to netip.AddrPort) error
}

func several(socket *net.UDPConn) mover { return udp.New(socket) }
func one(socket *net.UDPConn) mover     { return single{socket} }

// single moves one a call.
type single struct{ socket *net.UDPConn }

func (s single) Read(into []byte) (n, size int, from netip.AddrPort, err error) {
	n, from, err = s.socket.ReadFromUDPAddrPort(into)
	return n, n, from, err
}

func (s single) Write(bytes []byte, size int, to netip.AddrPort) error {
	for ; len(bytes) > 0; bytes = bytes[size:] {
		if _, _, err := s.socket.WriteMsgUDPAddrPort(bytes[:size], nil, to); err != nil {
			return err
		}
	}
	return nil
}

const (
	// Pings at once.
	burst = 32
	// Pings under way at most, as many as a socket's buffer of usual size holds.
	underWay = 96
	// Bytes of a ping, and of its ack.
	pingBytes, ackBytes = 1400, 20
)

func benchmarkEcho(b *testing.B, config Config, sender func(*net.UDPConn) mover) {
	config.Name, config.Gossip = "a", Gossip{NoCompression: true}
	sendPings(b, start(b, config).Addr(), sender)
}

func benchmarkPlain(b *testing.B, sender func(*net.UDPConn) mover) {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check.OK(b, err)
	defer socket.Close()
	go func() {
		conn, buffer := sender(socket), make([]byte, udp.MaxBytes)
		for {
			n, _, from, err := conn.Read(buffer)
			if err != nil {
				return
			}
			_ = conn.Write(buffer[:n/pingBytes*ackBytes], ackBytes, from)
		}
	}()
	sendPings(b, socket.LocalAddr().(*net.UDPAddr).AddrPort(), sender)
}

// sendPings keeps pings under way until enough are answered.
func sendPings(b *testing.B, to netip.AddrPort, sender func(*net.UDPConn) mover) {
	socket, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	check.OK(b, err)
	defer socket.Close()
	conn, acks := sender(socket), make([]byte, udp.MaxBytes)
	pings := bytes.Repeat(check.Ping("a", 1, pingBytes), burst)
	defer check.CPU(b)()
	b.ResetTimer()
	for answered, waiting := 0, 0; answered < b.N; {
		for ; waiting+burst <= underWay; waiting += burst {
			check.OK(b, conn.Write(pings, pingBytes, netip.AddrPort{}))
		}
		check.OK(b, socket.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		n, size, _, err := conn.Read(acks)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// Some were lost.
			waiting = 0
			continue
		}
		check.OK(b, err)
		got := (n + size - 1) / size
		answered, waiting = answered+got, max(waiting-got, 0)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "echoes/s")
}
