package networkdb

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
)

var key = []byte("0123456789abcdef")

// start starts a node on loopback, which ends with the test.
func start(t testing.TB, name string, change ...func(*Config)) *Node {
	t.Helper()
	config := Config{Name: name, Bind: "127.0.0.1:0", Keys: [][]byte{key}}
	for _, change := range change {
		change(&config)
	}
	node, err := Start(check.Context(t), config)
	check.OK(t, err)
	t.Cleanup(func() { check.OK(t, node.Close()) })
	return node
}

// pair is two nodes that have joined each other and the network `web`.
func pair(t testing.TB, change ...func(*Config)) (*Node, *Node) {
	t.Helper()
	a, b := start(t, "a", change...), start(t, "b", change...)
	reached, err := b.Join(check.Context(t), a.Addr().String())
	check.OK(t, err)
	if reached != 1 {
		t.Fatalf("reached %d of 1", reached)
	}
	for _, node := range []*Node{a, b} {
		_, err := node.JoinNetwork(check.Context(t), "web")
		check.OK(t, err)
	}
	return a, b
}

func hosted(config *Config) {
	config.Hosted = true
}

func TestRowsOfOneNodeAreReadAndWatchedAtTheOther(t *testing.T) {
	for name, change := range map[string]func(*Config){"on Go's sockets": func(*Config) {}, "on the library's": hosted} {
		t.Run(name, func(t *testing.T) {
			check.Leaks(t)
			ctx := check.Context(t)
			a, b := pair(t, change)
			check.OK(t, a.Create("web", "t", "alpha", []byte("1")))
			watch, err := b.Watch(Filter{Network: "web"})
			check.OK(t, err)
			next := func(kind ChangeKind, value, previous string) {
				t.Helper()
				got, err := watch.Next(ctx)
				check.OK(t, err)
				if got.Kind != kind || got.Key != "alpha" || string(got.Value) != value || string(got.Previous) != previous {
					t.Fatalf("got %+v", got)
				}
			}
			next(Created, "1", "")
			value, err := b.Get("web", "t", "alpha")
			if string(value) != "1" || err != nil {
				t.Fatal(value, err)
			}
			check.OK(t, a.Update("web", "t", "alpha", []byte("2")))
			next(Updated, "2", "1")
			check.OK(t, a.Delete("web", "t", "alpha"))
			next(Removed, "", "2")
			if _, err := b.Get("web", "t", "alpha"); !errors.Is(err, ErrDeleted) {
				t.Fatal(err)
			}
			check.OK(t, watch.Close())
			if _, err := watch.Next(ctx); !errors.Is(err, ErrClosed) {
				t.Fatal(err)
			}
			check.OK(t, b.Leave(ctx))
		})
	}
}

func TestAClosedNodeAnswersThatItIs(t *testing.T) {
	check.Leaks(t)
	node := start(t, "a")
	ctx := check.Context(t)
	watch, err := node.Watch(Filter{})
	check.OK(t, err)
	waited := make(chan error, 3)
	go func() { _, err := watch.Next(ctx); waited <- err }()
	go func() { _, err := node.NextEvent(context.Background()); waited <- err }()
	go func() { _, err := node.Join(ctx, "192.0.2.1:1"); waited <- err }()
	check.OK(t, node.Close())
	for range 3 {
		if err := <-waited; !errors.Is(err, ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("who waits is told %v", err)
		}
	}
	check.OK(t, node.Close())
	_, get := node.Get("web", "t", "k")
	_, join := node.Join(ctx, "192.0.2.1:1")
	_, err = node.Watch(Filter{})
	for _, err := range []error{get, join, err, node.Put("web", "t", "k", nil), watch.Close()} {
		if err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
}
