package udp

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
)

// sizes are those of datagrams written together: all but the last are equal.
var sizes = [][]int{{0}, {1}, {1, 1, 1}, {1400, 1400, 1400, 7}, slices.Repeat([]int{9}, MaxTogether)}

func bound(t *testing.T, address string) *net.UDPConn {
	t.Helper()
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
	check.OK(t, err)
	t.Cleanup(func() { socket.Close() })
	check.OK(t, socket.SetReadDeadline(time.Now().Add(check.Patience)))
	return socket
}

func address(socket *net.UDPConn) netip.AddrPort {
	return socket.LocalAddr().(*net.UDPAddr).AddrPort()
}

// datagrams are numbered, of these sizes.
func datagrams(sizes []int) [][]byte {
	all := make([][]byte, len(sizes))
	for i, size := range sizes {
		all[i] = bytes.Repeat([]byte{byte(i)}, size)
	}
	return all
}

func write(t *testing.T, conn *Conn, to *net.UDPConn, all [][]byte) {
	t.Helper()
	for i := 1; i < len(all); i++ {
		if conn.together && !conn.Fits(i, len(all[0]), len(all[i])) {
			t.Fatalf("datagram %d of %d does not fit", i, len(all))
		}
	}
	check.OK(t, conn.Write(bytes.Join(all, nil), len(all[0]), address(to)))
}

func TestWhatIsWrittenTogetherArrivesOneByOneAtASocketThatKnowsNothingElse(t *testing.T) {
	for _, local := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, sizes := range sizes {
			conn, peer := New(bound(t, local)), bound(t, local)
			if !conn.together {
				t.Fatal("the kernel has no UDP_SEGMENT")
			}
			all := datagrams(sizes)
			write(t, conn, peer, all)
			arrive(t, peer, all)
		}
	}
}

func arrive(t *testing.T, at *net.UDPConn, all [][]byte) {
	t.Helper()
	buffer := make([]byte, MaxBytes)
	for i, want := range all {
		n, err := at.Read(buffer)
		if err != nil || !bytes.Equal(buffer[:n], want) {
			t.Fatalf("datagram %d: %d bytes, %v; want %d", i, n, err, len(want))
		}
	}
}

func TestWhatIsWrittenTogetherIsReadTogetherAndCutAsItWas(t *testing.T) {
	for _, sizes := range sizes {
		t.Run(fmt.Sprintf("%d of %d", len(sizes), sizes[0]), func(t *testing.T) {
			conn, peer := New(bound(t, "127.0.0.1:0")), bound(t, "127.0.0.1:0")
			reader, all := New(peer), datagrams(sizes)
			write(t, conn, peer, all)
			buffer := make([]byte, MaxBytes)
			n, size, from, err := reader.Read(buffer)
			check.OK(t, err)
			if from != address(conn.socket) || size != sizes[0] || !bytes.Equal(buffer[:n], bytes.Join(all, nil)) {
				t.Errorf("%d bytes in pieces of %d from %v", n, size, from)
			}
		})
	}
}

func TestWhatTheKernelDoesNotCutIsWrittenOneByOne(t *testing.T) {
	conn, peer := New(bound(t, "127.0.0.1:0")), bound(t, "127.0.0.1:0")
	raw, err := conn.socket.SyscallConn()
	check.OK(t, err)
	// For sockets that send no checksums, it does not.
	const soNoCheck = 11
	check.OK(t, raw.Control(func(socket uintptr) {
		err = syscall.SetsockoptInt(int(socket), syscall.SOL_SOCKET, soNoCheck, 1)
	}))
	check.OK(t, err)
	for range 2 {
		for _, sizes := range sizes {
			all := datagrams(sizes)
			write(t, conn, peer, all)
			arrive(t, peer, all)
		}
	}
	if conn.together {
		t.Error("it is tried again each time")
	}
}

func TestWhatDoesNotFitIsNotWrittenTogether(t *testing.T) {
	conn := New(bound(t, "127.0.0.1:0"))
	for what, fits := range map[string]bool{
		"more than one call takes":       conn.Fits(MaxTogether, 1, 1),
		"longer than those before it":    conn.Fits(1, 9, 10),
		"without bytes":                  conn.Fits(1, 9, 0),
		"more bytes than one call takes": conn.Fits(2, 30000, 30000),
	} {
		if fits {
			t.Error(what)
		}
	}
	conn.together = false
	if conn.Fits(1, 9, 9) {
		t.Error("what the kernel does not cut")
	}
}
