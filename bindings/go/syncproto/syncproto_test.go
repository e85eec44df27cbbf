package syncproto

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	networkdb "github.com/networkdb/networkdb/bindings/go"
	"github.com/networkdb/networkdb/bindings/go/internal/check"
)

func serve(t testing.TB, config ServerConfig) *Server {
	t.Helper()
	if config.Listener == nil {
		config.Bind = "127.0.0.1:0"
	}
	server, err := Start(check.Context(t), config)
	check.OK(t, err)
	t.Cleanup(func() { check.OK(t, server.Close()) })
	return server
}

func follow(t testing.TB, server *Server, config ClientConfig) *Follower {
	t.Helper()
	config.Hostname = "host"
	if config.Endpoints == nil {
		config.Endpoints = []string{server.Addr().String()}
	}
	follower, err := Follow(config)
	check.OK(t, err)
	t.Cleanup(func() { check.OK(t, follower.Close()) })
	return follower
}

// inSync takes events until the follower is, and returns the values by key.
func inSync(t testing.TB, f *Follower) map[string]string {
	t.Helper()
	values := make(map[string]string)
	for event, err := range f.All(check.Context(t)) {
		check.OK(t, err)
		switch {
		case event.Kind == Updated && event.Update.Value == nil:
			delete(values, event.Update.Key)
		case event.Kind == Updated:
			values[event.Update.Key] = string(event.Update.Value)
		case event.Kind == StatusChanged && event.Status == InSync:
			return values
		}
	}
	t.Fatal("it ended")
	return nil
}

func TestAClientHasWhatTheServerPublishes(t *testing.T) {
	for _, hosted := range []bool{false, true} {
		t.Run(fmt.Sprintf("hosted %v", hosted), func(t *testing.T) {
			check.Leaks(t)
			ctx := check.Context(t)
			server := serve(t, ServerConfig{Hosted: hosted})
			const keys = 20_000
			updates := make([]Update, keys)
			for i := range updates {
				updates[i] = Update{Key: fmt.Sprintf("/calico/k/%d", i), Value: []byte("v"), Revision: "7"}
			}
			taken, err := server.Publish(Felix, updates...)
			if taken != keys || err != nil {
				t.Fatal(taken, err)
			}
			check.OK(t, server.SetStatus(Felix, InSync))
			follower := follow(t, server, ClientConfig{Hosted: hosted})
			if values := inSync(t, follower); len(values) != keys || values["/calico/k/7"] != "v" {
				t.Fatalf("%d values", len(values))
			}
			_, err = server.Publish(Felix,
				Update{Key: "/calico/k/7", Value: []byte("w"), Revision: "8", TTL: time.Minute, Type: UpdateChanged},
				Update{Key: "/calico/k/8", Revision: "9", Type: UpdateDeleted})
			check.OK(t, err)
			for _, want := range []Update{
				{Key: "/calico/k/7", Value: []byte("w"), Revision: "8", TTL: time.Minute, Type: UpdateChanged},
				{Key: "/calico/k/8", Revision: "9", Type: UpdateDeleted},
			} {
				event, err := follower.Next(ctx)
				check.OK(t, err)
				if !reflect.DeepEqual(event.Update, want) {
					t.Errorf("got %+v, want %+v", event.Update, want)
				}
			}
			event, err := server.NextEvent(ctx)
			check.OK(t, err)
			clients, err := server.Clients()
			if err != nil || len(clients) != 1 || clients[0].Hostname != "host" || clients[0].ID != event.Client.ID {
				t.Errorf("%+v %v, event %+v", clients, err, event)
			}
			check.OK(t, follower.Stop())
			for event, err := range follower.All(ctx) {
				check.OK(t, err)
				if event.Kind == Ended {
					break
				}
			}
			event, err = server.NextEvent(ctx)
			if err != nil || event.Kind != ClientClosed || event.Reason == "" {
				t.Errorf("%+v %v", event, err)
			}
		})
	}
}

func TestAClientThatTakesNothingMakesTheServerWait(t *testing.T) {
	check.Leaks(t)
	server := serve(t, ServerConfig{})
	value := []byte(strings.Repeat("v", 10_000))
	const keys = 3000
	for i := range keys {
		_, err := server.Publish(Felix, Update{Key: fmt.Sprintf("/calico/k/%d", i), Value: value})
		check.OK(t, err)
	}
	check.OK(t, server.SetStatus(Felix, InSync))
	follower := follow(t, server, ClientConfig{NoSnappy: true, PendingBytes: 1 << 20})
	check.Eventually(t, "a pause", func() bool {
		stats, err := follower.Stats()
		check.OK(t, err)
		return strings.Contains(string(stats), `"pauses":1`)
	})
	if values := inSync(t, follower); len(values) != keys {
		t.Fatalf("%d values", len(values))
	}
}

