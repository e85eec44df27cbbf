package networkdb

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/networkdb/networkdb/bindings/go/internal/host"
	"github.com/networkdb/networkdb/bindings/go/internal/settings"
)

// Transport is what a node speaks on in place of sockets that it binds itself.
//
// They belong to the node from a successful start on, and are closed with it. WriteTo of Packets must not keep the bytes and
// should not block; a [*net.UDPConn] moves several packets a call where the system can. Connections that have CloseWrite, as those
// of TCP and TLS do, can end one way and be read on. For TLS, give a [crypto/tls.Listener] and the DialContext of a
// [crypto/tls.Dialer]; packets are sealed by the node's keys.
type Transport struct {
	// Packets carry gossip. Needed by nodes, not by servers and clients of the sync protocol.
	Packets net.PacketConn
	// Listener takes streams of others.
	Listener net.Listener
	// Dial opens streams to others; the network is "tcp". Without it nobody is dialled.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Gossip are settings of membership that are seldom changed. What is zero is the peer's default; a negative time turns off what
// can be turned off.
type Gossip struct {
	// PacketSize is the bytes of one packet.
	PacketSize int
	// NoCompression sends nothing compressed.
	NoCompression bool
	// Interval is the longest time between rounds of gossip.
	Interval time.Duration
	// Nodes is how many members are told in one round.
	Nodes int
	// ProbeInterval is the time between probes. Negative: there are none.
	ProbeInterval time.Duration
	// ProbeTimeout is how long a probe waits before it asks others.
	ProbeTimeout time.Duration
	// PushPullInterval is the time between push/pulls. Negative: there are none.
	PushPullInterval time.Duration
	// StreamTimeout is the deadline of one exchange over a stream.
	StreamTimeout time.Duration
}

// Config is what a node is started with. What is left out is Docker's default.
type Config struct {
	// Name is the node's name, unique in the cluster.
	Name string
	// Bind is the HOST:PORT of its sockets, packets and streams alike; port 0 for any. Not with Transport.
	Bind string
	// Advertise is where others reach it; what is left out of it is taken from what the node is bound to.
	Advertise netip.AddrPort
	// Keys encrypt all that is said, with 16, 24 or 32 bytes; the first seals. Without any, everything is plain.
	Keys [][]byte
	// Label is the tag of the cluster: packets with another one are not heard.
	Label string

	// Transport is used in place of sockets that are bound to Bind.
	Transport *Transport
	// Hosted leaves sockets and loop to the library, with a thread of its own, on Bind.
	Hosted bool
	// EventBuffer is how many events wait for [Node.NextEvent] before the oldest is dropped; without it 1,024.
	EventBuffer int

	// Gossip is the membership below.
	Gossip Gossip
	// TableGossipInterval is the longest time between rounds of table gossip.
	TableGossipInterval time.Duration
	// BulkSyncInterval is the time between bulk syncs.
	BulkSyncInterval time.Duration
	// ReapEntry is how long a tombstone lives.
	ReapEntry time.Duration
	// RejoinInterval is the time between looks whether an address that Join was given is part of the cluster.
	RejoinInterval time.Duration
	// LeaveTimeout is how long a goodbye may take.
	LeaveTimeout time.Duration
}

// prepare binds, and gives the settings in the library's names.
func (c *Config) prepare(ctx context.Context) (host.Sockets, map[string]any, error) {
	given := map[string]any{
		"name": c.Name, "keys": settings.Keys(c.Keys), "label": c.Label, "gossip": settings.Gossip(c.Gossip),
		"table_gossip_interval_ms": settings.Millis(c.TableGossipInterval),
		"bulk_sync_interval_ms":    settings.Millis(c.BulkSyncInterval),
		"reap_entry_ms":            settings.Millis(c.ReapEntry),
		"rejoin_interval_ms":       settings.Millis(c.RejoinInterval),
		"leave_timeout_ms":         settings.Millis(c.LeaveTimeout),
	}
	sockets, err := host.Prepare(ctx, host.Wanted{
		Bind: c.Bind, Advertise: c.Advertise, Given: (*host.Sockets)(c.Transport), Hosted: c.Hosted, Packets: true,
	}, given)
	if err != nil {
		return sockets, nil, fmt.Errorf("networkdb: %w", err)
	}
	return sockets, given, nil
}
