package ndb

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The scripts are in tests/scenarios/steps, whose README is their grammar. They are run beneath the public packages, which hide
// steps and numbers.
const scripts = "../../../../tests/scenarios/steps/*.txt"

func TestEveryScriptGivesTheTraceOfTheOtherLanguages(t *testing.T) {
	paths, err := filepath.Glob(scripts)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			committed, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r := runner{t: t}
			for line := range strings.Lines(string(committed)) {
				if !strings.HasPrefix(line, "  ") {
					r.line(strings.TrimSuffix(line, "\n"))
				}
			}
			if r.node != 0 {
				r.check(r.node.Free())
			}
			compare(t, string(committed), r.text.String())
		})
	}
}

// compare shows the first line that differs.
func compare(t *testing.T, committed, traced string) {
	want, got := strings.Split(committed, "\n"), strings.Split(traced, "\n")
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Fatalf("line %d:\n%s\n%s", i+1, want[i], got[i])
		}
	}
	if len(want) != len(got) {
		t.Fatalf("%d lines, not %d", len(got), len(want))
	}
}

// runner does what lines say, and writes them and their trace.
type runner struct {
	t      *testing.T
	text   bytes.Buffer
	now    uint64
	seed   [32]byte
	node   Node
	inputs []Input
	arena  []byte
}

func (r *runner) line(line string) {
	fmt.Fprintln(&r.text, line)
	if line == "" || strings.HasPrefix(line, "#") {
		return
	}
	word, rest, _ := strings.Cut(line, " ")
	words := strings.Split(rest, " ")
	switch word {
	case "seed":
		copy(r.seed[:], r.unhex(rest))
	case "at":
		r.now = r.number(rest)
	case "node":
		r.create(rest)
	case "step":
		r.step()
	case "command":
		answer, err := r.node.Command(r.now, []byte(rest))
		r.answered(err, string(answer))
	case "write":
		hows := map[string]uint16{"put": Put, "create": Create, "update": Update, "delete": Delete}
		r.answered(r.node.Write(r.now, hows[words[0]], words[1], words[2], words[3], r.unhex(words[4])), "")
	case "publish":
		update := Published{Key: words[1]}
		if len(words) == 3 {
			update.Value = r.unhex(words[2])
		}
		_, err := r.node.Publish(r.now, words[0], []Published{update})
		r.answered(err, "")
	default:
		r.input(word, words)
	}
}

// input gathers one for the next step.
func (r *runner) input(word string, words []string) {
	kinds := map[string]uint16{
		"tick": Tick, "datagram": Datagram, "accepted": Accepted, "opened": Opened, "received": Received, "sent": Sent,
		"finished": Finished, "failed": Broken, "gone": Gone,
	}
	kind, known := kinds[word]
	if !known {
		r.t.Fatalf("no such line: %s %v", word, words)
	}
	input := Input{Kind: kind}
	switch kind {
	case Tick:
	case Datagram:
		input.Addr = r.addr(words[0])
	default:
		input.Stream = r.number(words[0])
	}
	switch kind {
	case Accepted, Opened:
		input.Addr = r.addr(words[1])
	case Datagram, Received:
		input.Offset = uint64(len(r.arena))
		r.arena = append(r.arena, r.unhex(words[1])...)
		input.Len = uint64(len(r.arena)) - input.Offset
	case Sent:
		input.Len = r.number(words[1])
	case Broken:
		input.Code = uint16(r.number(words[1]))
	}
	r.inputs = append(r.inputs, input)
}

func (r *runner) create(rest string) {
	kinds := map[string]Kind{
		"networkdb": NetworkDB, "memberlist": Memberlist, "sync_server": SyncServer, "sync_client": SyncClient, "codec": Codec,
	}
	kind, config, _ := strings.Cut(rest, " ")
	node, err := New(kinds[kind], []byte(config), &r.seed, r.now)
	r.node = node
	r.status(err, "")
}

func (r *runner) step() {
	outputs, deadline, err := r.node.Step(r.now, r.inputs, r.arena)
	r.check(err)
	r.inputs, r.arena = nil, nil
	for i := range outputs {
		r.output(&outputs[i])
	}
	if deadline == Never {
		fmt.Fprintln(&r.text, "  > deadline never")
	} else {
		fmt.Fprintln(&r.text, "  > deadline", deadline)
	}
	r.events()
}

func (r *runner) output(o *Output) {
	switch o.Kind {
	case Send:
		fmt.Fprintf(&r.text, "  > datagram %s %x\n", o.Addr.AddrPort(), o.Bytes())
	case Open:
		to := o.Addr.AddrPort().String()
		if name := o.Bytes(); len(name) > 0 {
			to = fmt.Sprintf("%s:%d", name, o.Addr.Port())
		}
		fmt.Fprintf(&r.text, "  > open %d %s\n", o.Stream, to)
	case Deliver:
		fmt.Fprintf(&r.text, "  > write %d %x\n", o.Stream, o.Bytes())
	case Reading:
		fmt.Fprintf(&r.text, "  > reading %d %s\n", o.Stream, [...]string{"off", "on"}[o.Code])
	case Close:
		fmt.Fprintf(&r.text, "  > close %d %s\n", o.Stream, [...]string{"finish", "abort"}[o.Code])
	}
}

func (r *runner) answered(err error, answer string) {
	r.status(err, answer)
	r.events()
}

func (r *runner) status(err error, answer string) {
	line := fmt.Sprintf("  = %d %s", statusOf(err), answer)
	fmt.Fprintln(&r.text, strings.TrimRight(line, " "))
}

func statusOf(err error) Status {
	switch err := err.(type) {
	case nil:
		return OK
	case *Error:
		return err.Status
	default:
		return err.(Status)
	}
}

func (r *runner) events() {
	for {
		event, err := r.node.NextEvent()
		if err == Empty {
			return
		}
		r.check(err)
		r.event(event)
	}
}

func (r *runner) event(e *Event) {
	fmt.Fprintf(&r.text, "  ! %d", e.Kind)
	for _, field := range []struct {
		name   string
		number uint64
	}{{"code", uint64(e.Code)}, {"id", e.ID}, {"number", e.Number}, {"detail", uint64(e.Detail)}} {
		if field.number != 0 {
			fmt.Fprintf(&r.text, " %s=%d", field.name, field.number)
		}
	}
	if e.Addr.IsValid() {
		fmt.Fprintf(&r.text, " addr=%s", e.Addr)
	}
	for _, field := range []struct {
		name  string
		bytes []byte
		there bool
	}{
		{"network", []byte(e.Network), e.Network != ""}, {"table", []byte(e.Table), e.Table != ""},
		{"key", []byte(e.Key), e.Key != ""}, {"value", e.Value, e.Value != nil},
		{"previous", e.Previous, e.Previous != nil}, {"revision", []byte(e.Revision), e.Revision != ""},
		{"version", []byte(e.Version), e.Version != ""},
	} {
		if field.there {
			fmt.Fprintf(&r.text, " %s=%x", field.name, field.bytes)
		}
	}
	fmt.Fprintln(&r.text)
}

func (r *runner) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *runner) number(text string) uint64 {
	number, err := strconv.ParseUint(text, 10, 64)
	r.check(err)
	return number
}

func (r *runner) addr(text string) Addr {
	addr, err := netip.ParseAddrPort(text)
	r.check(err)
	return AddrOf(addr)
}

// unhex is never nil, as bytes that are given.
func (r *runner) unhex(text string) []byte {
	if text == "-" {
		return []byte{}
	}
	decoded, err := hex.DecodeString(text)
	r.check(err)
	return decoded
}
