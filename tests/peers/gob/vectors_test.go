package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// files has the name of each generation in names of files.
var files = map[string]string{"today": "head", "3.2.5": "v3.2.5"}

type recorded struct {
	Messages []any  `json:"messages"`
	End      string `json:"end"`
}

// streamCase is a stream, and what the generations read of it.
type streamCase struct {
	Name        string          `json:"name"`
	Hex         string          `json:"hex"`
	File        string          `json:"file"`
	Messages    []any           `json:"messages"`
	DecodeEnd   string          `json:"decode_end"`
	EncodeError string          `json:"encode_error"`
	Old         json.RawMessage `json:"v3.2.5"`
	Head        json.RawMessage `json:"head"`
}

func (c *streamCase) bytes(t *testing.T) []byte {
	t.Helper()
	if c.File != "" {
		return vector(t, c.File)
	}
	stream, err := hex.DecodeString(c.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func singles(t *testing.T, generation string) (cases []streamCase) {
	var file struct {
		Cases []streamCase `json:"cases"`
	}
	readVector(t, "single-"+files[generation]+".json", &file)
	for _, c := range file.Cases {
		if c.EncodeError == "" {
			cases = append(cases, c)
		}
	}
	if len(cases) < 60 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

func TestSingleStreamsAreDecodedToTheRecordedMessages(t *testing.T) {
	for generation := range files {
		cases := singles(t, generation)
		for i, got := range decodeAllOf(t, generation, cases) {
			compare(t, cases[i].Name, recorded{cases[i].Messages, cases[i].DecodeEnd}, got)
		}
	}
}

func TestMessagesAreEncodedToTheBytesOfAFreshProcess(t *testing.T) {
	for generation := range files {
		for _, c := range singles(t, generation) {
			lines := bytes.TrimSpace(outputOf(t, c.bytes(t), "decode", "--generation", generation))
			lines = lines[:bytes.LastIndexByte(lines, '\n')+1]
			lines = unmistakable(c.Name, lines)
			if got := outputOf(t, lines, "encode", "--generation", generation); !bytes.Equal(got, c.bytes(t)) {
				t.Errorf("%s %s:\n%x, not\n%x", generation, c.Name, got, c.bytes(t))
			}
		}
	}
}

// unmistakable mends the one thing that the vectors' JSON does not tell: empty bytes from nothing.
func unmistakable(name string, lines []byte) []byte {
	key := `"Key":"/k/bytes_empty"`
	if name == "revision_bytes_empty" {
		key = `"Key":"/k"`
	}
	told := key + `,"Revision":{"go_type":"[]uint8","value":""}`
	return bytes.ReplaceAll(lines, []byte(key+`,"Revision":null`), []byte(told))
}

func TestReactionsAreThoseOfTheRealDecoders(t *testing.T) {
	for _, file := range []string{"evolved.json", "malformed.json"} {
		var all struct {
			Cases []streamCase `json:"cases"`
		}
		readVector(t, file, &all)
		for generation, key := range files {
			for i, got := range decodeAllOf(t, generation, all.Cases) {
				c := all.Cases[i]
				reaction := c.Old
				if key == "head" && string(c.Head) != `"same"` {
					reaction = c.Head
				}
				var want recorded
				if err := json.Unmarshal(reaction, &want); err != nil {
					t.Fatal(err)
				}
				want.End = strings.ReplaceAll(want.End, "api.", "syncproto.") // where some types are declared
				compare(t, generation+" "+c.Name, want, got)
			}
		}
	}
}

func TestCapturesAreDecodedOverRestartsAndPlainOnesEncodedAgain(t *testing.T) {
	for _, capture := range []struct{ name, c2s, s2c string }{
		{"v3.2.5", "3.2.5", "3.2.5"},
		{"v3.2.5-small-msgs", "3.2.5", "3.2.5"},
		{"head-plain", "today", "today"},
		{"head-snappy", "today", "today"},
		{"head-bulk-snappy", "today", "today"},
		{"head-empty-bgp", "today", "today"},
		{"head-unknown-syncer", "today", "today"},
		{"head-server-v3.2.5-client", "3.2.5", "today"},
		{"v3.2.5-server-head-client", "today", "3.2.5"},
	} {
		checkCapture(t, "cap-"+capture.name+".c2s", capture.c2s)
		checkCapture(t, "cap-"+capture.name+".s2c", capture.s2c)
	}
}

func checkCapture(t *testing.T, name, generation string) {
	var want struct {
		Streams  []any  `json:"streams"`
		Messages []any  `json:"messages"`
		Error    string `json:"error"`
	}
	readVector(t, name+".json", &want)
	raw := vector(t, name+".bin")
	lines := bytes.SplitAfter(bytes.TrimSpace(outputOf(t, raw, "decode", "--generation", generation)), []byte("\n"))
	got := recorded{}
	for _, line := range lines[:len(lines)-1] {
		var message any
		if err := json.Unmarshal(line, &message); err != nil {
			t.Fatal(err)
		}
		got.Messages = append(got.Messages, message)
	}
	var last struct{ Error string }
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil {
		t.Fatal(err)
	}
	got.End = last.Error
	compare(t, name, recorded{want.Messages, want.Error}, got)
	if len(want.Streams) != 1 {
		return
	}
	written := outputOf(t, bytes.Join(lines[:len(lines)-1], nil), "encode", "--generation", generation)
	if !bytes.Equal(written, raw) {
		t.Errorf("%s is not encoded to its bytes", name)
	}
}

func TestMutationsAreJudgedAsRecorded(t *testing.T) {
	for generation, key := range files {
		var file struct {
			Bases []mutated `json:"bases"`
		}
		readVector(t, "mutations-"+key+".json", &file)
		for _, base := range file.Bases {
			base.check(t, generation)
		}
	}
}

type mutated struct {
	Base        string   `json:"base"`
	Hex         string   `json:"hex"`
	Truncations [][3]any `json:"truncations_[length,messages,end]"`
	Changes     []struct {
		Offset   int    `json:"offset"`
		Value    byte   `json:"value"`
		End      string `json:"end"`
		Messages any    `json:"messages"`
	} `json:"byte_changes"`
}

func (m *mutated) check(t *testing.T, generation string) {
	whole, err := hex.DecodeString(m.Hex)
	if err != nil {
		t.Fatal(err)
	}
	var cases []streamCase
	var ends []string
	var counts []int
	for _, cut := range m.Truncations {
		length := int(cut[0].(float64))
		cases = append(cases, streamCase{Name: fmt.Sprintf("%s cut to %d", m.Base, length), Hex: m.Hex[:2*length]})
		ends, counts = append(ends, cut[2].(string)), append(counts, int(cut[1].(float64)))
	}
	for _, change := range m.Changes {
		stream := bytes.Clone(whole)
		stream[change.Offset] = change.Value
		name := fmt.Sprintf("%s with %d at %d", m.Base, change.Value, change.Offset)
		cases = append(cases, streamCase{Name: name, Hex: hex.EncodeToString(stream)})
		count := 1 // unchanged
		if list, ok := change.Messages.([]any); ok {
			count = len(list)
		}
		ends, counts = append(ends, change.End), append(counts, count)
	}
	for i, got := range decodeAllOf(t, generation, cases) {
		if (got.End == "EOF") != (ends[i] == "EOF") || len(got.Messages) != counts[i] {
			t.Errorf("%s %s: %d messages and %q, not %d and %q", generation, cases[i].Name, len(got.Messages), got.End, counts[i], ends[i])
		}
	}
}

// decodeAllOf has one process read all streams.
func decodeAllOf(t *testing.T, generation string, cases []streamCase) (results []recorded) {
	t.Helper()
	var input bytes.Buffer
	for _, c := range cases {
		fmt.Fprintf(&input, "%x\n", c.bytes(t))
	}
	decoder := json.NewDecoder(bytes.NewReader(outputOf(t, input.Bytes(), "decode", "--generation", generation, "--lines")))
	for decoder.More() {
		var result recorded
		if err := decoder.Decode(&result); err != nil {
			t.Fatal(err)
		}
		results = append(results, result)
	}
	if len(results) != len(cases) {
		t.Fatalf("%d answers to %d streams", len(results), len(cases))
	}
	return results
}

func compare(t *testing.T, name string, want, got recorded) {
	t.Helper()
	if want.End != got.End || !alike(want.Messages, got.Messages) {
		t.Errorf("%s: %.900v, not %.900v", name, got, want)
	}
}

// alike compares JSON. Long texts of the vectors are cut, with their length and checksum beside them.
func alike(want, got any) bool {
	switch want := want.(type) {
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return len(want) == 0 && got == nil
		}
		for i := range want {
			if !alike(want[i], list[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		object, ok := got.(map[string]any)
		return ok && alikeObjects(want, object)
	}
	return reflect.DeepEqual(want, got)
}

func alikeObjects(want, got map[string]any) bool {
	fields := 0
	for name, value := range want {
		if strings.HasSuffix(name, "_text_len") || strings.HasSuffix(name, "_sha256_of_text") {
			continue
		}
		fields++
		if checksum, cut := want[name+"_sha256_of_text"]; cut {
			text, _ := got[name].(string)
			if fmt.Sprintf("%x", sha256.Sum256([]byte(text))) != checksum {
				return false
			}
		} else if !alike(value, got[name]) {
			return false
		}
	}
	return fields == len(got)
}