func TestAClosedServerAndClientAnswerThatTheyAre(t *testing.T) {
	check.Leaks(t)
	server := serve(t, ServerConfig{})
	follower := follow(t, server, ClientConfig{})
	waited := make(chan error, 2)
	ctx := check.Context(t)
	go func() {
		for _, err := range follower.All(context.Background()) {
			if err != nil {
				waited <- err
			}
		}
	}()
	event, err := server.NextEvent(ctx)
	if err != nil || event.Kind != ClientJoined {
		t.Fatal(event, err)
	}
	go func() { _, err := server.NextEvent(ctx); waited <- err }()
	check.OK(t, server.Close())
	check.OK(t, follower.Close())
	for range 2 {
		if err := <-waited; err != nil && !errors.Is(err, networkdb.ErrClosed) {
			t.Error(err)
		}
	}
	_, publish := server.Publish(Felix, Update{Key: "/k"})
	_, next := follower.Next(ctx)
	for _, err := range []error{publish, next, server.Drain(0), follower.Stop()} {
		if !errors.Is(err, networkdb.ErrClosed) {
			t.Error(err)
		}
	}
	check.OK(t, server.Close())
	check.OK(t, follower.Close())
}

func TestWhatAServerDoesNotHaveIsMissing(t *testing.T) {
	check.Leaks(t)
	server := serve(t, ServerConfig{})
	_, err := server.Publish("bgp", Update{Key: "/k"})
	for _, err := range []error{err, server.SetStatus("bgp", InSync), server.Disconnect(9)} {
		if !errors.Is(err, networkdb.ErrMissing) {
			t.Error(err)
		}
	}
	check.OK(t, server.Drain(time.Second))
	event, err := server.NextEvent(check.Context(t))
	if err != nil || event.Kind != Drained {
		t.Error(event, err)
	}
}

func TestTheProtocolRunsOverTLSOfGo(t *testing.T) {
	check.Leaks(t)
	authority, certificate := check.Certificate(t, "127.0.0.1")
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	check.OK(t, err)
	server := serve(t, ServerConfig{
		Listener: tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{certificate}}),
	})
	_, err = server.Publish(Felix, Update{Key: "/calico/k", Value: []byte("v")})
	check.OK(t, err)
	check.OK(t, server.SetStatus(Felix, InSync))

	trusting := &tls.Dialer{Config: &tls.Config{RootCAs: authority}}
	follower := follow(t, server, ClientConfig{Dial: trusting.DialContext})
	if values := inSync(t, follower); values["/calico/k"] != "v" {
		t.Error(values)
	}
	distrusting := &tls.Dialer{}
	other := follow(t, server, ClientConfig{Dial: distrusting.DialContext})
	event, err := other.Next(check.Context(t))
	if err != nil || event.Kind != Unreached || !strings.Contains(event.Text, "trust") {
		t.Error(event, err)
	}
}

// secured is what the one called name shows the one called peer.
func secured(authority *check.Authority, name, peer string) *TLS {
	key, cert := authority.Issue(name, "")
	return &TLS{Key: key, Cert: cert, CA: authority.File(), PeerCN: peer}
}

func TestTheProtocolRunsOverTLSOfTheLibrary(t *testing.T) {
	check.Leaks(t)
	authority := check.NewAuthority(t)
	server := serve(t, ServerConfig{
		Bind: "127.0.0.1:0", Hosted: true, Tick: time.Millisecond, TLS: secured(authority, "typha", "felix"),
	})
	_, err := server.Publish(Felix, Update{Key: "/calico/k", Value: []byte("v")})
	check.OK(t, err)
	check.OK(t, server.SetStatus(Felix, InSync))
	follower := follow(t, server, ClientConfig{Hosted: true, TLS: secured(authority, "felix", "typha")})
	if values := inSync(t, follower); values["/calico/k"] != "v" {
		t.Error(values)
	}
	wary := follow(t, server, ClientConfig{Hosted: true, TLS: secured(authority, "felix", "somebody")})
	event, err := wary.Next(check.Context(t))
	for err == nil && event.Kind != Unreached {
		// A warning says more, and may come before.
		event, err = wary.Next(check.Context(t))
	}
	if err != nil || !strings.Contains(event.Text, "trust") {
		t.Error(event, err)
	}
}

func TestTLSOfTheLibraryIsNotForgottenOnSocketsOfGo(t *testing.T) {
	wanted := secured(check.NewAuthority(t), "typha", "felix")
	if _, err := Start(check.Context(t), ServerConfig{Bind: "127.0.0.1:0", TLS: wanted}); !errors.Is(err, networkdb.ErrConfig) {
		t.Error(err)
	}
	if _, err := Follow(ClientConfig{Endpoints: []string{"127.0.0.1:1"}, TLS: wanted}); !errors.Is(err, networkdb.ErrConfig) {
		t.Error(err)
	}
}

// clinging gives its first connection a Close that waits.
type clinging struct {
	net.Listener
	first sync.Once
	until chan struct{}
}

type clingingConn struct {
	net.Conn
	until chan struct{}
}

func (l *clinging) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	l.first.Do(func() { conn = clingingConn{conn, l.until} })
	return conn, err
}

func (c clingingConn) Close() error {
	<-c.until
	return c.Conn.Close()
}

