package main

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/memberlist"
	"github.com/networkdb/networkdb/tests/peers/peer"
)

// delegate reports what memberlist tells it, and hands out what commands have set.
type delegate struct {
	server *peer.Server
	queue  memberlist.TransmitLimitedQueue
	nodes  atomic.Int32 // as many as joined, this one included, less those that left

	mu    sync.Mutex // guards what follows
	meta  peer.Hex
	state peer.Hex
}

func newDelegate(server *peer.Server, config *memberlist.Config, meta peer.Hex) *delegate {
	d := &delegate{server: server, meta: meta}
	d.queue.RetransmitMult = config.RetransmitMult
	d.queue.NumNodes = func() int { return int(d.nodes.Load()) }
	return d
}

func (d *delegate) setMeta(meta peer.Hex) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.meta = meta
}

func (d *delegate) setState(state peer.Hex) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state = state
}

func (d *delegate) NodeMeta(int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.meta
}

func (d *delegate) LocalState(bool) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.queue.GetBroadcasts(overhead, limit)
}

func (d *delegate) NotifyMsg(payload []byte) {
	d.server.Emit(peer.Fields{"event": "message", "payload_hex": owned(payload)})
}

func (d *delegate) MergeRemoteState(payload []byte, join bool) {
	d.server.Emit(peer.Fields{"event": "state", "payload_hex": owned(payload), "join": join})
}

// owned copies a buffer of memberlist's, which is valid only during the call, while an event may be held.
func owned(payload []byte) peer.Hex {
	return slices.Clone(payload)
}

func (d *delegate) NotifyJoin(n *memberlist.Node) {
	d.nodes.Add(1)
	d.emit("join", n)
}

func (d *delegate) NotifyLeave(n *memberlist.Node) {
	d.nodes.Add(-1)
	d.emit("leave", n)
}

func (d *delegate) NotifyUpdate(n *memberlist.Node) {
	d.emit("update", n)
}

func (d *delegate) emit(kind string, n *memberlist.Node) {
	d.server.Emit(peer.Fields{
		"event": "member", "kind": kind,
		"name": n.Name, "addr": n.Address(), "meta_hex": owned(n.Meta),
	})
}

// broadcast is a queued message that replaces no other.
type broadcast []byte

func (b broadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (b broadcast) Message() []byte                       { return b }
func (b broadcast) Finished()                             {}
func (b broadcast) UniqueBroadcast()                      {}
