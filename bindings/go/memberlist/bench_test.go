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

func benchmarkEcho(b *testing.B, hosted bool) {
	node := start(b, Config{Name: "a", Hosted: hosted})
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(node.Addr()))
	check.OK(b, err)
	defer conn.Close()
	ping, ack := check.Ping("a", 1, 1400), make([]byte, 1500)
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
