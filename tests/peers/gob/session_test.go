package main

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAClientGetsTheSnapshotAndWhatFollows(t *testing.T) {
	digests := map[any]string{}
	for _, mode := range []struct{ generation, flag string }{
		{"3.2.5", "--restart=true"}, {"today", "--restart=true"}, {"today", "--restart=false"}, {"today", "--snappy=false"},
	} {
		name := fmt.Sprint(mode)
		server, addr := startServer(t, "--generation", mode.generation, "--kvs", "2500")
		client := start(t, "client", "--generation", mode.generation, "--addr", addr, mode.flag)
		if first := client.event("updates")["updates"].([]any); len(first) != 100 && len(first) != 1000 {
			t.Errorf("%s: %d KVs in the first message", name, len(first))
		}
		client.synced()
		server.say(fields{"updates": []fields{
			{"key": "/calico/v1/Ready", "text": "true", "revision": "5", "type": 1, "ttl": 7},
			{"key": "/calico/v1/config/A", "type": 3},
		}})
		updates := client.event("updates")["updates"].([]any)
		want := `[map[key:/calico/v1/Ready revision:5 ttl:7 type:1 v3_version: value:dHJ1ZQ==] ` +
			`map[key:/calico/v1/config/A revision:<nil> ttl:0 type:3 v3_version: value:<nil>]]`
		if got := fmt.Sprint(updates); got != want {
			t.Errorf("%s: %s", name, got)
		}
		server.say(fields{"status": 1})
		client.until("the new status", func(line fields) bool { return line["status"] == 1.0 && line["local"] == nil })
		client.say(fields{"stop": true})
		end := client.event("end")
		if end["rows"] != 2501.0 || end["kvs"] != 2502.0 {
			t.Errorf("%s: %v", name, end)
		}
		digests[end["digest"]] = name
	}
	if len(digests) != 1 {
		t.Errorf("the clients hold different KVs: %v", digests)
	}
}

func TestAnEmptyWaitingCacheSaysNothingButPings(t *testing.T) {
	_, addr := startServer(t, "--ping-interval", "50ms")
	client := start(t, "client", "--addr", addr)
	client.event("ping")
	client.say(fields{"stop": true})
	if end := client.event("end"); end["messages"] != 0.0 || end["statuses"] != 0.0 || end["restarts"] != 2.0 {
		t.Error(end)
	}
}

func TestGenerationsAndUnknownSyncersAreRefused(t *testing.T) {
	for _, c := range []struct{ server, client, syncer, atClient, atServer string }{
		{"today", "3.2.5", "felix", "EOF", "the client does not know modern policy keys"},
		{"3.2.5", "today", "felix", "the server does not support node resource updates", "reading: EOF"},
		{"today", "today", "bgp", "EOF", "the client wants an unknown syncer"},
	} {
		server, addr := startServer(t, "--generation", c.server)
		client := start(t, "client", "--generation", c.client, "--addr", addr, "--syncer", c.syncer, "--once")
		if end := client.event("end"); end["reason"] != c.atClient {
			t.Errorf("%+v: the client says %q", c, end["reason"])
		}
		if gone := server.event("gone"); gone["reason"] != c.atServer {
			t.Errorf("%+v: the server says %q", c, gone["reason"])
		}
	}
}

func TestBothSidesWantACertificateOfTheRightNameOrURI(t *testing.T) {
	folder := t.TempDir()
	outputOf(t, nil, "certs", folder)
	identity := func(who string, more ...string) []string {
		path := filepath.Join(folder, who)
		return append([]string{"--cert", path + ".crt", "--key", path + ".key", "--ca", filepath.Join(folder, "ca.crt")}, more...)
	}
	const client, server = "typha-client", "typha-server"
	for _, c := range []struct {
		server, client []string
		works          bool
	}{
		{identity("server", "--client-cn", client), identity("client", "--server-cn", server), true},
		{identity("server", "--client-uri-san", "spiffe://test/felix"), identity("client", "--server-uri-san", "spiffe://test/typha"), true},
		{identity("server", "--client-cn", "another", "--client-uri-san", "spiffe://test/felix"), identity("client", "--server-cn", server), true},
		{identity("server", "--client-cn", "another"), identity("client", "--server-cn", server), false},
		{identity("server", "--client-cn", client), identity("client", "--server-cn", "another"), false},
		{identity("server", "--client-cn", client), identity("stranger", "--server-cn", server), false},
		{identity("server", "--client-cn", client), nil, false},
		{nil, identity("client", "--server-cn", server), false},
	} {
		_, addr := startServer(t, append(c.server, "--kvs", "1")...)
		client := start(t, append([]string{"client", "--addr", addr, "--once", "--until-synced", "--read-timeout", "1s"}, c.client...)...)
		end := client.event("end")
		if works := end["reason"] == errReached.Error(); works != c.works {
			t.Errorf("%v: %v", c, end)
		}
	}
}

