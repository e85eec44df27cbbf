package syncproto

import (
	"cmp"
	"math"
	"runtime"
	"sync"

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

// Feed takes the next bytes, and gives the messages that end in them. ErrMalformed, after the messages before it: the bytes are no such
// stream, which ends it; the error is given again at each further call.
func (d *Decoder) Feed(bytes []byte) ([]Message, error) {
	defer runtime.KeepAlive(d)
	malformed := d.node.SyncDecode(bytes, d.fromClient)
	messages, err := d.take()
	return messages, cmp.Or(malformed, err)
}

// take takes the messages that were read.
func (d *Decoder) take() ([]Message, error) {
	var messages []Message
	for {
		event, err := d.node.NextEvent()
		switch {
		case err == ndb.Empty:
			return messages, nil
		case err != nil:
			return messages, err
		case event.Kind == ndb.EventUpdate || event.Kind == ndb.EventDeletion:
			last := &messages[len(messages)-1]
			last.Updates = append(last.Updates, updateOf(event))
		default:
			messages = append(messages, messageOf(event))
		}
	}
}

// messageOf is a message as the library tells it; its updates follow.
func messageOf(event *ndb.Event) Message {
	message := Message{Type: messageTypes[event.Kind]}
	switch message.Type {
	case ClientHello:
		message.Hostname, message.Info = event.Key, event.Text
		message.Version, message.SyncerType = string(event.Value), event.Table
	case ServerHello:
		message.Version, message.SyncerType = string(event.Value), event.Table
	case DecoderRestart:
		message.Compression = event.Key
	case Status:
		message.Status = SyncStatus(event.Number)
	case KVs:
		message.Updates = make([]Update, 0, event.Number)
	}
	return message
}

var messageTypes = map[ndb.EventKind]MessageType{
	ndb.EventClientHello: ClientHello, ndb.EventServerHello: ServerHello, ndb.EventRestart: DecoderRestart, ndb.EventAck: Ack,
	ndb.EventStatus: Status, ndb.EventPing: Ping, ndb.EventPong: Pong, ndb.EventUpdates: KVs, ndb.EventNil: Nil,
}

// Encode is a stream with updates in it, and then a status unless that is negative: what a server sends after the hellos. ErrInvalid: there
// is no such status.
func Encode(updates []Update, status SyncStatus) ([]byte, error) {
	return ndb.SyncEncode(raw(updates), int32(min(status, math.MaxInt32)))
}
