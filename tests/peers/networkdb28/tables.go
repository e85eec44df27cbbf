package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/networkdb/networkdb/tests/peers/peer"
)

type (
	table struct {
		Network string `json:"network"`
		Table   string `json:"table"`
	}
	entry struct {
		table
		Key   string   `json:"key"`
		Value peer.Hex `json:"value_hex"`
	}
	load struct {
		table
		Prefix string `json:"prefix"`
		Count  int    `json:"count"`
		Size   int    `json:"size"`
	}
)

type row struct {
	Key   string   `json:"key"`
	Value peer.Hex `json:"value_hex"`
	Owner string   `json:"owner"`
}

// change is the event of a watch. An absent value is left out, an empty one is not.
type change struct {
	Event   string   `json:"event"`
	Network string   `json:"network"`
	Table   string   `json:"table"`
	Key     string   `json:"key"`
	Kind    string   `json:"kind"`
	Value   peer.Hex `json:"value_hex,omitzero"`
	Prev    peer.Hex `json:"prev_hex,omitzero"`
}

func addTableCommands(s *peer.Server, db *NetworkDB) {
	peer.Handle(s, "create", peer.InOrder, func(a entry) (peer.Fields, error) {
		return nil, db.CreateEntry(a.Table, a.Network, a.Key, a.Value)
	})
	peer.Handle(s, "update", peer.InOrder, func(a entry) (peer.Fields, error) {
		return nil, db.UpdateEntry(a.Table, a.Network, a.Key, a.Value)
	})
	peer.Handle(s, "delete", peer.InOrder, func(a entry) (peer.Fields, error) {
		return nil, db.DeleteEntry(a.Table, a.Network, a.Key)
	})
	peer.Handle(s, "get", peer.InOrder, func(a entry) (peer.Fields, error) { return get(db, a) })
	peer.Handle(s, "list", peer.InOrder, func(a table) (peer.Fields, error) { return peer.Fields{"rows": rows(db, a)}, nil })
	peer.Handle(s, "digest", peer.InOrder, func(a table) (peer.Fields, error) { return digest(rows(db, a)), nil })
	peer.Handle(s, "load", peer.Waits, func(a load) (peer.Fields, error) { return fill(db, a) })
	peer.Handle(s, "watch", peer.InOrder, func(a table) (peer.Fields, error) { watch(s, db, a); return nil, nil })
}

func get(db *NetworkDB, a entry) (peer.Fields, error) {
	value, err := db.GetEntry(a.Table, a.Network, a.Key)
	if err != nil {
		return nil, err
	}
	return peer.Fields{"value_hex": peer.Hex(value)}, nil
}

// rows are the live rows of a table, ordered by key.
func rows(db *NetworkDB, a table) []row {
	elements := elements(db, a)
	list := make([]row, 0, len(elements))
	for _, key := range slices.Sorted(maps.Keys(elements)) {
		element := elements[key]
		owner := reflect.ValueOf(element).Elem().FieldByName("owner").String() // not exported
		list = append(list, row{Key: key, Value: element.Value, Owner: owner})
	}
	return list
}

func digest(list []row) peer.Fields {
	sum := sha256.New()
	for _, r := range list {
		for _, part := range [][]byte{[]byte(r.Key), r.Value} {
			sum.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
			sum.Write(part)
		}
	}
	return peer.Fields{"count": len(list), "sha256": hex.EncodeToString(sum.Sum(nil))}
}

func fill(db *NetworkDB, a load) (peer.Fields, error) {
	start := time.Now()
	for i := range a.Count {
		if err := db.CreateEntry(a.Table, a.Network, fmt.Sprintf("%s%06d", a.Prefix, i), pattern(i, a.Size)); err != nil {
			return nil, err
		}
	}
	return peer.Fields{"elapsed_ms": time.Since(start).Milliseconds()}, nil
}

func pattern(row, size int) []byte {
	value := make([]byte, size)
	for j := range value {
		value[j] = byte(row*31 + j)
	}
	return value
}

func watch(s *peer.Server, db *NetworkDB, a table) {
	events, _ := db.Watch(a.Table, a.Network)
	go func() {
		for event := range events.C {
			s.Emit(describe(event))
		}
	}()
}
