// Package peer lets a test drive a node over stdin and stdout: one JSON object a line, requests in, replies and events
// out.
package peer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Fields are what a reply carries besides id and ok.
type Fields map[string]any

// Mode says how a command lies in time beside the others.
type Mode int

const (
	InOrder Mode = iota // done before the next line is read
	Waits               // may wait for other nodes, so later commands overtake it
	Last                // as Waits, and the process exits once its reply is written
)

// Server reads commands and writes replies and events.
type Server struct {
	commands map[string]command

	mu    sync.Mutex // guards what follows, and keeps lines whole
	out   *json.Encoder
	ready bool
	held  []any
}

type command struct {
	mode Mode
	run  func(line []byte) (Fields, error)
}

type request struct {
	ID json.RawMessage `json:"id"`
	Op string          `json:"op"`
}

// NewServer returns a server without commands.
func NewServer() *Server {
	return &Server{commands: map[string]command{}, out: json.NewEncoder(os.Stdout)}
}

// Handle adds a command, whose arguments are decoded from the request line into an A.
func Handle[A any](s *Server, op string, mode Mode, run func(A) (Fields, error)) {
	s.commands[op] = command{mode, func(line []byte) (Fields, error) {
		var arguments A
		if err := json.Unmarshal(line, &arguments); err != nil {
			return nil, err
		}
		return run(arguments)
	}}
}

// Ready announces the node. Events emitted earlier follow the announcement.
func (s *Server) Ready(name, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = true
	s.write(Fields{"event": "ready", "name": name, "addr": addr})
	for _, event := range s.held {
		s.write(event)
	}
	s.held = nil
}

// Emit writes an event.
func (s *Server) Emit(event any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready {
		s.held = append(s.held, event)
		return
	}
	s.write(event)
}

// Serve obeys commands until stdin closes, then ends the process.
func (s *Server) Serve() {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			s.obey(line)
		}
		if errors.Is(err, io.EOF) {
			s.exit(0)
		}
		if err != nil {
			Fail(err)
		}
	}
}

func (s *Server) obey(line []byte) {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		s.reply(r.ID, nil, err)
		return
	}
	c, known := s.commands[r.Op]
	if !known {
		s.reply(r.ID, nil, fmt.Errorf("unknown op %q", r.Op))
		return
	}
	if c.mode == InOrder {
		s.run(c, r.ID, line)
	} else {
		go s.run(c, r.ID, line)
	}
}

func (s *Server) run(c command, id json.RawMessage, line []byte) {
	fields, err := c.run(line)
	s.reply(id, fields, err)
	if c.mode == Last {
		s.exit(0)
	}
}

func (s *Server) reply(id json.RawMessage, fields Fields, err error) {
	reply := Fields{"id": id, "ok": err == nil}
	if err != nil {
		reply["error"] = err.Error()
	}
	for name, value := range fields {
		reply[name] = value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(reply)
}

func (s *Server) write(line any) {
	if err := s.out.Encode(line); err != nil {
		Fail(err)
	}
}

// exit keeps the lock, so that no other goroutine writes after the decision to end.
func (s *Server) exit(code int) {
	s.mu.Lock()
	os.Exit(code)
}

// Fail ends the process with a message on stderr.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
