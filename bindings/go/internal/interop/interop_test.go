//go:build interop

// Package interop runs nodes of Go's beside the real peers, which are in the folder that NETWORKDB_PEERS names.
package interop

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	networkdb "github.com/networkdb/networkdb/bindings/go"
	"github.com/networkdb/networkdb/bindings/go/internal/check"
	"github.com/networkdb/networkdb/bindings/go/memberlist"
	"github.com/networkdb/networkdb/bindings/go/syncproto"
)

var key = []byte("0123456789abcdef")

// peer is a program that takes and writes lines of JSON.
type peer struct {
	t     *testing.T
	in    io.WriteCloser
	lines *bufio.Scanner
	last  int
}

type fields = map[string]any

func start(t *testing.T, program string, args ...string) *peer {
	t.Helper()
	folder := os.Getenv("NETWORKDB_PEERS")
	if folder == "" {
		t.Fatal("NETWORKDB_PEERS is not set: make peers")
	}
	cmd := exec.CommandContext(check.Context(t), filepath.Join(folder, program), args...)
	in, err := cmd.StdinPipe()
	check.OK(t, err)
	out, err := cmd.StdoutPipe()
	check.OK(t, err)
	check.OK(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		check.OK(t, cmd.Wait())
	})
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return &peer{t: t, in: in, lines: lines}
}

// until reads on to a line that fits.
func (p *peer) until(what string, fits func(fields) bool) fields {
	p.t.Helper()
	for p.lines.Scan() {
		var line fields
		check.OK(p.t, json.Unmarshal(p.lines.Bytes(), &line))
		if fits(line) {
			return line
		}
	}
	p.t.Fatal("no ", what)
	return nil
}

func (p *peer) event(name string) fields {
	p.t.Helper()
	return p.until(name, func(line fields) bool { return line["event"] == name })
}

// ask sends a request and waits for its good answer.
func (p *peer) ask(request fields) fields {
	p.t.Helper()
	p.last++
	request["id"] = p.last
	text, err := json.Marshal(request)
	check.OK(p.t, err)
	_, err = fmt.Fprintf(p.in, "%s\n", text)
	check.OK(p.t, err)
	answer := p.until("answer", func(line fields) bool { return line["id"] == float64(p.last) })
	if answer["ok"] != true {
		p.t.Fatalf("%s: %v", text, answer)
	}
	return answer
}

