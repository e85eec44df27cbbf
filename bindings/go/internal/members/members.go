// Package members is the list of members, which two kinds of nodes have.
package members

import (
	"encoding/hex"
	"net/netip"

	"github.com/networkdb/networkdb/bindings/go/internal/node"
)

// State says what is believed of a member.
type State string

// The states.
const (
	Alive   State = "alive"
	Suspect State = "suspect"
	Dead    State = "dead"
	Left    State = "left"
)

// Member is a member of a cluster.
type Member struct {
	Name  string
	Addr  netip.AddrPort
	State State
	// Incarnation grows each time the member contradicts what is said of it.
	Incarnation uint32
	// Meta is what the member says of itself.
	Meta []byte
}

// Ask asks a node for its members.
func Ask(n *node.Node) ([]Member, error) {
	var answer struct {
		Members []struct {
			Name        string
			NameHex     string `json:"name_hex"`
			Addr        netip.AddrPort
			State       State
			Incarnation uint32
			MetaHex     string `json:"meta_hex"`
		}
	}
	if err := n.Ask(map[string]string{"op": "members"}, &answer); err != nil {
		return nil, err
	}
	members := make([]Member, 0, len(answer.Members))
	for _, given := range answer.Members {
		member := Member{Name: given.Name, Addr: given.Addr, State: given.State, Incarnation: given.Incarnation}
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
