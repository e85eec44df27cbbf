package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// serverConfig has Typha's settings. What is zero becomes the generation's own default.
type serverConfig struct {
	generation     generation
	listen         string
	syncers        string
	version        string
	snappy         bool
	quiet          bool
	identity       *identity
	messageSize    int
	batchSize      int
	maxConns       int
	writeBuffer    int
	ping, pong     time.Duration
	handshake      time.Duration
	write          time.Duration
	fallBehind     time.Duration
	grace          time.Duration
	batchingAge    time.Duration
	binarySnapshot time.Duration
	drop, shutdown time.Duration
}

func (c *serverConfig) flags(flags *flag.FlagSet) {
	c.generation = generations[0]
	flags.Var(&c.generation, "generation", "today or 3.2.5")
	flags.StringVar(&c.listen, "listen", "127.0.0.1:0", "where to listen")
	flags.StringVar(&c.syncers, "syncer", string(syncproto.Felix), "syncers with a cache, by comma; the first is meant where none is named")
	flags.StringVar(&c.version, "version", "", "what the hello says")
	flags.BoolVar(&c.snappy, "snappy", true, "compress for clients that can")
	flags.BoolVar(&c.quiet, "quiet", false, "no lines about connections")
	c.identity = identityFlags(flags, "client")
	flags.IntVar(&c.messageSize, "max-message-size", 100, "KVs in a message")
	flags.IntVar(&c.batchSize, "max-batch-size", 100, "updates in a breadcrumb")
	flags.IntVar(&c.maxConns, "max-conns", 1<<31-1, "connections above which one is dropped now and then")
	flags.IntVar(&c.writeBuffer, "write-buffer", 0, "bytes of the socket's send buffer")
	flags.DurationVar(&c.ping, "ping-interval", 10*time.Second, "between pings, up to a tenth more")
	flags.DurationVar(&c.pong, "pong-timeout", 60*time.Second, "without a pong")
	flags.DurationVar(&c.handshake, "handshake-timeout", 0, "for the hello")
	flags.DurationVar(&c.write, "write-timeout", 0, "for a write")
	flags.DurationVar(&c.fallBehind, "max-fall-behind", 0, "age of a breadcrumb at which its client is dropped")
	flags.DurationVar(&c.grace, "grace-period", 0, "after the snapshot, in which it is not")
	flags.DurationVar(&c.batchingAge, "min-batching-age", 10*time.Millisecond, "age from which breadcrumbs are gathered")
	flags.DurationVar(&c.binarySnapshot, "binary-snapshot-timeout", time.Second, "validity of a binary snapshot at least")
	flags.DurationVar(&c.drop, "drop-interval", time.Second, "between drops for max-conns")
	flags.DurationVar(&c.shutdown, "shutdown-timeout", 300*time.Second, "in which all connections are dropped after SIGTERM")
}

func (c *serverConfig) complete() {
	defaults := map[*time.Duration][2]time.Duration{ // 3.2.5, today
		&c.handshake:  {60 * time.Second, 10 * time.Second},
		&c.write:      {0, 120 * time.Second},
		&c.fallBehind: {90 * time.Second, 300 * time.Second},
		&c.grace:      {0, 300 * time.Second},
	}
	for setting, values := range defaults {
		if *setting == 0 {
			*setting = values[0]
			if c.generation.modern {
				*setting = values[1]
			}
		}
	}
	if c.version == "" {
		c.version = c.generation.version
	}
	if c.pong <= 2*c.ping {
		c.pong = 6 * c.ping
	}
}

type server struct {
	serverConfig
	caches    map[syncproto.SyncerType]*cache
	snapshots map[syncproto.SyncerType]*binarySnapshots
	first     syncproto.SyncerType
	sent      atomic.Int64 // snapshots, each to one client
	limit     atomic.Int64 // of connections

	lock        sync.Mutex
	connections map[uint64]*connection
}

func runServer(flags *flag.FlagSet, arguments []string) error {
	var config serverConfig
	config.flags(flags)
	synthetic := flags.Int("kvs", 0, "synthetic workload endpoints to begin with")
	valueBytes := flags.Int("value-bytes", 0, "bytes of their values; 0: so that each KV takes 804 bytes")
	small := flags.Bool("small", false, "config values instead, 88 bytes each")
	flags.Parse(arguments)
	config.complete()
	config.generation.register()
	settings, err := config.identity.config()
	if err != nil {
		return err
	}
	s := newServer(config)
	work := &orders{server: s, workload: newWorkload(*small, *valueBytes), kvs: *synthetic}
	work.load()
	listener, err := net.Listen("tcp", config.listen)
	if err != nil {
		return err
	}
	if settings != nil {
		listener = tls.NewListener(listener, settings)
	}
	emit(fields{"event": "ready", "addr": listener.Addr().String(), "generation": config.generation.name})
	go work.obey(os.Stdin)
	go s.govern()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { listener.Close() })
	s.accept(listener)
	s.dropAll()
	return nil
}

func newServer(config serverConfig) *server {
	s := &server{
		serverConfig: config,
		caches:       map[syncproto.SyncerType]*cache{},
		snapshots:    map[syncproto.SyncerType]*binarySnapshots{},
		connections:  map[uint64]*connection{},
	}
	s.limit.Store(int64(config.maxConns))
	for name := range strings.SplitSeq(config.syncers, ",") {
		syncer := syncproto.SyncerType(name)
		if s.first == "" {
			s.first = syncer
		}
		s.caches[syncer] = newCache(config.batchSize)
		s.snapshots[syncer] = &binarySnapshots{cache: s.caches[syncer], validity: config.binarySnapshot, timeout: config.write}
	}
	return s
}

// accept takes connections until the listener is closed.
func (s *server) accept(listener net.Listener) {
	next := uint64(rand.Uint32())<<32 | 1
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if secured, ok := conn.(*tls.Conn); ok && !s.generation.modern {
			secured.Handshake() // an error comes again at the first read
		}
		if tcp, ok := plainConn(conn).(*net.TCPConn); ok && s.writeBuffer > 0 {
			tcp.SetWriteBuffer(s.writeBuffer)
		}
		c := newConnection(s, next, conn)
		next++
		s.lock.Lock()
		s.connections[c.id] = c
		s.lock.Unlock()
		go c.run()
	}
}

func plainConn(conn net.Conn) net.Conn {
	if secured, ok := conn.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return conn
}

func (s *server) forget(c *connection) {
	s.lock.Lock()
	defer s.lock.Unlock()
	delete(s.connections, c.id)
}

func (s *server) size() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return len(s.connections)
}

// dropOne ends any connection.
func (s *server) dropOne(why string) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, c := range s.connections {
		c.cancel(errors.New(why))
		return
	}
}

// govern drops a connection now and then while there are too many.
func (s *server) govern() {
	for range jittered(context.Background(), s.drop, s.drop/10) {
		if int64(s.size()) > s.limit.Load() {
			s.dropOne("too many connections")
		}
	}
}

// dropAll spreads the end of the connections over the time there is. Typha 3.2.5 just ended.
func (s *server) dropAll() {
	open := s.size()
	if !s.generation.modern || open == 0 {
		return
	}
	interval := min(s.shutdown*95/100/time.Duration(open), time.Second)
	for range jittered(context.Background(), interval*95/100, interval/10) {
		open = s.size()
		if s.dropOne("shutting down"); open <= 1 {
			return
		}
	}
}

// tell reports what happened to a connection.
func (s *server) tell(c *connection, event string, more fields) {
	if s.quiet {
		return
	}
	more["event"], more["connection"] = event, fmt.Sprint(c.id)
	emit(more)
}
