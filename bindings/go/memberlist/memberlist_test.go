package memberlist

import (
	"errors"
	"fmt"
	"testing"

	networkdb "github.com/networkdb/networkdb/bindings/go"
	"github.com/networkdb/networkdb/bindings/go/internal/check"
)

func start(t testing.TB, config Config) *Node {
	t.Helper()
	if config.Transport == nil {
		config.Bind = "127.0.0.1:0"
	}
	config.Profile = Local
	node, err := Start(check.Context(t), config)
	check.OK(t, err)
	t.Cleanup(func() { check.OK(t, node.Close()) })
	return node
}

func TestAMemberSeesAnotherComeSpeakAndGo(t *testing.T) {
	for _, hosted := range []bool{false, true} {
		t.Run(fmt.Sprintf("hosted %v", hosted), func(t *testing.T) {
			check.Leaks(t)
			ctx := check.Context(t)
			a := start(t, Config{Name: "a", Hosted: hosted})
			b := start(t, Config{Name: "b", Hosted: hosted, Meta: []byte("meta")})
			next := func(kind EventKind, data string) Event {
				t.Helper()
				event, err := a.NextEvent(ctx)
				check.OK(t, err)
				if event.Kind != kind || string(event.Data) != data {
					t.Fatalf("got %+v, want %v with %q", event, kind, data)
				}
				return event
			}
			next(Joined, "")
			reached, err := b.Join(ctx, a.Addr().String())
			if reached != 1 || err != nil {
				t.Fatal(reached, err)
			}
			if event := next(Joined, "meta"); event.Name != "b" || event.Addr != b.Addr() {
				t.Fatalf("%+v", event)
			}
			check.OK(t, b.SendReliable(ctx, []byte("by stream"), "a"))
			next(Message, "by stream")
			sent, err := b.SendBestEffort([]byte("by packet"), "a", "nobody")
			if sent != 1 || err != nil {
				t.Fatal(sent, err)
			}
			next(Message, "by packet")
			check.OK(t, b.SetMeta(ctx, []byte("other")))
			next(Updated, "other")
			if err := b.SetMeta(ctx, make([]byte, 513)); !errors.Is(err, networkdb.ErrTooLarge) {
				t.Error(err)
			}
			if err := b.SendReliable(ctx, nil, "nobody"); !errors.Is(err, networkdb.ErrMissing) {
				t.Error(err)
			}
			members, err := a.Members()
			if err != nil || len(members) != 2 || string(members[1].Meta) != "other" || members[1].State != Alive {
				t.Errorf("%+v %v", members, err)
			}
			check.OK(t, b.Leave(ctx))
			if event := next(Gone, "other"); event.Name != "b" || event.State != Left {
				t.Errorf("%+v", event)
			}
			check.OK(t, b.Close())
			if _, err := b.Members(); !errors.Is(err, networkdb.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

func TestAJoinThatReachesNobodySaysWhy(t *testing.T) {
	check.Leaks(t)
	node := start(t, Config{Name: "a"})
	_, err := node.Join(check.Context(t), "127.0.0.1:1")
	var reason *networkdb.Error
	if !errors.Is(err, networkdb.ErrUnreachable) || !errors.As(err, &reason) || reason.Reason == "" {
		t.Fatal(err)
	}
}

func TestMembersSpeakOverConnectionsThatCannotEndOneWay(t *testing.T) {
	check.Leaks(t)
	ctx := check.Context(t)
	memory := check.NewMemory()
	sockets := func(addr string) *Sockets {
		host := memory.Host(addr)
		return &Sockets{Packets: host, Listener: host.Listener(), Dial: host.Dial}
	}
	a := start(t, Config{Name: "a", Transport: sockets("10.0.0.1:7946")})
	b := start(t, Config{Name: "b", Transport: sockets("10.0.0.2:7946")})
	_, err := b.Join(ctx, "10.0.0.1:7946")
	check.OK(t, err)
	check.OK(t, b.SendReliable(ctx, []byte("hello"), "a"))
	for event, err := range a.Events(ctx) {
		check.OK(t, err)
		if event.Kind == Warning {
			t.Error(event)
		}
		if event.Kind == Message {
			break
		}
	}
}
