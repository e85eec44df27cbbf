package networkdb

import (
	"net/netip"

	"github.com/networkdb/networkdb/bindings/go/internal/members"
)

// MemberState says what is believed of a member.
type MemberState string

// The states of members.
const (
	Alive   MemberState = "alive"
	Suspect MemberState = "suspect"
	Dead    MemberState = "dead"
	Left    MemberState = "left"
)

// Member is a node as membership sees it.
type Member struct {
	Name  string
	Addr  netip.AddrPort
	State MemberState
	// Incarnation grows each time the member contradicts what is said of it.
	Incarnation uint32
	// Meta is what the member says of itself.
	Meta []byte
}

// Members are all that are known, in order of their names, this node among them.
func (n *Node) Members() ([]Member, error) {
	known, err := members.Ask[MemberState](n.node)
	list := make([]Member, len(known))
	for i, member := range known {
		list[i] = Member(member)
	}
	return list, err
}

// Peer is a node of the cluster or of a network.
type Peer struct {
	Name string
	// Addr is not valid if it is not known.
	Addr netip.Addr
}

// Peers are the nodes of a network in the order they came, or if it is empty of the cluster by name.
func (n *Node) Peers(network string) ([]Peer, error) {
	request := op{"op": "peers"}
	if network != "" {
		request["network"] = network
	}
	var answer struct {
		Peers []struct {
			Name string
			Hex  string `json:"name_hex"`
			Addr *netip.Addr
		}
	}
	err := n.node.Ask(request, &answer)
	peers := make([]Peer, 0, len(answer.Peers))
	for _, given := range answer.Peers {
		peer := Peer{Name: named(given.Name, given.Hex)}
		if given.Addr != nil {
			peer.Addr = *given.Addr
		}
		peers = append(peers, peer)
	}
	return peers, err
}

// Network is a network that this node takes part in.
type Network struct {
	Name string `json:"name"`
	// Leaving is a network that others still have to be told of leaving.
	Leaving bool `json:"leaving"`
	// Peers are its nodes, this one among them.
	Peers int `json:"peers"`
	// Entries are its live rows, Rows all with tombstones.
	Entries int `json:"entries"`
	Rows    int `json:"rows"`
	// OwnQueue and RelayQueue are changes that wait to be told.
	OwnQueue   int `json:"own_queue"`
	RelayQueue int `json:"relay_queue"`
	// InSync says whether another node's rows have come.
	InSync bool `json:"in_sync"`
}

// Networks are those this node takes part in.
func (n *Node) Networks() ([]Network, error) {
	var answer struct{ Networks []Network }
	err := n.node.Ask(op{"op": "networks"}, &answer)
	return answer.Networks, err
}
