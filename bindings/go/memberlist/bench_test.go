package memberlist

import (
	"net"
	"testing"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
)

// BenchmarkEcho is a ping of 1,400 bytes through two sockets, from a sender that keeps many under way, and the ack back. One
// operation is one that was answered. The sender takes part of the processor's time.
func BenchmarkEcho(b *testing.B)       { benchmarkEcho(b, false) }
func BenchmarkEchoHosted(b *testing.B) { benchmarkEcho(b, true) }

// BenchmarkEchoPlain is the same with a loop of Go alone, without a node: what the sockets cost.
func BenchmarkEchoPlain(b *testing.B) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check.OK(b, err)
	defer conn.Close()
	go func() {
		buffer := make([]byte, 1<<16)
		for {
			_, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(buffer[:20], from)
		}
	}()
	sendPings(b, conn.LocalAddr().(*net.UDPAddr))
}

func benchmarkEcho(b *testing.B, hosted bool) {
	node := start(b, Config{Name: "a", Hosted: hosted})
	sendPings(b, net.UDPAddrFromAddrPort(node.Addr()))
}

func sendPings(b *testing.B, to *net.UDPAddr) {
	conn, err := net.DialUDP("udp", nil, to)
	check.OK(b, err)
	defer conn.Close()
	ping, ack := check.Ping("a", 1400), make([]byte, 1500)
	const burst = 64
	defer check.CPU(b)()
	b.SetBytes(int64(len(ping)))
	b.ResetTimer()
	for answered := 0; answered < b.N; {
		for range burst {
			_, err := conn.Write(ping)
			check.OK(b, err)
		}
		// What was lost is sent again.
		check.OK(b, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
		for range burst {
			if _, err := conn.Read(ack); err != nil {
				break
			}
			answered++
		}
	}
}
