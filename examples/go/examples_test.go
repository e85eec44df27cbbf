// Package examples runs the programs in the folders beside it.
package examples

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	networkdb "github.com/networkdb/networkdb/bindings/go"
	"github.com/networkdb/networkdb/bindings/go/memberlist"
	"github.com/networkdb/networkdb/bindings/go/syncproto"
)

const patience = 60 * time.Second

// soon is a context that ends with the test, and before its patience does.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// program is an example that runs.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

// build makes a program of an example.
func build(t *testing.T, name string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", binary, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s", err, out)
	}
	return binary
}

// run starts an example.
func run(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.CommandContext(soon(t), build(t, name), args...)}
	var err error
	p.in, err = p.cmd.StdinPipe()
	ok(t, err)
	reader, writer := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	p.lines = bufio.NewScanner(reader)
	ok(t, p.cmd.Start())
	return p
}

// until waits for a line that begins so, and returns it.
func (p *program) until(start string) string {
	p.t.Helper()
	for p.lines.Scan() {
		if strings.Contains(p.lines.Text(), start) {
			return p.lines.Text()
		}
	}
	p.t.Fatalf("no line with %q", start)
	return ""
}

// say writes to the program.
func (p *program) say(text string) {
	p.t.Helper()
	_, err := io.WriteString(p.in, text)
	ok(p.t, err)
}

// end interrupts the program if need be and waits for its good end.
func (p *program) end(interrupt bool) {
	p.t.Helper()
	go func() {
		for p.lines.Scan() {
		}
	}()
	if interrupt {
		ok(p.t, p.cmd.Process.Signal(os.Interrupt))
	}
	ok(p.t, p.in.Close())
	ok(p.t, p.cmd.Wait())
}

// node is one of ours that the examples join, in the network `web`.
func node(t *testing.T) *networkdb.Node {
	n, err := networkdb.Start(soon(t), networkdb.Config{Name: "seed", Bind: "127.0.0.1:0"})
	ok(t, err)
	t.Cleanup(func() { n.Close() })
	_, err = n.JoinNetwork(soon(t), "web")
	ok(t, err)
	return n
}

func TestWatch(t *testing.T) {
	seed := node(t)
	ok(t, seed.Put("web", "endpoint_table", "alpha", []byte("10.0.0.5:80")))
	p := run(t, "watch", "go-1", "127.0.0.1:0", seed.Addr().String(), "web", "endpoint_table")
	p.until("created alpha 10.0.0.5:80")
	ok(t, seed.Delete("web", "endpoint_table", "alpha"))
	p.until("removed alpha")
	p.end(true)
}

func TestPublish(t *testing.T) {
	seed := node(t)
	watch, err := seed.Watch(networkdb.Filter{Network: "web", Table: "endpoint_table"})
	ok(t, err)
	p := run(t, "publish", "go-1", "127.0.0.1:0", seed.Addr().String(), "web")
	p.say("alpha 10.0.0.5:80\n")
	change, err := watch.Next(soon(t))
	ok(t, err)
	if change.Kind != networkdb.Created || change.Key != "alpha" || string(change.Value) != "10.0.0.5:80" {
		t.Fatalf("%+v", change)
	}
	p.say("alpha\nbeta\n")
	p.until("there is no endpoint beta")
	change, err = watch.Next(soon(t))
	if change.Kind != networkdb.Removed || err != nil {
		t.Fatalf("%+v %v", change, err)
	}
	p.end(false)
}

func TestCodec(t *testing.T) {
	stream, err := exec.CommandContext(soon(t), build(t, "codec"), "encode", "/calico/a", "1", "/calico/b", "2").Output()
	ok(t, err)
	p := run(t, "codec", "decode")
	_, err = p.in.Write(stream)
	ok(t, err)
	for _, line := range []string{"/calico/a = 1", "/calico/b = 2", "status: in-sync"} {
		p.until(line)
	}
	p.end(false)
}

func TestServe(t *testing.T) {
	p := run(t, "serve", "127.0.0.1:0")
	line := p.until("serving on")
	p.say("/calico/a 1\n/calico/b 2\n/calico/b\n\n")
	follower, err := syncproto.Follow(syncproto.ClientConfig{
		Hostname: "test", Endpoints: []string{line[strings.LastIndex(line, " ")+1:]},
	})
	ok(t, err)
	defer follower.Close()
	values := make(map[string]string)
	for event, err := range follower.All(soon(t)) {
		ok(t, err)
		if event.Kind == syncproto.Updated {
			values[event.Update.Key] = string(event.Update.Value)
		}
		if event.Status == syncproto.InSync {
			break
		}
	}
	if values["/calico/a"] != "1" || values["/calico/b"] != "" {
		t.Fatal(values)
	}
	p.until("client test")
	p.end(false)
}

func TestSockets(t *testing.T) {
	ctx := soon(t)
	seed, err := memberlist.Start(ctx, memberlist.Config{Name: "seed", Bind: "127.0.0.1:0"})
	ok(t, err)
	defer seed.Close()
	p := run(t, "sockets", "go-1", "127.0.0.1:0", seed.Addr().String())
	p.until("joined seed " + seed.Addr().String())
	ok(t, errors.Join(seed.Leave(ctx), seed.Close()))
	p.until("gone seed")
	p.end(true)
}
