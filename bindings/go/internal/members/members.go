// Package members is the list of members, which two kinds of nodes have.
package members

import (
	"encoding/hex"
	"net/netip"

	"github.com/networkdb/networkdb/bindings/go/internal/node"
)

// Member is a member of a cluster, as the package for users has it, with its type of states.
type Member[S ~string] struct {
	Name        string
	Addr        netip.AddrPort
	State       S
	Incarnation uint32
	Meta        []byte
}

// Ask asks a node for its members.
func Ask[S ~string](n *node.Node) ([]Member[S], error) {
	var answer struct {
		Members []struct {
			Name        string
			NameHex     string `json:"name_hex"`
			Addr        netip.AddrPort
			State       S
			Incarnation uint32
			MetaHex     string `json:"meta_hex"`
		}
	}
	if err := n.Ask(map[string]string{"op": "members"}, &answer); err != nil {
		return nil, err
	}
	members := make([]Member[S], 0, len(answer.Members))
	for _, given := range answer.Members {
		member := Member[S]{Name: given.Name, Addr: given.Addr, State: given.State, Incarnation: given.Incarnation}
		if given.NameHex != "" {
			name, err := hex.DecodeString(given.NameHex)
			if err != nil {
				return nil, err
			}
			member.Name = string(name)
		}
		var err error
		if member.Meta, err = hex.DecodeString(given.MetaHex); err != nil {
			return nil, err
		}
		members = append(members, member)
	}
	return members, nil
}
