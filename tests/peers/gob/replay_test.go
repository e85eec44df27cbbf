package main

import (
	"bufio"
	"encoding/json"
	"net"
	"reflect"
	"sync"
	"testing"
	"time"
)

// recordedMessage is a message of a capture.
type recordedMessage struct {
	Stream  int
	End     int
	Message struct {
		Type string
		Msg  map[string]any
	}
}

type capture struct{ Messages []recordedMessage }

// registerToday may be done once in this process.
var registerToday = sync.OnceFunc(generations[0].register)

func TestTheServerSaysOfTheSameKVsWhatTyphaSaid(t *testing.T) {
	registerToday()
	for _, name := range []string{"cap-head-plain", "cap-head-snappy", "cap-head-bulk-snappy"} {
		var want capture
		readVector(t, name+".s2c.json", &want)
		for i, message := range want.Messages {
			if message.Message.Type == "MsgSyncStatus" {
				want.Messages = want.Messages[:i+1]
				break
			}
		}
		got := listen(t, serveRecorded(t, want), spoken(t, name))
		if len(got) != len(want.Messages) {
			t.Fatalf("%s: %d messages, not %d", name, len(got), len(want.Messages))
		}
		hello := got[0].End - want.Messages[0].End // has a random number
		for i, message := range got[1:] {
			if message.Stream == 0 {
				message.End -= hello
			}
			if !reflect.DeepEqual(message, want.Messages[i+1]) {
				t.Errorf("%s, message %d: %.600v\nnot %.600v", name, i+1, message, want.Messages[i+1])
			}
		}
	}
}

// serveRecorded starts a server with the KVs of a recorded snapshot.
func serveRecorded(t *testing.T, recorded capture) (addr string) {
	server, addr := startServer(t, "--quiet")
	var updates []fields
	for _, message := range recorded.Messages {
		kvs, _ := message.Message.Msg["KVs"].([]any)
		for _, kv := range kvs {
			kv := kv.(map[string]any)
			updates = append(updates, fields{
				"key": kv["Key"], "value": kv["Value"], "revision": kv["Revision"], "v3_version": kv["V3ResourceVersion"],
				"ttl": kv["TTL"], "type": kv["UpdateType"],
			})
		}
	}
	server.say(fields{"updates": updates, "status": 2})
	server.reports("report", "all KVs", func(report fields) bool { return report["kvs"] == float64(len(updates)) && report["status"] == 2.0 })
	return addr
}

// spoken is what the recorded client said up to its last ACK.
func spoken(t *testing.T, name string) []byte {
	var client capture
	readVector(t, name+".c2s.json", &client)
	end := 0
	for _, message := range client.Messages {
		if message.Message.Type != "MsgPong" {
			end = message.End
		}
	}
	return vector(t, name+".c2s.bin")[:end]
}

// listen says this to a server and reads its messages up to the first status.
func listen(t *testing.T, addr string, say []byte) (heard []recordedMessage) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(deadline))
	if _, err := conn.Write(say); err != nil {
		t.Fatal(err)
	}
	decodeStreams(bufio.NewReader(conn), "", func(message decoded) {
		var shown recordedMessage
		line, _ := json.Marshal(message)
		json.Unmarshal(line, &shown)
		if heard = append(heard, shown); shown.Message.Type == "MsgSyncStatus" {
			conn.Close()
		}
	})
	return heard
}
