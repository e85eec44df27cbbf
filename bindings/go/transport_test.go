package networkdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
)

// inMemory is a node on a network without sockets.
func inMemory(memory *check.Memory, addr string) func(*Config) {
	return func(config *Config) {
		host := memory.Host(addr)
		config.Bind = ""
		config.Transport = &Transport{Packets: host, Listener: host.Listener(), Dial: host.Dial}
	}
}

func TestNodesSpeakOnTheHostsOwnSockets(t *testing.T) {
	check.Leaks(t)
	ctx := check.Context(t)
	memory := check.NewMemory()
	a := start(t, "a", inMemory(memory, "10.0.0.1:7946"))
	b := start(t, "b", inMemory(memory, "10.0.0.2:7946"))
	if a.Addr().String() != "10.0.0.1:7946" {
		t.Fatal(a.Addr())
	}
	_, err := b.Join(ctx, "10.0.0.1:7946", "10.0.0.9:7946")
	check.OK(t, err)
	_, err = a.JoinNetwork(ctx, "web")
	check.OK(t, err)
	// More than the pieces of one window, which go as a bulk sync over one stream.
	value := []byte(strings.Repeat("v", 1000))
	const rows = 1000
	for i := range rows {
		check.OK(t, a.Put("web", "t", fmt.Sprint(i), value))
	}
	_, err = b.JoinNetwork(ctx, "web")
	check.OK(t, err)
	check.Eventually(t, "all rows", func() bool { return count(t, b) == rows })
}

func count(t *testing.T, n *Node) (rows int) {
	for _, err := range n.List(Filter{Network: "web"}) {
		check.OK(t, err)
		rows++
	}
	return rows
}

func TestANodeWhoseSocketSomebodyElseClosesSaysSo(t *testing.T) {
	check.Leaks(t)
	host := check.NewMemory().Host("10.0.0.1:7946")
	node := start(t, "a", func(config *Config) {
		config.Bind, config.Transport = "", &Transport{Packets: host, Listener: host.Listener()}
	})
	check.OK(t, host.Close())
	_, err := node.NextEvent(check.Context(t))
	if !errors.Is(err, net.ErrClosed) || errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := node.Put("web", "t", "k", nil); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}

func TestAWatchThatNobodyReadsIsPausedAndLosesNothing(t *testing.T) {
	check.Leaks(t)
	ctx := check.Context(t)
	node := start(t, "a", inMemory(check.NewMemory(), "10.0.0.1:7946"))
	_, err := node.JoinNetwork(ctx, "web")
	check.OK(t, err)
	const rows = 10 * pauseAt
	for i := range rows {
		check.OK(t, node.Put("web", "t", fmt.Sprint(i), nil))
	}
	watch, err := node.Watch(Filter{Network: "web", Own: true})
	check.OK(t, err)
	check.Eventually(t, "the pause", func() bool { return watch.watch.queue.Len() >= pauseAt })
	// Another request ends though nobody reads the watch.
	_, err = node.Join(ctx, "10.0.0.9:7946")
	if !errors.Is(err, ErrUnreachable) {
		t.Fatal(err)
	}
	if waiting := watch.watch.queue.Len(); waiting > pauseAt+1 {
		t.Errorf("%d changes wait", waiting)
	}
	seen := make(map[string]bool)
	for change, err := range watch.All(ctx) {
		check.OK(t, err)
		seen[change.Key] = true
		if len(seen) == rows {
			break
		}
	}
}

func TestAContextEndsAWait(t *testing.T) {
	check.Leaks(t)
	// Packets to nowhere: the join would take its time.
	node := start(t, "a", func(config *Config) {
		host := check.NewMemory().Host("10.0.0.1:7946")
		config.Bind = ""
		config.Transport = &Transport{Packets: host, Listener: host.Listener(), Dial: never}
	})
	ctx, cancel := context.WithCancel(check.Context(t))
	waited := make(chan error)
	watch, err := node.Watch(Filter{})
	check.OK(t, err)
	go func() { _, err := node.Join(ctx, "10.0.0.2:7946"); waited <- err }()
	go func() { _, err := node.NextEvent(ctx); waited <- err }()
	go func() { _, err := watch.Next(ctx); waited <- err }()
	cancel()
	for range 3 {
		if err := <-waited; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// never dials until its context ends.
func never(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestASettingThatCannotWorkIsNamed(t *testing.T) {
	check.Leaks(t)
	ctx := context.Background()
	_, err := Start(ctx, Config{Bind: "127.0.0.1:0"})
	var reason *Error
	if !errors.Is(err, ErrConfig) || !errors.As(err, &reason) || reason.Reason == "" {
		t.Error("no name:", err)
	}
	secret := []byte("five!")
	_, err = Start(ctx, Config{Name: "a", Bind: "127.0.0.1:0", Keys: [][]byte{secret}})
	if !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), hexed(secret)) {
		t.Error("a key of 5 bytes:", err)
	}
	for _, config := range []Config{
		{Name: "a"}, {Name: "a", Bind: "127.0.0.1:0", Transport: &Transport{}}, {Name: "a", Bind: "nonsense"},
		{Name: "a", Transport: &Transport{}},
	} {
		if node, err := Start(ctx, config); err == nil {
			node.Close()
			t.Errorf("%+v was taken", config)
		}
	}
}
