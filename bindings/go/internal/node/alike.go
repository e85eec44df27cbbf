package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/netip"
)

// What several kinds of nodes are asked alike.

type op = map[string]any

// Document asks for what is handed to users as it comes, in JSON.
func (n *Node) Document(of string) (json.RawMessage, error) {
	var answer json.RawMessage
	err := n.Ask(op{"op": of}, &answer)
	return answer, err
}

// Advertised is where others reach a member of a cluster; of a closed node not valid.
func (n *Node) Advertised() netip.AddrPort {
	var info struct {
		Advertise netip.AddrPort `json:"advertise"`
	}
	_ = n.Ask(op{"op": "info"}, &info)
	return info.Advertise
}

// Join joins a cluster by way of some of its members, and says how many of them were reached.
func (n *Node) Join(ctx context.Context, members []string) (int, error) {
	event, err := n.Request(ctx, op{"op": "join", "members": members})
	if event == nil {
		return 0, err
	}
	return int(event.Number), err
}

// Key does something (key_add, key_use, key_remove) with an encryption key.
func (n *Node) Key(what string, key []byte) error {
	return n.Ask(op{"op": what, "key_hex": hex.EncodeToString(key)}, nil)
}
