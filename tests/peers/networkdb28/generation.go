package main

import (
	"fmt"

	"github.com/docker/docker/libnetwork/diagnostic"
	"github.com/docker/docker/libnetwork/networkdb"
	"github.com/docker/go-events"
	"github.com/networkdb/networkdb/tests/peers/peer"
)

// What this generation calls by another name than the others.
type (
	Config        = networkdb.Config
	NetworkDB     = networkdb.NetworkDB
	GossipMessage = networkdb.GossipMessage
	TableEvent    = networkdb.TableEvent
)

const tableEvent = networkdb.MessageTypeTableEvent

var (
	defaultConfig  = networkdb.DefaultConfig
	newNetworkDB   = networkdb.New
	newDiagnostics = diagnostic.New
)

// elements are what a table holds. Reading it, this generation does not take its own lock, without which no row may come
// meanwhile.
func elements(db *NetworkDB, a table) map[string]*networkdb.TableElem {
	db.RLock()
	defer db.RUnlock()
	return db.GetTableByNetwork(a.Table, a.Network)
}

// describe has no previous value to tell. An empty value is not told apart from none here, so there always is one; that
// of a delete is the value in the message.
func describe(event events.Event) change {
	switch event := event.(type) {
	case networkdb.CreateEvent:
		return newChange("create", event)
	case networkdb.UpdateEvent:
		return newChange("update", networkdb.CreateEvent(event))
	case networkdb.DeleteEvent:
		return newChange("delete", networkdb.CreateEvent(event))
	}
	return change{Event: "watch", Kind: fmt.Sprintf("%T", event)}
}

func newChange(kind string, e networkdb.CreateEvent) change {
	return change{
		Event: "watch", Network: e.NetworkID, Table: e.Table, Key: e.Key,
		Kind: kind, Value: append(peer.Hex{}, e.Value...),
	}
}
