package main

import (
	"bytes"
	"encoding/gob"
	"errors"
	"flag"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/golang/snappy"
	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// benchmark is one thing to do with all KVs.
type benchmark struct {
	name string
	run  func() error
}

func runBench(flags *flag.FlagSet, arguments []string) error {
	kvs := flags.Int("kvs", 100000, "KVs of each size")
	rounds := flags.Int("rounds", 5, "times each is done; the median counts")
	messageSize := flags.Int("max-message-size", 100, "KVs in a message; 1000 where compressed")
	generation := generations[0]
	flags.Var(&generation, "generation", "today or 3.2.5, which has no compression")
	flags.Parse(arguments)
	generation.register()
	for _, small := range []bool{false, true} {
		list := newWorkload(small, 0).kvs(*kvs)
		if err := benchSize(generation, list, *messageSize, *rounds); err != nil {
			return err
		}
	}
	return nil
}

func benchSize(generation generation, kvs []syncproto.SerializedUpdate, messageSize, rounds int) error {
	messages, large := generation.messagesOf(kvs, messageSize), generation.messagesOf(kvs, binaryMessageSize)
	var plain, compressed bytes.Buffer
	if err := encodeAll(&plain, messages); err != nil {
		return err
	}
	if err := encodeCompressed(&compressed, large); err != nil {
		return err
	}
	stream := bytes.NewReader(nil)
	for _, benchmark := range []benchmark{
		{"encode", func() error { return encodeAll(io.Discard, messages) }},
		{"encode+snappy", func() error { return encodeCompressed(io.Discard, large) }},
		{"decode", func() error { stream.Reset(plain.Bytes()); return decodeAll(stream) }},
		{"decode+snappy", func() error { stream.Reset(compressed.Bytes()); return decodeAll(snappy.NewReader(stream)) }},
	} {
		if strings.HasSuffix(benchmark.name, string(syncproto.Snappy)) && !generation.modern {
			continue
		}
		if err := benchmark.measure(len(kvs), rounds, plain.Len(), compressed.Len()); err != nil {
			return err
		}
	}
	return nil
}

func (b *benchmark) measure(kvs, rounds, plain, compressed int) error {
	var seconds, allocations, allocated []float64
	for range rounds {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := cpu()
		if err := b.run(); err != nil {
			return err
		}
		used := cpu() - start
		runtime.ReadMemStats(&after)
		seconds = append(seconds, used.Seconds())
		allocations = append(allocations, float64(after.Mallocs-before.Mallocs)/float64(kvs))
		allocated = append(allocated, float64(after.TotalAlloc-before.TotalAlloc)/float64(kvs))
	}
	slices.Sort(seconds)
	slices.Sort(allocations)
	slices.Sort(allocated)
	emit(fields{
		"bench": b.name, "kvs": kvs, "bytes_per_kv": float64(plain) / float64(kvs), "snappy_bytes_per_kv": float64(compressed) / float64(kvs),
		"kvs_per_cpu_second": float64(kvs) / seconds[rounds/2], "allocations_per_kv": allocations[rounds/2],
		"allocated_bytes_per_kv": allocated[rounds/2],
	})
	return nil
}

// messagesOf are KVs as a generation sends them.
func (g *generation) messagesOf(kvs []syncproto.SerializedUpdate, messageSize int) []any {
	var messages []any
	for part := range slices.Chunk(kvs, messageSize) {
		messages = append(messages, g.say(syncproto.MsgKVs{KVs: part}))
	}
	return messages
}

// encodeAll writes as a connection does.
func encodeAll(to io.Writer, messages []any) error {
	sink := newSink(to)
	for _, message := range messages {
		if err := sink.send(&syncproto.Envelope{Message: message}); err != nil {
			return err
		}
	}
	return nil
}

// encodeCompressed writes as a binary snapshot is written.
func encodeCompressed(to io.Writer, messages []any) error {
	compressor := snappy.NewBufferedWriter(to)
	if err := encodeAll(compressor, messages); err != nil {
		return err
	}
	return compressor.Close()
}

func decodeAll(from io.Reader) error {
	decoder := gob.NewDecoder(from)
	for {
		var envelope syncproto.Envelope
		err := decoder.Decode(&envelope)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
