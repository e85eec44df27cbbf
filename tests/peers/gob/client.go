package main

import (
	"context"
	"crypto/tls"
	"encoding/gob"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/golang/snappy"
	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

const dialTimeout = 10 * time.Second

// clientConfig is what all clients of a process have in common.
type clientConfig struct {
	generation    generation
	addr          string
	hello         syncproto.MsgClientHello
	snappy        bool
	identity      *identity
	tls           *tls.Config
	read, write   time.Duration
	readBuffer    int
	quiet, state  bool
	once, noPong  bool
	pause         time.Duration
	quietAfter    time.Duration
	untilSynced   bool
	untilKVs      int
	untilMessages int
	untilBytes    int64
}

func (c *clientConfig) flags(flags *flag.FlagSet) {
	c.generation = generations[0]
	flags.Var(&c.generation, "generation", "today or 3.2.5")
	flags.StringVar(&c.addr, "addr", "", "the server's address")
	flags.StringVar(&c.hello.Hostname, "hostname", "node-1", "of the hello; with several clients a number follows")
	flags.StringVar(&c.hello.Info, "info", "a test", "of the hello")
	flags.StringVar(&c.hello.Version, "version", "", "of the hello")
	flags.Func("syncer", "of the hello", func(name string) error {
		c.hello.SyncerType = syncproto.SyncerType(name)
		return nil
	})
	flags.BoolVar(&c.hello.SupportsDecoderRestart, "restart", true, "the hello says that the decoder can restart")
	flags.BoolVar(&c.hello.SupportsModernPolicyKeys, "modern-keys", true, "the hello says that new policy keys are known")
	flags.BoolVar(&c.snappy, "snappy", true, "the hello names snappy")
	c.identity = identityFlags(flags, "server")
	flags.DurationVar(&c.read, "read-timeout", 30*time.Second, "for each message")
	flags.DurationVar(&c.write, "write-timeout", 10*time.Second, "for a write")
	flags.IntVar(&c.readBuffer, "read-buffer", 0, "bytes of the socket's receive buffer")
	flags.BoolVar(&c.quiet, "quiet", false, "no lines about messages")
	flags.BoolVar(&c.state, "state", true, "keep the KVs, for the digest; false with several clients unless given")
	flags.BoolVar(&c.once, "once", false, "do not connect again; 3.2.5 never does")
	flags.BoolVar(&c.noPong, "no-pong", false, "leave pings unanswered")
	flags.DurationVar(&c.pause, "pause", 0, "after each message, before the next is read")
	flags.DurationVar(&c.quietAfter, "quiet-after", 500*time.Millisecond, "silence that ends what drain measures")
	flags.BoolVar(&c.untilSynced, "until-synced", false, "end when in sync")
	flags.IntVar(&c.untilKVs, "until-kvs", 0, "end after so many KVs")
	flags.IntVar(&c.untilMessages, "until-messages", 0, "end after so many messages with KVs")
	flags.Int64Var(&c.untilBytes, "until-bytes", 0, "end after so many bytes")
}

// complete says what follows from the flags.
func (c *clientConfig) complete() (err error) {
	if c.addr == "" {
		return errors.New("-addr is missing")
	}
	if c.hello.Version == "" {
		c.hello.Version = c.generation.version
	}
	if c.hello.SyncerType == "" {
		c.hello.SyncerType = syncproto.Felix
	}
	if c.snappy {
		c.hello.SupportedCompressionAlgorithms = []syncproto.CompressionAlgorithm{syncproto.Snappy}
	}
	c.tls, err = c.identity.config()
	return err
}

// hasEnd says whether a client ends by itself in the end.
func (c *clientConfig) hasEnd() bool {
	return c.untilSynced || c.untilKVs > 0 || c.untilMessages > 0 || c.untilBytes > 0
}

var (
	errReached = errors.New("reached what it was to reach")
	connID     atomic.Uint64
)

func init() { connID.Store(uint64(rand.Uint32()) << 32) }

// client is one connection after the other.
type client struct {
	*clientConfig
	number int
	counts counts
	rows   map[string]syncproto.SerializedUpdate

	conn    net.Conn
	from    io.Reader // the connection, counted
	encoder *gob.Encoder
	decoder *gob.Decoder
}

func (c *client) tell(event string, more fields) {
	if !c.quiet {
		more["event"], more["client"] = event, c.number
		emit(more)
	}
}

// connect says hello to the server.
func (c *client) connect(ctx context.Context) (err error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	if c.conn, err = dialer.DialContext(ctx, "tcp", c.addr); err != nil {
		return err
	}
	if c.readBuffer > 0 {
		c.conn.(*net.TCPConn).SetReadBuffer(c.readBuffer)
	}
	if c.tls != nil {
		secured := tls.Client(c.conn, c.tls)
		c.conn = secured
		if err := secured.HandshakeContext(ctx); err != nil {
			return err
		}
	}
	c.counts.connect()
	if c.state {
		c.rows = map[string]syncproto.SerializedUpdate{}
	}
	if c.generation.modern {
		c.tell("status", fields{"status": syncproto.ResyncInProgress, "local": true})
	}
	c.from = readCounter{c.conn, &c.counts.bytes}
	c.encoder = gob.NewEncoder(c.conn)
	c.decoder = gob.NewDecoder(c.from)
	hello := c.hello
	hello.ClientConnID = connID.Add(1)
	return c.say(hello)
}

func (c *client) say(message any) error {
	c.conn.SetWriteDeadline(time.Now().Add(c.write))
	return c.encoder.Encode(&syncproto.Envelope{Message: c.generation.say(message)})
}

func (c *client) hear() (any, error) {
	c.conn.SetReadDeadline(time.Now().Add(c.read))
	var envelope syncproto.Envelope
	if err := c.decoder.Decode(&envelope); err != nil {
		return nil, err
	}
	return c.generation.hear(envelope.Message), nil
}

// session is one connection, from the hello to the reason of its end.
func (c *client) session(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	defer c.conn.Close()
	if c.generation.modern {
		if err := c.hearHello(); err != nil {
			return err
		}
	}
	for {
		message, err := c.hear()
		if err != nil {
			return err
		}
		if err := c.take(message); err != nil {
			return err
		}
		if c.reached() {
			return errReached
		}
		time.Sleep(c.pause)
	}
}

// hearHello wants the server's hello first, and one that suits.
func (c *client) hearHello() error {
	message, err := c.hear()
	if err != nil {
		return err
	}
	hello, ok := message.(syncproto.MsgServerHello)
	if !ok {
		return fmt.Errorf("the server began with a %T", message)
	}
	c.tell("hello", fields{"hello": show(hello)["msg"]})
	if !hello.SupportsNodeResourceUpdates {
		return errors.New("the server does not support node resource updates")
	}
	syncer := hello.SyncerType
	if syncer == "" {
		syncer = syncproto.Felix
	}
	if syncer != c.hello.SyncerType {
		return fmt.Errorf("the server's syncer is %q", syncer)
	}
	return nil
}

func (c *client) take(message any) error {
	switch m := message.(type) {
	case syncproto.MsgSyncStatus:
		c.counts.status(m.SyncStatus)
		c.tell("status", fields{"status": m.SyncStatus, "bytes": c.counts.bytes.Load()})
	case syncproto.MsgPing:
		c.tell("ping", fields{"pings": c.counts.pings.Add(1), "timestamp": showTime(m.Timestamp)})
		if !c.noPong {
			return c.say(syncproto.MsgPong{PingTimestamp: m.Timestamp})
		}
	case syncproto.MsgKVs:
		c.counts.updates(len(m.KVs))
		c.store(m.KVs)
		c.tell("updates", fields{"updates": c.shown(m.KVs)})
	case syncproto.MsgDecoderRestart:
		return c.restart(m)
	case syncproto.MsgServerHello:
		if c.generation.modern {
			return errors.New("a second hello")
		}
		c.tell("hello", fields{"hello": show(c.generation.say(m))["msg"]})
	default:
		return fmt.Errorf("the server sent a %T", message)
	}
	return nil
}

// restart begins to read a new stream, and says so. One of an unknown compression is not begun.
func (c *client) restart(m syncproto.MsgDecoderRestart) error {
	c.counts.restart()
	c.tell("restart", fields{"algorithm": m.CompressionAlgorithm, "text": m.Message, "bytes": c.counts.bytes.Load()})
	switch m.CompressionAlgorithm {
	case "":
		c.decoder = gob.NewDecoder(c.from)
	case syncproto.Snappy:
		c.decoder = gob.NewDecoder(snappy.NewReader(c.from))
	}
	return c.say(syncproto.MsgACK{})
}

func (c *client) reached() bool {
	return c.untilSynced && c.counts.synced.Load() != 0 || c.untilKVs > 0 && c.counts.kvs.Load() >= int64(c.untilKVs) ||
		c.untilMessages > 0 && c.counts.messages.Load() >= int64(c.untilMessages) ||
		c.untilBytes > 0 && c.counts.bytes.Load() >= c.untilBytes
}

func (c *client) store(kvs []syncproto.SerializedUpdate) {
	if c.rows == nil {
		return
	}
	for _, kv := range kvs {
		if len(kv.Value) == 0 {
			delete(c.rows, kv.Key)
		} else {
			c.rows[kv.Key] = kv
		}
	}
}

// shownUpdate is a KV as it came. The revision is the text the clients make of it.
type shownUpdate struct {
	Key       string               `json:"key"`
	Value     []byte               `json:"value"`
	Revision  string               `json:"revision"`
	V3Version string               `json:"v3_version"`
	TTL       time.Duration        `json:"ttl"`
	Type      syncproto.UpdateType `json:"type"`
}

func (c *client) shown(kvs []syncproto.SerializedUpdate) []shownUpdate {
	if c.quiet {
		return nil
	}
	list := make([]shownUpdate, 0, len(kvs))
	for _, kv := range kvs {
		revision := revisionText(kv.Revision)
		list = append(list, shownUpdate{kv.Key, kv.Value, revision, kv.V3ResourceVersion, kv.TTL, kv.UpdateType})
	}
	return list
}
