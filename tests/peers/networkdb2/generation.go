package main

import (
	"github.com/docker/go-events"
	"github.com/moby/moby/v2/daemon/libnetwork/diagnostic"
	"github.com/moby/moby/v2/daemon/libnetwork/networkdb"
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

// elements are what a table holds.
func elements(db *NetworkDB, a table) map[string]*networkdb.TableElem {
	return db.GetTableByNetwork(a.Table, a.Network)
}

func describe(event events.Event) change {
	e := event.(networkdb.WatchEvent)
	return change{
		Event: "watch", Network: e.NetworkID, Table: e.Table, Key: e.Key,
		Kind: kind(e), Value: e.Value, Prev: e.Prev,
	}
}

func kind(e networkdb.WatchEvent) string {
	switch {
	case e.IsCreate():
		return "create"
	case e.IsUpdate():
		return "update"
	case e.IsDelete():
		return "delete"
	}
	return "unknown"
}
