package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	deadline = 20 * time.Second // for what should take no time at all
	pause    = 5 * time.Millisecond
)

// TestMain runs the program itself where a test wants a process of its own: ids of types, and generations, belong to one.
func TestMain(m *testing.M) {
	if os.Getenv("GOB_PEER") == "" {
		os.Exit(m.Run())
	}
	main()
}

func program(arguments ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], arguments...)
	command.Env = append(os.Environ(), "GOB_PEER=1", "TZ=UTC")
	command.Stderr = os.Stderr
	return command
}

// output is what the program writes for an input.
func outputOf(t *testing.T, input []byte, arguments ...string) []byte {
	t.Helper()
	command := program(arguments...)
	command.Stdin = bytes.NewReader(input)
	written, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v", arguments, err)
	}
	return written
}

// peer is a running program that is spoken to by lines.
type peer struct {
	t     *testing.T
	name  string
	in    io.Writer
	lines chan fields
	done  chan error

	process *os.Process
}

func start(t *testing.T, arguments ...string) *peer {
	t.Helper()
	command := program(arguments...)
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill() })
	p := &peer{t, arguments[0], in, make(chan fields, 10000), make(chan error, 1), command.Process}
	go func() {
		defer close(p.lines)
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 1<<30)
		for scanner.Scan() {
			line := fields{}
			json.Unmarshal(scanner.Bytes(), &line)
			p.lines <- line
		}
		p.done <- command.Wait()
	}()
	return p
}

func startServer(t *testing.T, arguments ...string) (server *peer, addr string) {
	t.Helper()
	server = start(t, append([]string{"server"}, arguments...)...)
	return server, server.event("ready")["addr"].(string)
}

func (p *peer) say(line any) {
	p.t.Helper()
	if err := json.NewEncoder(p.in).Encode(line); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) signal(signal os.Signal) {
	p.t.Helper()
	if err := p.process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// until is the first line like this.
func (p *peer) until(what string, like func(fields) bool) fields {
	p.t.Helper()
	var heard []fields
	timeout := time.After(deadline)
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				p.t.Fatalf("the %s ended without %s: %v", p.name, what, heard)
			}
			if like(line) {
				return line
			}
			heard = append(heard, line)
		case <-timeout:
			p.t.Fatalf("the %s does not tell: %s; it told %v", p.name, what, heard)
		}
	}
}

func (p *peer) event(name string) fields {
	p.t.Helper()
	return p.until(name, func(line fields) bool { return line["event"] == name })
}

// reports asks for reports until one is like this.
func (p *peer) reports(name, what string, like func(fields) bool) {
	p.t.Helper()
	for end := time.Now().Add(deadline); ; time.Sleep(pause) {
		p.say(fields{"report": true})
		report := p.event(name)
		if like(report) {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("the %s does not report: %s; it reports %v", p.name, what, report)
		}
	}
}

// synced is the status line that says the snapshot is there.
func (p *peer) synced() fields {
	p.t.Helper()
	return p.until("in sync", func(line fields) bool { return line["event"] == "status" && line["status"] == 2.0 })
}

func vector(t *testing.T, name string) []byte {
	t.Helper()
	folder := os.Getenv("NETWORKDB_VECTORS")
	if folder == "" {
		folder = "../../vectors"
	}
	content, err := os.ReadFile(filepath.Join(folder, "typha", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func readVector(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(vector(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