func TestAConnectionThatIsSlowToCloseHoldsUpNobody(t *testing.T) {
	check.Leaks(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	check.OK(t, err)
	listener := &clinging{Listener: plain, until: make(chan struct{})}
	server := serve(t, ServerConfig{Listener: listener})
	t.Cleanup(func() { close(listener.until) })
	check.OK(t, server.SetStatus(Felix, InSync))
	first := follow(t, server, ClientConfig{NoReconnect: true})
	inSync(t, first)
	event, err := server.NextEvent(check.Context(t))
	check.OK(t, err)
	check.OK(t, server.Disconnect(event.Client.ID))
	inSync(t, follow(t, server, ClientConfig{}))
}

func TestTheCodecReadsWhatItWritesWhereverItIsCut(t *testing.T) {
	updates := []Update{
		{Key: "/calico/a", Value: []byte("1"), Revision: "7", Type: UpdateNew, TTL: time.Second},
		{Key: "/calico/b", Value: []byte{0, 0xff, '"'}, Version: "9"},
		{Key: "/calico/\xff", Type: UpdateDeleted},
		{Key: "/calico/d"},
	}
	stream, err := Encode(updates, InSync)
	check.OK(t, err)
	for _, cut := range []int{1, 7, len(stream)} {
		decoder, err := NewDecoder()
		check.OK(t, err)
		var told []Message
		for rest := stream; len(rest) > 0; {
			piece := rest[:min(cut, len(rest))]
			rest = rest[len(piece):]
			messages, err := decoder.Feed(piece)
			check.OK(t, err)
			told = append(told, messages...)
		}
		want := []Message{{Type: KVs, Updates: updates}, {Type: Status, Status: InSync}}
		if !reflect.DeepEqual(told, want) {
			t.Fatalf("cut at %d: %#v", cut, told)
		}
		for range 2 {
			if _, err := decoder.Feed([]byte{1, 0xff}); !errors.Is(err, networkdb.ErrMalformed) {
				t.Error("what is no message:", err)
			}
		}
		check.OK(t, decoder.Close())
		check.OK(t, decoder.Close())
		if _, err := decoder.Feed(nil); !errors.Is(err, networkdb.ErrClosed) {
			t.Error(err)
		}
	}
	if _, err := Encode(nil, 256); !errors.Is(err, networkdb.ErrInvalid) {
		t.Error(err)
	}
}

func TestTheCodecGivesTheMessagesBeforeAFault(t *testing.T) {
	stream, err := Encode([]Update{{Key: "/calico/k", Value: []byte("v")}}, -1)
	check.OK(t, err)
	decoder, err := NewDecoder()
	check.OK(t, err)
	defer decoder.Close()
	messages, err := decoder.Feed(append(stream, 1, 0xff))
	var reason *networkdb.Error
	if len(messages) != 1 || len(messages[0].Updates) != 1 || !errors.Is(err, networkdb.ErrMalformed) || !errors.As(err, &reason) {
		t.Errorf("%+v, %v", messages, err)
	}
}

// What a client sends is read while it is sent, from a connection whose other end is the server.
func TestTheCodecReadsAConnection(t *testing.T) {
	check.Leaks(t)
	ctx := check.Context(t)
	server := serve(t, ServerConfig{})
	_, err := server.Publish(Felix, Update{Key: "/calico/k", Value: []byte("v")})
	check.OK(t, err)
	check.OK(t, server.SetStatus(Felix, InSync))
	tapped := make(chan tap, 1)
	follower := follow(t, server, ClientConfig{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		tap := newTap(t, conn)
		tapped <- tap
		return tap, err
	}})
	inSync(t, follower)
	check.OK(t, follower.Close())
	both := <-tapped
	for _, side := range []struct {
		seen chan MessageType
		want []MessageType
	}{
		{both.read, []MessageType{ServerHello, DecoderRestart, KVs, Status}},
		{both.written, []MessageType{ClientHello, Ack}},
	} {
		for _, want := range side.want {
			for got := MessageType(""); got != want; {
				select {
				case got = <-side.seen:
				case <-ctx.Done():
					t.Fatal("no", want)
				}
			}
		}
	}
}

// tap is a connection of which decoders read both directions.
type tap struct {
	net.Conn
	reader, writer *Decoder
	read, written  chan MessageType
	t              testing.TB
}

func newTap(t testing.TB, conn net.Conn) tap {
	reader, err := NewDecoder()
	check.OK(t, err)
	writer, err := NewClientDecoder()
	check.OK(t, err)
	return tap{conn, reader, writer, make(chan MessageType, 1000), make(chan MessageType, 1000), t}
}

func (c tap) tell(decoder *Decoder, bytes []byte, seen chan MessageType) {
	messages, err := decoder.Feed(bytes)
	if err != nil {
		c.t.Error(err)
	}
	for _, message := range messages {
		seen <- message.Type
	}
}

func (c tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tell(c.reader, b[:n], c.read)
	return n, err
}

func (c tap) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.tell(c.writer, b[:n], c.written)
	return n, err
}
