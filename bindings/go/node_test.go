package networkdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
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

func TestANodeThatIsForgottenIsClosed(t *testing.T) {
	check.Leaks(t)
	func() {
		node, err := Start(check.Context(t), Config{Name: "a", Bind: "127.0.0.1:0"})
		check.OK(t, err)
		_, err = node.Watch(Filter{})
		check.OK(t, err)
	}()
	check.Eventually(t, "its goroutines to end", func() bool {
		runtime.GC()
		return !check.Running()
	})
}

func TestNodesAreClosedWhileManyUseThem(t *testing.T) {
	check.Leaks(t)
	for round := range 10 {
		a, b := start(t, "a"), start(t, "b")
		ctx, cancel := context.WithCancel(check.Context(t))
		var users sync.WaitGroup
		for _, node := range []*Node{a, b} {
			users.Go(func() { _, _ = node.Join(ctx, a.Addr().String(), b.Addr().String()) })
			users.Go(func() { _, _ = node.JoinNetwork(ctx, "web") })
			users.Go(func() {
				for i := 0; node.Put("web", "t", fmt.Sprint(i), nil) != ErrClosed && i < 1000; i++ {
				}
			})
			users.Go(func() {
				for range node.Events(ctx) {
				}
			})
			users.Go(func() {
				if round%2 == 0 {
					cancel()
				}
				check.OK(t, node.Close())
			})
		}
		users.Wait()
		cancel()
	}
}

func TestRowsAreListedInOrderAndInPages(t *testing.T) {
	check.Leaks(t)
	node := start(t, "a")
	_, err := node.JoinNetwork(check.Context(t), "web")
	check.OK(t, err)
	const rows = 2500
	for i := range rows {
		check.OK(t, node.Put("web", "t", fmt.Sprintf("%04d\xff", i), []byte{byte(i)}))
	}
	check.OK(t, node.Delete("web", "t", "0007\xff"))
	i := 0
	for row, err := range node.List(Filter{Network: "web"}) {
		check.OK(t, err)
		want := Row{Network: "web", Table: "t", Key: fmt.Sprintf("%04d\xff", i), Owner: "a", State: Live, Value: []byte{byte(i)}}
		if i == 7 {
			want.State, row.Value = Deleted, want.Value
		}
		row.Time = 0
		if !reflect.DeepEqual(row, want) {
			t.Fatalf("got %q, want %q", row, want)
		}
		i++
	}
	if i != rows {
		t.Fatalf("%d rows", i)
	}
	digests, err := node.Digests(Filter{})
	if err != nil || len(digests) != 1 || digests[0].Rows != rows-1 {
		t.Fatal(digests, err)
	}
}

func TestAValueIsReadIntoTheBufferGiven(t *testing.T) {
	node := start(t, "a")
	_, err := node.JoinNetwork(check.Context(t), "web")
	check.OK(t, err)
	long := []byte(strings.Repeat("long", 500))
	check.OK(t, node.Put("web", "t", "k", long))
	got, err := node.AppendGet([]byte("before "), "web", "t", "k")
	if err != nil || string(got) != "before "+string(long) {
		t.Fatal(string(got), err)
	}
	buffer := make([]byte, 0, 4096)
	allocations := testing.AllocsPerRun(100, func() {
		if buffer, err = node.AppendGet(buffer[:0], "web", "t", "k"); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func TestKeysAreRotated(t *testing.T) {
	check.Leaks(t)
	node := start(t, "a")
	other := []byte("fedcba9876543210")
	check.OK(t, node.AddKey(other))
	check.OK(t, node.UseKey(other))
	if err := node.RemoveKey(other); !errors.Is(err, ErrKey) {
		t.Error("a key in use was removed:", err)
	}
	check.OK(t, node.RemoveKey(key))
}

func TestANodeKnowsItsClusterAndNetworks(t *testing.T) {
	check.Leaks(t)
	ctx := check.Context(t)
	a, b := pair(t)
	members, err := b.Members()
	check.OK(t, err)
	if len(members) != 2 || members[0].Name != "a" || members[0].Addr != a.Addr() || members[0].State != Alive {
		t.Errorf("%+v", members)
	}
	check.Eventually(t, "both to be peers", func() bool {
		peers, err := b.Peers("web")
		check.OK(t, err)
		return len(peers) == 2 && slices.Contains(peers, Peer{Name: "a", Addr: a.Addr().Addr()})
	})
	networks, err := b.Networks()
	if err != nil || len(networks) != 1 || networks[0].Name != "web" || networks[0].Leaving {
		t.Errorf("%+v %v", networks, err)
	}
	for event, err := range b.Events(ctx) {
		check.OK(t, err)
		if event.Kind == NodeActive && event.Node == "a" && event.Addr == a.Addr() {
			break
		}
	}
	for _, text := range []func() (json.RawMessage, error){b.Stats, b.Snapshot} {
		if answer, err := text(); err != nil || !json.Valid(answer) {
			t.Error(string(answer), err)
		}
	}
	check.OK(t, b.LeaveNetwork("web"))
	if err := b.LeaveNetwork("another"); !errors.Is(err, ErrNotJoined) {
		t.Error(err)
	}
}