func TestAClientThatDoesNotAnswerIsDropped(t *testing.T) {
	server, addr := startServer(t, "--ping-interval", "40ms", "--pong-timeout", "100ms")
	start(t, "client", "--addr", addr, "--no-pong", "--once")
	if gone := server.event("gone"); gone["reason"] != "no pong in time" {
		t.Error(gone)
	}
}

func TestClientsThatNeverReadDelayNoOther(t *testing.T) {
	_, addr := startServer(t, "--kvs", "20000")
	client := start(t, "client", "--addr", addr, "--clients", "4", "--never-read", "0.5", "--until-synced", "--quiet")
	if total := client.event("total"); total["synced"] != 2.0 || total["kvs"] != 40000.0 {
		t.Error(total)
	}
}

func TestADrainTakesAllBytesOfTheSnapshotAndThenWhatFollows(t *testing.T) {
	for _, flag := range []string{"--snappy=true", "--snappy=false"} {
		server, addr := startServer(t, "--kvs", "20000")
		reader := start(t, "client", "--addr", addr, "--until-synced", "--quiet", flag).event("end")
		snapshot := reader["restart_bytes"]
		if flag == "--snappy=false" {
			snapshot = reader["bytes"]
		}
		bytes := fmt.Sprintf("%.0f", snapshot)
		drain := start(t, "client", "--addr", addr, "--drain", flag, "--until-bytes", bytes, "--clients", "3")
		for range 3 {
			if drained := drain.event("drained"); drained["bytes"].(float64) < snapshot.(float64) {
				t.Errorf("%s: %v, not %v", flag, drained, snapshot)
			}
		}
		server.reports("report", "three and one snapshots sent", func(report fields) bool { return report["snapshots_sent"] == 4.0 })
		server.say(fields{"touch": 500})
		drain.reports("total", "bytes of the deltas", func(total fields) bool {
			return total["bytes"].(float64) > 3*snapshot.(float64)+3*500*100
		})
	}
}

func TestADroppedClientOfTodayConnectsAgain(t *testing.T) {
	server, addr := startServer(t, "--kvs", "10", "--drop-interval", "10ms")
	client := start(t, "client", "--addr", addr)
	client.synced()
	server.say(fields{"max_conns": 0})
	client.event("restarted")
	server.say(fields{"id": 9, "max_conns": 1})
	if reply := server.until("a reply", func(line fields) bool { return line["id"] == 9.0 }); reply["ok"] != true {
		t.Error(reply)
	}
	client.synced()
}

func TestSIGTERMDropsAllAndEndsWell(t *testing.T) {
	server, addr := startServer(t, "--shutdown-timeout", "1s")
	start(t, "client", "--addr", addr, "--clients", "3", "--once")
	server.reports("report", "three snapshots sent", func(report fields) bool { return report["snapshots_sent"] == 3.0 })
	server.signal(syscall.SIGTERM)
	for range 2 {
		if gone := server.event("gone"); gone["reason"] != "shutting down" {
			t.Error(gone)
		}
	}
	if err := <-server.done; err != nil {
		t.Error(err)
	}
}

func TestAMessageOfMoreThanAMebibyteEndsTheConnection(t *testing.T) {
	server, addr := startServer(t)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go conn.Write(append([]byte{0xfd, 0x20, 0, 0}, bytes.Repeat([]byte{1}, 0x200000)...))
	if gone := server.event("gone"); !strings.Contains(gone["reason"].(string), "the message is too large") {
		t.Error(gone)
	}
}

func TestPeersWithOtherStructsAreUnderstood(t *testing.T) {
	lines := []byte(`{"type":"MsgServerHello","msg":{"Version":"v"}}
{"type":"MsgKVs","msg":{"KVs":[{"Key":"/a","Value":"dg==","Revision":{"go_type":"string","value":"9"}},{"Key":"/b"}]}}
{"type":"MsgACK","msg":{}}
`)
	plain := withoutEnds(outputOf(t, outputOf(t, lines, "encode"), "decode"))
	for name := range variants {
		shown := withoutEnds(outputOf(t, outputOf(t, lines, "encode", "--variant", name), "decode"))
		if name == "unknown-message" {
			shown = strings.Replace(shown, `gob: name not registered for interface: \"`+
				`github.com/projectcalico/typha/pkg/syncproto.MsgFutureThing\"`, "EOF", 1)
		}
		if shown != plain {
			t.Errorf("%s: %s\nnot %s", name, shown, plain)
		}
	}
}

// withoutEnds leaves out where messages end, which is where variants differ.
func withoutEnds(lines []byte) string {
	var kept []string
	for line := range strings.SplitSeq(string(lines), "\n") {
		_, message, _ := strings.Cut(line, `"message":`)
		if message == "" {
			message = line
		}
		kept = append(kept, message)
	}
	return strings.Join(kept, "\n")
}
