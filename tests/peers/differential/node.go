package differential

import (
	"net/netip"
	"reflect"
	"slices"
	"sync"

	"github.com/docker/go-events"
	"github.com/hashicorp/memberlist"
	"github.com/moby/moby/v2/daemon/libnetwork/networkdb"
)

// node is a NetworkDB and a user who watches it.
type node struct {
	*networkdb.NetworkDB
	name      string
	stopWatch func()

	mu      sync.Mutex
	changes []change
}

func addrOf(place int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(place + 1)}), 7946)
}

func start(on *memory, name string, place int) (*node, error) {
	addr := addrOf(place)
	config := networkdb.DefaultConfig()
	config.NodeID, config.Hostname = name, name
	config.BindAddr, config.AdvertiseAddr = addr.Addr().String(), addr.Addr().String()
	config.BindPort = int(addr.Port())
	setTransport(config, on.open(addr))
	db, err := networkdb.New(config)
	if err != nil {
		return nil, err
	}
	n := &node{NetworkDB: db, name: name}
	n.watch()
	return n, nil
}

// setTransport sets a field meant for the package's own tests, and not exported.
func setTransport(config *networkdb.Config, transport memberlist.Transport) {
	field := reflect.ValueOf(config).Elem().FieldByName("transport")
	reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Set(reflect.ValueOf(transport))
}

func (n *node) watch() {
	channel, stop := n.Watch("", "")
	n.stopWatch = stop
	go func() {
		for {
			select {
			case event := <-channel.C:
				n.note(event)
			case <-channel.Done():
				return
			}
		}
	}()
}

func (n *node) note(event events.Event) {
	e := event.(networkdb.WatchEvent)
	if e.Table == networkdb.NodeTable {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes = append(n.changes, change{Row: rowID(e.NetworkID, e.Table, e.Key), Value: text(e.Value), Prev: text(e.Prev)})
}

func text(value []byte) *string {
	if value == nil {
		return nil
	}
	s := string(value)
	return &s
}

func rowID(network, table, key string) string {
	return network + "/" + table + "/" + key
}

// leave takes seconds: the others are told first.
func (n *node) leave() {
	n.Close()
	n.stopWatch()
}

// view is what the node shows, with the changes since the last one.
func (n *node) view(networks, tables []string) view {
	v := view{Members: names(n.ClusterPeers()), Peers: map[string][]string{}, Rows: map[string]row{}, Changes: n.takeChanges()}
	for _, network := range networks {
		v.Peers[network] = names(n.Peers(network))
		for _, table := range tables {
			for key, element := range n.GetTableByNetwork(table, network) {
				owner := reflect.ValueOf(element).Elem().FieldByName("owner").String() // not exported
				v.Rows[rowID(network, table, key)] = row{Value: string(element.Value), Owner: owner}
			}
		}
	}
	return v
}

func (n *node) takeChanges() []change {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.changes
	n.changes = nil
	return append([]change{}, taken...)
}

func names(peers []networkdb.PeerInfo) []string {
	list := []string{}
	for _, peer := range peers {
		list = append(list, peer.Name)
	}
	slices.Sort(list)
	return list
}
