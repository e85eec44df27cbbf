package main

import (
	"encoding/gob"
	"fmt"
	"reflect"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
	old "github.com/networkdb/networkdb/tests/peers/gob/v325/syncproto"
)

// generation is one life of Typha. A process belongs to one, because gob's registry of names does.
type generation struct {
	name     string
	modern   bool // hellos with features, decoder restarts, binary snapshots
	version  string
	messages []any
	say      func(any) any // today's message as this generation writes it
	hear     func(any) any // and back
}

var generations = []generation{
	{"today", true, "v3.34.0-0.dev", syncproto.Messages(), same, same},
	{"3.2.5", false, "v3.2.5", []any{
		old.MsgClientHello{}, old.MsgServerHello{}, syncproto.MsgSyncStatus{}, syncproto.MsgPing{}, syncproto.MsgPong{}, old.MsgKVs{},
	}, sayOld, hearOld},
}

// Set implements flag.Value.
func (g *generation) Set(name string) error {
	for _, known := range generations {
		if known.name == name {
			*g = known
			return nil
		}
	}
	return fmt.Errorf("no generation is named %q", name)
}

func (g *generation) String() string { return g.name }

// register names the messages as Typha does.
func (g *generation) register() {
	for _, message := range g.messages {
		gob.RegisterName(syncproto.Prefix+reflect.TypeOf(message).Name(), message)
	}
}

func same(message any) any { return message }

func sayOld(message any) any {
	switch m := message.(type) {
	case syncproto.MsgClientHello:
		return old.MsgClientHello{Hostname: m.Hostname, Info: m.Info, Version: m.Version}
	case syncproto.MsgServerHello:
		return old.MsgServerHello{Version: m.Version}
	case syncproto.MsgKVs:
		kvs := make([]old.SerializedUpdate, 0, len(m.KVs))
		for _, kv := range m.KVs {
			kvs = append(kvs, old.SerializedUpdate{
				Key: kv.Key, Value: kv.Value, Revision: kv.Revision, TTL: kv.TTL, UpdateType: uint8(kv.UpdateType),
			})
		}
		return old.MsgKVs{KVs: kvs}
	}
	return message
}

func hearOld(message any) any {
	switch m := message.(type) {
	case old.MsgClientHello:
		return syncproto.MsgClientHello{Hostname: m.Hostname, Info: m.Info, Version: m.Version}
	case old.MsgServerHello:
		return syncproto.MsgServerHello{Version: m.Version}
	case old.MsgKVs:
		kvs := make([]syncproto.SerializedUpdate, 0, len(m.KVs))
		for _, kv := range m.KVs {
			kvs = append(kvs, syncproto.SerializedUpdate{
				Key: kv.Key, Value: kv.Value, Revision: kv.Revision, TTL: kv.TTL, UpdateType: syncproto.UpdateType(kv.UpdateType),
			})
		}
		return syncproto.MsgKVs{KVs: kvs}
	}
	return message
}
