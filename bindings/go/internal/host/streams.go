package host

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
)

const (
	// What a stream may have handed over and not yet SENT (64 pieces), an end, and one to spare: sending never blocks.
	maxPieces = 66
	// A reader's buffer at first and at most.
	minRead, maxRead = 4 << 10, 64 << 10
)

// stream is the stepper's, but for what its two goroutines are given.
type stream struct {
	id   uint64
	conn net.Conn
	// Ends a dial.
	cancel context.CancelFunc
	// Each word lets the reader read once.
	turn chan struct{}
	// What is to be written; closed when the stream is over.
	out chan piece

	// Reading is wanted; the reader waits for it; the peer will send no more; no more is written; nothing more is said.
	reading, owed, finished, ended, over bool
	// Goroutines that may hold views.
	parts atomic.Int32
}

// piece is a view of the library's memory, or the end.
type piece struct {
	bytes []byte
	end   bool
}

// note is what a goroutine tells the stepper.
type note struct {
	kind   uint16
	stream *stream
	conn   net.Conn
	err    error
	bytes  []byte
	count  int
}

// Notes of the host's own.
const (
	// The end of a stream has been written.
	ended = 100 + iota
	// Somebody else closed a socket.
	lost
)

// discard drops what a note brings when nobody takes it any more.
func (n *note) discard() {
	if n.conn != nil {
		n.conn.Close()
	}
}

func newStream(id uint64) *stream {
	return &stream{id: id, reading: true, turn: make(chan struct{}, 1), out: make(chan piece, maxPieces)}
}

// ---- What the stepper does -----------------------------------------------------------------------------------------

// open dials.
func (h *Host) open(output *ndb.Output) {
	s := newStream(output.Stream)
	h.streams[s.id] = s
	to := output.Addr.AddrPort().String()
	if name := output.Bytes(); len(name) > 0 {
		to = net.JoinHostPort(string(name), strconv.Itoa(int(output.Addr.Port())))
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(h.ctx)
	h.help(func() {
		defer s.cancel()
		conn, err := h.dial(ctx, to)
		h.inbox <- note{kind: ndb.Opened, stream: s, conn: conn, err: err}
	})
}

func (h *Host) dial(ctx context.Context, to string) (net.Conn, error) {
	if h.sockets.Dial == nil {
		return nil, errors.New("this host does not dial")
	}
	return h.sockets.Dial(ctx, "tcp", to)
}

// carryStream does what an output says of a stream.
func (h *Host) carryStream(s *stream, output *ndb.Output) {
	switch output.Kind {
	case ndb.Deliver:
		s.out <- piece{bytes: output.Bytes()}
	case ndb.Reading:
		s.reading = output.Code != 0
		if s.reading && s.owed {
			s.owed = false
			s.turn <- struct{}{}
		}
	case ndb.Close:
		if output.Code == 0 {
			s.out <- piece{end: true}
		} else {
			h.end(s)
		}
	}
}

// end drops a stream. Its goroutines end, and the last of them says GONE. To close a connection may take its time: TLS says goodbye.
func (h *Host) end(s *stream) {
	s.over = true
	if s.cancel != nil {
		s.cancel()
	}
	if s.conn != nil {
		h.help(func() { s.conn.Close() })
	}
	close(s.turn)
	close(s.out)
}

// take turns a note into inputs of the next step.
func (h *Host) take(n note) {
	switch n.kind {
	case lost:
		h.lost = n.err
	case ndb.Accepted:
		h.takeAccepted(n.conn)
	case ndb.Opened:
		h.takeOpened(n)
	case ndb.Gone:
		h.input(n.stream, ndb.Input{Kind: ndb.Gone})
		delete(h.streams, n.stream.id)
	default:
		if !n.stream.over {
			h.takeOpen(n.stream, n)
		}
	}
}

func (h *Host) takeAccepted(conn net.Conn) {
	s := newStream(h.accepting)
	h.accepting += 2
	h.streams[s.id] = s
	h.input(s, ndb.Input{Kind: ndb.Accepted, Addr: ndb.AddrOf(remote(conn))})
	h.connect(s, conn)
}

func (h *Host) takeOpened(n note) {
	s := n.stream
	if n.err == nil && !s.over {
		h.input(s, ndb.Input{Kind: ndb.Opened, Addr: ndb.AddrOf(remote(n.conn))})
		h.connect(s, n.conn)
		return
	}
	n.discard()
	if !s.over {
		h.input(s, ndb.Input{Kind: ndb.Broken, Code: fault(n.err)})
		h.end(s)
	}
	h.input(s, ndb.Input{Kind: ndb.Gone})
	delete(h.streams, s.id)
}

// takeOpen takes a word of a stream that goes on.
func (h *Host) takeOpen(s *stream, n note) {
	switch n.kind {
	case ndb.Received:
		h.input(s, ndb.Input{Kind: ndb.Received, Offset: uint64(len(h.arena)), Len: uint64(len(n.bytes))})
		h.arena = append(h.arena, n.bytes...)
		if s.reading {
			s.turn <- struct{}{}
		} else {
			s.owed = true
		}
	case ndb.Sent:
		h.input(s, ndb.Input{Kind: ndb.Sent, Len: uint64(n.count)})
	case ndb.Broken:
		h.input(s, ndb.Input{Kind: ndb.Broken, Code: fault(n.err)})
		h.end(s)
	case ndb.Finished:
		h.input(s, ndb.Input{Kind: ndb.Finished})
		s.finished = true
	case ended:
		s.ended = true
	}
	if !s.over && s.finished && s.ended {
		h.end(s)
	}
}

// input adds to the next step.
func (h *Host) input(s *stream, input ndb.Input) {
	input.Stream = s.id
	h.inputs = append(h.inputs, input)
}

// connect starts a stream's goroutines.
func (h *Host) connect(s *stream, conn net.Conn) {
	s.conn = conn
	s.parts.Store(2)
	s.turn <- struct{}{}
	h.help(func() { h.readStream(s) })
	h.help(func() { h.writeStream(s) })
}

// ---- What goroutines do --------------------------------------------------------------------------------------------

func (h *Host) accept() {
	failures := 0
	for {
		conn, err := h.sockets.Listener.Accept()
		if err == nil {
			failures = 0
			h.inbox <- note{kind: ndb.Accepted, conn: conn}
			continue
		}
		// Such as too many descriptors: it may pass.
		if failures++; !h.again(err, failures) {
			return
		}
	}
}

// again says, after a pause, whether a socket is worth another try.
func (h *Host) again(err error, failures int) bool {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		h.inbox <- note{kind: lost, err: err}
		return false
	}
	pause := time.Millisecond << min(failures, 10)
	select {
	case <-time.After(pause):
		return true
	case <-h.stop:
		return false
	}
}

