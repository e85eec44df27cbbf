package networkdb

import (
	"encoding/hex"
	"iter"
	"runtime"

	"github.com/networkdb/networkdb/bindings/go/internal/ndb"
	"github.com/networkdb/networkdb/bindings/go/internal/settings"
)

// Put writes a row, whether it is there or not. Names are any bytes. The value is read and not kept.
//
// [ErrNotJoined] or [ErrMissing] without the network, [ErrTooLarge] if the row fits no message. Does not block.
func (n *Node) Put(network, table, key string, value []byte) error {
	return n.write(ndb.Put, network, table, key, value)
}

// Create writes a row that must not be there: [ErrExists]. For all else see [Node.Put].
func (n *Node) Create(network, table, key string, value []byte) error {
	return n.write(ndb.Create, network, table, key, value)
}

// Update writes a row that must be there: [ErrMissing]. For all else see [Node.Put].
func (n *Node) Update(network, table, key string, value []byte) error {
	return n.write(ndb.Update, network, table, key, value)
}

// Delete deletes a row: [ErrMissing] if it is not there. For all else see [Node.Put].
func (n *Node) Delete(network, table, key string) error {
	return n.write(ndb.Delete, network, table, key, nil)
}

func (n *Node) write(how uint16, network, table, key string, value []byte) error {
	return n.node.Do(func(raw ndb.Node, now uint64) error {
		return raw.Write(now, how, network, table, key, value)
	})
}

// Get reads a row: [ErrMissing], [ErrDeleted], [ErrHidden]. Does not block.
func (n *Node) Get(network, table, key string) ([]byte, error) {
	return n.AppendGet(make([]byte, 0, 64), network, table, key)
}

// AppendGet reads a row and appends its value to a buffer, which is returned longer, or as it was on an error. With room enough in
// the buffer it makes no garbage.
func (n *Node) AppendGet(buffer []byte, network, table, key string) ([]byte, error) {
	defer runtime.KeepAlive(n)
	return n.node.Raw().Read(network, table, key, buffer)
}

// Filter says which rows. What is empty admits any.
type Filter struct {
	Network, Table string
	// Own admits also what this node writes itself, to watches. Lists have it always.
	Own bool
}

func (f Filter) request(name string) op {
	request := op{"op": name}
	if f.Network != "" {
		request["network"] = f.Network
	}
	if f.Table != "" {
		request["table"] = f.Table
	}
	return request
}

// RowState says what became of a row.
type RowState string

// The states of rows.
const (
	// Live is a row that can be read.
	Live RowState = "live"
	// Hidden is one whose owner has failed.
	Hidden RowState = "hidden"
	// Deleted is a tombstone.
	Deleted RowState = "deleted"
)

// Row is a row as the node holds it.
type Row struct {
	Network, Table, Key string
	Value               []byte
	// Owner is the name of the node that wrote it.
	Owner string
	// Time is the Lamport time of its last change.
	Time  uint64
	State RowState
}

// List goes through the rows in order of network, table and key, those of other states too. An error, [ErrClosed] say, ends
// it. What changes meanwhile is seen or not.
func (n *Node) List(filter Filter) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		defer runtime.KeepAlive(n)
		request := filter.request("list")
		for {
			var page struct {
				Rows []jsonRow `json:"rows"`
			}
			if err := n.node.Ask(request, &page); err != nil {
				yield(Row{}, err)
				return
			}
			for _, row := range page.Rows {
				if !yield(row.row()) {
					return
				}
			}
			if len(page.Rows) == 0 {
				return
			}
			request["behind"] = page.Rows[len(page.Rows)-1].place()
		}
	}
}

// jsonRow is a row in the library's names. What is no text is in hex beside it.
type jsonRow struct {
	Network, Table, Key, Owner string
	NetworkHex                 string   `json:"network_hex"`
	TableHex                   string   `json:"table_hex"`
	KeyHex                     string   `json:"key_hex"`
	OwnerHex                   string   `json:"owner_hex"`
	ValueHex                   string   `json:"value_hex"`
	Time                       uint64   `json:"time"`
	State                      RowState `json:"state"`
}

// place is where the row lies, as it was named.
func (r *jsonRow) place() op {
	return op{
		"network": r.Network, "network_hex": settings.Text(r.NetworkHex), "table": r.Table,
		"table_hex": settings.Text(r.TableHex), "key": r.Key, "key_hex": settings.Text(r.KeyHex),
	}
}

func (r *jsonRow) row() (Row, error) {
	value, err := hex.DecodeString(r.ValueHex)
	return Row{
		Network: named(r.Network, r.NetworkHex), Table: named(r.Table, r.TableHex), Key: named(r.Key, r.KeyHex),
		Owner: named(r.Owner, r.OwnerHex), Value: value, Time: r.Time, State: r.State,
	}, err
}

// named is a name that is given as text, and in hex if it is none.
func named(text, inHex string) string {
	if bytes, err := hex.DecodeString(inHex); err == nil && inHex != "" {
		return string(bytes)
	}
	return text
}

func hexed(bytes []byte) string {
	return hex.EncodeToString(bytes)
}

// Digest is a number that is equal on all nodes with equal live rows in a table.
type Digest struct {
	Network string `json:"network"`
	Table   string `json:"table"`
	Rows    int    `json:"rows"`
	Digest  string `json:"digest"`
}

// Digests are those of the tables that the filter admits.
func (n *Node) Digests(filter Filter) ([]Digest, error) {
	var answer struct{ Digests []Digest }
	err := n.node.Ask(filter.request("digest"), &answer)
	return answer.Digests, err
}