// free is an address that nobody uses.
func free(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check.OK(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func TestDockersNodesAndOneOfGosShareATable(t *testing.T) {
	for _, program := range []string{"networkdb28", "networkdb2"} {
		t.Run(program, func(t *testing.T) {
			check.Leaks(t)
			ctx := check.Context(t)
			addr := free(t)
			docker := start(t, program, "-name", "docker", "-addr", addr, "-key", hex.EncodeToString(key))
			docker.event("ready")
			docker.ask(fields{"op": "network_join", "network": "web"})
			docker.ask(fields{"op": "create", "network": "web", "table": "t", "key": "theirs", "value_hex": "31"})

			node, err := networkdb.Start(ctx, networkdb.Config{Name: "go", Bind: "127.0.0.1:0", Keys: [][]byte{key}})
			check.OK(t, err)
			defer node.Close()
			_, err = node.Join(ctx, addr)
			check.OK(t, err)
			synced, err := node.JoinNetwork(ctx, "web")
			if !synced || err != nil {
				t.Fatal(synced, err)
			}
			watch, err := node.Watch(networkdb.Filter{Network: "web", Table: "t"})
			check.OK(t, err)
			change, err := watch.Next(ctx)
			if err != nil || change.Key != "theirs" || string(change.Value) != "1" {
				t.Fatalf("%+v %v", change, err)
			}

			docker.ask(fields{"op": "watch", "network": "web", "table": "t"})
			check.OK(t, node.Create("web", "t", "ours", []byte("2")))
			docker.until("row of ours", func(line fields) bool {
				return line["event"] == "watch" && line["key"] == "ours" && line["value_hex"] == "32"
			})
			docker.ask(fields{"op": "delete", "network": "web", "table": "t", "key": "theirs"})
			change, err = watch.Next(ctx)
			if err != nil || change.Kind != networkdb.Removed || change.Key != "theirs" {
				t.Fatalf("%+v %v", change, err)
			}
			check.OK(t, node.Leave(ctx))
		})
	}
}

func TestHashicorpsMembersAndOneOfGosSpeak(t *testing.T) {
	for _, program := range []string{"memberlist04", "memberlist06"} {
		t.Run(program, func(t *testing.T) {
			check.Leaks(t)
			ctx := check.Context(t)
			theirs := start(t, program, "-name", "theirs", "-addr", "127.0.0.1:0", "-preset", "local")
			addr := theirs.event("ready")["addr"].(string)
			node, err := memberlist.Start(ctx, memberlist.Config{
				Name: "go", Bind: "127.0.0.1:0", Profile: memberlist.Local, Meta: []byte("meta"),
			})
			check.OK(t, err)
			defer node.Close()
			_, err = node.Join(ctx, addr)
			check.OK(t, err)
			theirs.until("member", func(line fields) bool { return line["kind"] == "join" && line["meta_hex"] == "6d657461" })
			check.OK(t, node.SendReliable(ctx, []byte("hello"), "theirs"))
			theirs.until("message", func(line fields) bool { return line["payload_hex"] == "68656c6c6f" })
			theirs.ask(fields{"op": "send", "to": "go", "payload_hex": "6869", "reliable": false})
			for event, err := range node.Events(ctx) {
				check.OK(t, err)
				if event.Kind == memberlist.Message && string(event.Data) == "hi" {
					break
				}
			}
			check.OK(t, node.Leave(ctx))
		})
	}
}

func TestAClientOnGosOwnGobFollowsAServer(t *testing.T) {
	for _, generation := range []string{"today", "3.2.5"} {
		t.Run(generation, func(t *testing.T) {
			check.Leaks(t)
			server, err := syncproto.Start(check.Context(t), syncproto.ServerConfig{Bind: "127.0.0.1:0"})
			check.OK(t, err)
			defer server.Close()
			publish := func(updates ...syncproto.Update) {
				_, err := server.Publish(syncproto.Felix, updates...)
				check.OK(t, err)
			}
			publish(syncproto.Update{Key: "/calico/v1/Ready", Value: []byte("true"), Revision: "5"})
			check.OK(t, server.SetStatus(syncproto.Felix, syncproto.InSync))
			client := start(t, "gob", "client", "--generation", generation, "--addr", server.Addr().String(), "--once")
			update := client.event("updates")["updates"].([]any)[0].(fields)
			if update["key"] != "/calico/v1/Ready" || update["value"] != "dHJ1ZQ==" {
				t.Fatal(update)
			}
			client.until("sync", func(line fields) bool { return line["event"] == "status" && line["status"] == 2.0 })
			publish(syncproto.Update{Key: "/calico/v1/Ready", Type: syncproto.UpdateDeleted})
			update = client.event("updates")["updates"].([]any)[0].(fields)
			if update["value"] != nil {
				t.Fatal(update)
			}
			check.OK(t, server.Close())
			client.event("end")
		})
	}
}

func TestAClientFollowsAServerOnGosOwnGob(t *testing.T) {
	for _, generation := range []string{"today", "3.2.5"} {
		t.Run(generation, func(t *testing.T) {
			check.Leaks(t)
			server := start(t, "gob", "server", "--generation", generation, "--kvs", "5000")
			follower, err := syncproto.Follow(syncproto.ClientConfig{
				Hostname: "go", Endpoints: []string{server.event("ready")["addr"].(string)}, AcceptOldServers: true,
			})
			check.OK(t, err)
			defer follower.Close()
			keys := 0
			for event, err := range follower.All(check.Context(t)) {
				check.OK(t, err)
				if event.Kind == syncproto.Updated {
					keys++
				}
				if event.Status == syncproto.InSync {
					break
				}
			}
			if keys != 5000 {
				t.Fatal(keys)
			}
		})
	}
}
