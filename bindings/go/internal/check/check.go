// Package check has what tests of several packages look at.
package check

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for what has to come.
const Patience = 20 * time.Second

// Context ends with the test, and before its patience does.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Leaks makes sure that a test leaves no goroutine of this module's hosts and no socket. Call it first.
func Leaks(t testing.TB) {
	t.Helper()
	before := descriptors()
	t.Cleanup(func() {
		Eventually(t, "all goroutines to end", func() bool { return !Running() })
		Eventually(t, "all sockets to be closed", func() bool { return len(sockets(before)) == 0 })
	})
}

// Running says whether there is a goroutine of a node.
func Running() bool {
	all := stacks()
	return bytes.Contains(all, []byte("bindings/go/internal/host.")) || bytes.Contains(all, []byte("bindings/go/internal/node."))
}

// sockets are those of the network that were opened since. (Of others, the library's own host keeps a pair for the process.)
func sockets(before map[int]string) []string {
	var left []string
	for number, what := range descriptors() {
		domain, err := syscall.GetsockoptInt(number, syscall.SOL_SOCKET, syscall.SO_DOMAIN)
		if before[number] != what && err == nil && domain != syscall.AF_UNIX {
			left = append(left, what)
		}
	}
	return left
}

// descriptors are those that are open, and what they are.
func descriptors() map[int]string {
	open := make(map[int]string)
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		number, _ := strconv.Atoi(entry.Name())
		if what, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			open[number] = what
		}
	}
	return open
}

func stacks() []byte {
	buffer := make([]byte, 1<<20)
	return buffer[:runtime.Stack(buffer, true)]
}

// Eventually waits for a condition.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain\n%s", what, stacks())
		}
		time.Sleep(time.Millisecond)
	}
}

// OK fails the test at once if there is an error.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
