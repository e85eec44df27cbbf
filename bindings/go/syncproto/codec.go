package syncproto

import (
	"encoding/hex"
	"encoding/json"
	"runtime"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
)

// MessageType says what a message is.
type MessageType string

// The messages.
const (
	ClientHello    MessageType = "client_hello"
	ServerHello    MessageType = "server_hello"
	DecoderRestart MessageType = "decoder_restart"
	Ack            MessageType = "ack"
	Status         MessageType = "status"
	Ping           MessageType = "ping"
	Pong           MessageType = "pong"
	KVs            MessageType = "kvs"
	Nil            MessageType = "nil"
)

// Message is a message of the sync protocol.
type Message struct {
	Type MessageType
	// Hostname, Info are of a ClientHello; Version, SyncerType of both hellos.
	Hostname, Info, Version string
	SyncerType              SyncerType
	// Compression is of a DecoderRestart: what lies around the stream from there on, or nothing.
	Compression string
	// Status is of a Status.
	Status SyncStatus
	// Updates are of KVs.
	Updates []Update
}

// Decoder takes the messages out of the bytes of one connection, in one direction, however they are cut, through snappy and every
// restart. It has no sockets and no goroutines. One goroutine at a time.
type Decoder struct {
	node       ndb.Node
	once       *sync.Once
	fromClient bool
}

// NewDecoder is a decoder at the beginning of what a server sends.
func NewDecoder() (*Decoder, error) {
	return newDecoder(false)
}

// NewClientDecoder is a decoder at the beginning of what a client sends.
func NewClientDecoder() (*Decoder, error) {
	return newDecoder(true)
}

func newDecoder(fromClient bool) (*Decoder, error) {
	node, err := ndb.New(ndb.Codec, nil, nil, 0)
	if err != nil {
		return nil, err
	}
	d := &Decoder{node: node, once: new(sync.Once), fromClient: fromClient}
	once := d.once
	runtime.AddCleanup(d, func(node ndb.Node) { free(once, node) }, node)
	return d, nil
}

func free(once *sync.Once, node ndb.Node) {
	// It can only be closed already, which it is not.
	once.Do(func() { _ = node.Free() })
}

// Close frees the decoder. Closing twice does no harm, and one that is no longer reachable is closed in time.
func (d *Decoder) Close() error {
	free(d.once, d.node)
	return nil
}

// Feed takes the next bytes, and gives the messages that end in them. ErrMalformed: the bytes are no such stream, which ends it;
// the error is given again at each further call.
func (d *Decoder) Feed(bytes []byte) ([]Message, error) {
	defer runtime.KeepAlive(d)
	var answer struct{ Messages []jsonMessage }
	request := op{"op": "sync_feed", "bytes_hex": hex.EncodeToString(bytes), "from_client": d.fromClient}
	if err := ask(d.node, request, &answer); err != nil {
		return nil, err
	}
	messages := make([]Message, len(answer.Messages))
	for i := range answer.Messages {
		var err error
		if messages[i], err = answer.Messages[i].message(); err != nil {
			return nil, err
		}
	}
	return messages, nil
}

// Encode is a stream with updates in it, and then a status unless that is negative: what a server sends after the hellos. Keys and
// values have to be text, as those of Typha are; else ErrInvalid.
func Encode(updates []Update, status SyncStatus) ([]byte, error) {
	given := make([]op, len(updates))
	for i, update := range updates {
		if !utf8.ValidString(update.Key) || !utf8.Valid(update.Value) {
			return nil, ndb.Failed(ndb.Invalid, "a key or value is no text")
		}
		given[i] = op{"key": update.Key, "version": update.Version, "ttl_ns": update.TTL, "update_type": update.Type}
		if update.Value != nil {
			given[i]["value"] = string(update.Value)
		}
		if update.Revision != "" {
			given[i]["revision"] = update.Revision
		}
	}
	request := op{"op": "sync_encode", "updates": given}
	if status >= 0 {
		request["status"] = status
	}
	node, err := ndb.New(ndb.Codec, nil, nil, 0)
	if err != nil {
		return nil, err
	}
	defer node.Free()
	var answer struct {
		Stream string `json:"stream_hex"`
	}
	if err := ask(node, request, &answer); err != nil {
		return nil, err
	}
	return hex.DecodeString(answer.Stream)
}

func ask(node ndb.Node, request op, answer any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	given, err := node.Command(0, text)
	if err != nil {
		return err
	}
	return json.Unmarshal(given, answer)
}

// jsonMessage is a message in the library's names. What is no text is in hex beside it.
type jsonMessage struct {
	Type        MessageType
	Hostname    string
	Info        string
	Version     string
	SyncerType  SyncerType `json:"syncer_type"`
	Compression string
	Status      SyncStatus
	Updates     []jsonUpdate
}

type jsonUpdate struct {
	Key         string
	KeyHex      string  `json:"key_hex"`
	ValueHex    *string `json:"value_hex"`
	Revision    string
	RevisionHex string `json:"revision_hex"`
	Version     string
	VersionHex  string        `json:"version_hex"`
	TTL         time.Duration `json:"ttl_ns"`
	Type        UpdateType    `json:"update_type"`
}

func (m *jsonMessage) message() (Message, error) {
	message := Message{
		Type: m.Type, Hostname: m.Hostname, Info: m.Info, Version: m.Version, SyncerType: m.SyncerType,
		Compression: m.Compression, Status: m.Status,
	}
	for i := range m.Updates {
		update, err := m.Updates[i].update()
		if err != nil {
			return Message{}, err
		}
		message.Updates = append(message.Updates, update)
	}
	return message, nil
}

func (u *jsonUpdate) update() (Update, error) {
	update := Update{
		Key: named(u.Key, u.KeyHex), Revision: named(u.Revision, u.RevisionHex), Version: named(u.Version, u.VersionHex),
		TTL: u.TTL, Type: u.Type,
	}
	if u.ValueHex == nil {
		return update, nil
	}
	value, err := hex.DecodeString(*u.ValueHex)
	update.Value = value
	return update, err
}

// named is a name that is given as text, and in hex if it is none.
func named(text, inHex string) string {
	if bytes, err := hex.DecodeString(inHex); err == nil && inHex != "" {
		return string(bytes)
	}
	return text
}
