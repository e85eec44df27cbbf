package ndb

import (
	"net/netip"
	"testing"

	"github.com/networkdb/networkdb/bindings/go/internal/check"
)

// Calls and steps, without sockets. Two messages of memberlist of 1,400 bytes stand for the datagram, as in the bench of C: an ack for
// nobody is read and dropped (Taken), a ping is answered (Answered). They lie in the arena before the clock starts, so this is the
// step alone: 64 a step, an operation a datagram, operations a second of processor time are what C calls `taken, step alone`.

func newBench(b *testing.B, kind Kind, config string) Node {
	node, err := New(kind, []byte(config), new([32]byte), 1)
	check.OK(b, err)
	b.Cleanup(func() { check.OK(b, node.Free()) })
	return node
}

func BenchmarkCall(b *testing.B) {
	node := newBench(b, Memberlist, `{"name":"a","advertise":"10.0.0.1:7946"}`)
	for _, err := node.NextEvent(); err == nil; _, err = node.NextEvent() {
	}
	defer check.CPU(b)()
	for b.Loop() {
		if _, err := node.NextEvent(); err != Empty {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommand(b *testing.B) {
	node := newBench(b, NetworkDB, `{"name":"a","advertise":"10.0.0.1:7946"}`)
	defer check.CPU(b)()
	for b.Loop() {
		_, err := node.Command(1, []byte(`{"op":"networks"}`))
		check.OK(b, err)
	}
}

func BenchmarkRead(b *testing.B) {
	node := newBench(b, NetworkDB, `{"name":"a","advertise":"10.0.0.1:7946"}`)
	check.OK(b, node.Write(1, Put, "web", "t", "k", make([]byte, 64)))
	buffer := make([]byte, 0, 64)
	defer check.CPU(b)()
	for b.Loop() {
		_, err := node.Read("web", "t", "k", buffer)
		check.OK(b, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	node := newBench(b, NetworkDB, `{"name":"a","advertise":"10.0.0.1:7946"}`)
	value := make([]byte, 64)
	defer check.CPU(b)()
	for b.Loop() {
		check.OK(b, node.Write(1, Put, "web", "t", "k", value))
	}
}

func BenchmarkAnswered1(b *testing.B)  { benchmarkStep(b, check.Ping("a", 1, 1400), 1, 1) }
func BenchmarkAnswered64(b *testing.B) { benchmarkStep(b, check.Ping("a", 1, 1400), 64, 64) }
func BenchmarkTaken1(b *testing.B)     { benchmarkStep(b, check.Ack(1400), 1, 0) }
func BenchmarkTaken64(b *testing.B)    { benchmarkStep(b, check.Ack(1400), 64, 0) }

// benchmarkStep gives datagrams in batches, each of which has so many answers; one operation is one datagram.
func benchmarkStep(b *testing.B, datagram []byte, batch, answers int) {
	node := newBench(b, Memberlist, `{"name":"a","advertise":"10.0.0.1:7946","gossip":{"compression":false}}`)
	_, _, err := node.Step(1, nil, nil)
	check.OK(b, err)
	var inputs []Input
	var arena []byte
	for range batch {
		inputs = append(inputs, Input{
			Kind: Datagram, Offset: uint64(len(arena)), Len: uint64(len(datagram)),
			Addr: AddrOf(netip.MustParseAddrPort("10.0.0.2:7946")),
		})
		arena = append(arena, datagram...)
	}
	defer check.CPU(b)()
	b.ResetTimer()
	for done := 0; done < b.N; done += batch {
		outputs, _, err := node.Step(2, inputs, arena)
		if err != nil || len(outputs) != answers {
			b.Fatalf("%d answers, %v", len(outputs), err)
		}
	}
}
