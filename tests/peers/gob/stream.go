package main

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"

	"github.com/golang/snappy"
	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// byteReader is what gob and snappy take no byte too many from.
type byteReader interface {
	io.Reader
	io.ByteReader
}

// unbuffered reads single bytes from what cannot: gob would buffer it, and take bytes of the next stream.
type unbuffered struct{ io.Reader }

func (u unbuffered) ReadByte() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(u, one[:])
	return one[0], err
}

// counted counts what was read of it.
type counted struct {
	from byteReader
	read int
}

func (c *counted) Read(into []byte) (int, error) {
	n, err := c.from.Read(into)
	c.read += n
	return n, err
}

func (c *counted) ReadByte() (byte, error) {
	one, err := c.from.ReadByte()
	if err == nil {
		c.read++
	}
	return one, err
}

// decompressed is the stream inside `from`; an empty algorithm means `from` itself.
func decompressed(from byteReader, algorithm syncproto.CompressionAlgorithm) (byteReader, error) {
	switch algorithm {
	case "":
		return from, nil
	case syncproto.Snappy:
		return snappy.NewReader(from), nil
	}
	return nil, fmt.Errorf("no compression is named %q", algorithm)
}

// sink is where one gob stream goes: Flush brings it to the writer it was made for.
type sink struct {
	*gob.Encoder
	flush []func() error
}

// newSink is how Typha sends on a new connection: each gob message is a write of its own.
func newSink(to io.Writer) *sink { return &sink{Encoder: gob.NewEncoder(to)} }

// restartedSink is how Typha sends after a decoder restart.
func restartedSink(to io.Writer, algorithm syncproto.CompressionAlgorithm) *sink {
	buffer := bufio.NewWriter(to)
	if algorithm != syncproto.Snappy {
		return &sink{gob.NewEncoder(buffer), []func() error{buffer.Flush}}
	}
	compressor := snappy.NewBufferedWriter(buffer)
	return &sink{gob.NewEncoder(compressor), []func() error{compressor.Flush, buffer.Flush}}
}

// send writes one message in its envelope, and flushes.
func (s *sink) send(envelope any) error {
	if err := s.Encode(envelope); err != nil {
		return err
	}
	var failed error
	for _, flush := range s.flush {
		failed = errors.Join(failed, flush())
	}
	return failed
}
