package main

import (
	"fmt"

	"github.com/networkdb/networkdb/tests/peers/peer"
)

type network struct {
	Network string `json:"network"`
}

type member struct {
	Name string `json:"name"`
	Addr string `json:"addr"`
}

func addClusterCommands(s *peer.Server, db *NetworkDB) {
	peer.Handle(s, "join", peer.Waits, func(a peer.Join) (peer.Fields, error) { return nil, db.Join(a.Members) })
	peer.Handle(s, "leave", peer.Last, func(peer.Nothing) (peer.Fields, error) { db.Close(); return nil, nil })
	peer.Handle(s, "members", peer.InOrder, func(peer.Nothing) (peer.Fields, error) { return members(db), nil })

	peer.Handle(s, "network_join", peer.Waits, func(a network) (peer.Fields, error) { return nil, db.JoinNetwork(a.Network) })
	peer.Handle(s, "network_leave", peer.InOrder, func(a network) (peer.Fields, error) { return nil, db.LeaveNetwork(a.Network) })
	peer.Handle(s, "peers", peer.InOrder, func(a network) (peer.Fields, error) { return peers(db, a.Network), nil })

	peer.Handle(s, "key_add", peer.InOrder, func(a peer.Key) (peer.Fields, error) { db.SetKey(a.Key); return nil, nil })
	peer.Handle(s, "key_use", peer.InOrder, func(a peer.Key) (peer.Fields, error) { db.SetPrimaryKey(a.Key); return nil, nil })
	peer.Handle(s, "key_remove", peer.InOrder, func(a peer.Key) (peer.Fields, error) { db.RemoveKey(a.Key); return nil, nil })
}

func members(db *NetworkDB) peer.Fields {
	list := []member{}
	for _, p := range db.ClusterPeers() {
		list = append(list, member{Name: p.Name, Addr: fmt.Sprint(p.IP)})
	}
	return peer.Fields{"members": list}
}

func peers(db *NetworkDB, network string) peer.Fields {
	names := []string{}
	for _, p := range db.Peers(network) {
		names = append(names, p.Name)
	}
	return peer.Fields{"peers": names}
}