// leave says GONE with the last goroutine of a stream.
func (h *Host) leave(s *stream) {
	if s.parts.Add(-1) == 0 {
		h.inbox <- note{kind: ndb.Gone, stream: s}
	}
}

func (h *Host) readStream(s *stream) {
	defer h.leave(s)
	buffer := make([]byte, minRead)
	for range s.turn {
		n, err := io.ReadAtLeast(s.conn, buffer, 1)
		if n > 0 {
			h.inbox <- note{kind: ndb.Received, stream: s, bytes: buffer[:n]}
		}
		if err != nil {
			h.inbox <- readEnd(s, err)
			return
		}
		if n == len(buffer) && n < maxRead {
			// The stepper may still be reading from the old one.
			buffer = make([]byte, 2*n)
		}
	}
}

func readEnd(s *stream, err error) note {
	if err == io.EOF {
		return note{kind: ndb.Finished, stream: s}
	}
	return note{kind: ndb.Broken, stream: s, err: err}
}

// writeStream writes what is handed over, all there is at once, until the stream is over.
func (h *Host) writeStream(s *stream) {
	defer h.leave(s)
	var bytes [maxPieces][]byte
	for first := range s.out {
		pieces, end := s.collect(first, bytes[:0])
		if err := h.write(s, pieces); err != nil {
			h.inbox <- note{kind: ndb.Broken, stream: s, err: err}
			for range s.out {
			}
			return
		}
		if end {
			h.writeEnd(s)
		}
	}
}

// collect adds what else waits to a first piece, up to the end.
func (s *stream) collect(next piece, pieces net.Buffers) (net.Buffers, bool) {
	for {
		if next.end {
			return pieces, true
		}
		pieces = append(pieces, next.bytes)
		if len(pieces) == maxPieces {
			return pieces, false
		}
		select {
		case more, open := <-s.out:
			if !open {
				return pieces, false
			}
			next = more
		default:
			return pieces, false
		}
	}
}

func (h *Host) write(s *stream, pieces net.Buffers) error {
	if len(pieces) == 0 {
		return nil
	}
	count, err := pieces.WriteTo(s.conn)
	if count > 0 {
		h.inbox <- note{kind: ndb.Sent, stream: s, count: int(count)}
	}
	return err
}

// writeEnd says that no more will be written. A connection that cannot say that is closed, which ends its reading too.
func (h *Host) writeEnd(s *stream) {
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
		// An error shows up at the reader.
		_ = half.CloseWrite()
	} else {
		s.conn.Close()
	}
	h.inbox <- note{kind: ended, stream: s}
}

// remote is whom a connection reaches: nowhere, if it does not say so in numbers.
func remote(conn net.Conn) netip.AddrPort {
	if addr := addrPort(conn.RemoteAddr()); addr.IsValid() {
		return addr
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}

// fault is an error as the library knows it.
func fault(err error) uint16 {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ndb.FaultRefused
	case errors.As(err, &name), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return ndb.FaultUnreachable
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return ndb.FaultTimedOut
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ndb.FaultReset
	case untrusted(err):
		return ndb.FaultUntrusted
	default:
		return ndb.FaultOther
	}
}

func untrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	return errors.As(err, &certificate) || errors.As(err, &alert)
}
