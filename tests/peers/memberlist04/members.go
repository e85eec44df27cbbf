package main

import (
	"net"
	"reflect"
	"strconv"
	"sync"

	"github.com/hashicorp/memberlist"
	"github.com/networkdb/networkdb/tests/peers/peer"
)

type member struct {
	Name        string   `json:"name"`
	Addr        string   `json:"addr"`
	State       string   `json:"state"`
	Incarnation uint64   `json:"incarnation"`
	Meta        peer.Hex `json:"meta_hex"`
}

var states = map[memberlist.NodeStateType]string{
	memberlist.StateAlive:   "alive",
	memberlist.StateSuspect: "suspect",
	memberlist.StateDead:    "dead",
	memberlist.StateLeft:    "left",
}

// members lists all nodes not yet reaped. The public methods tell neither state nor incarnation and leave out the dead,
// so this reads the private table, under its own lock.
func members(list *memberlist.Memberlist) []member {
	table := reflect.ValueOf(list).Elem()
	lock := (*sync.RWMutex)(table.FieldByName("nodeLock").Addr().UnsafePointer())
	lock.RLock()
	defer lock.RUnlock()

	all := []member{}
	nodes := table.FieldByName("nodes")
	for i := range nodes.Len() {
		all = append(all, readMember(nodes.Index(i).Elem()))
	}
	return all
}

func readMember(node reflect.Value) member {
	port := strconv.FormatUint(node.FieldByName("Port").Uint(), 10)
	return member{
		Name:        node.FieldByName("Name").String(),
		Addr:        net.JoinHostPort(net.IP(node.FieldByName("Addr").Bytes()).String(), port),
		State:       states[memberlist.NodeStateType(node.FieldByName("State").Int())],
		Incarnation: node.FieldByName("Incarnation").Uint(),
		Meta:        node.FieldByName("Meta").Bytes(),
	}
}
