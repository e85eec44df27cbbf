// Package networkdb is a node of a gossip database that lives in a Docker NetworkDB cluster, byte for byte.
//
// A row belongs to the node that wrote it and to a network, and only the nodes of that network hold it. [Start] starts a node,
// [Node.Join] brings it into a cluster, [Node.JoinNetwork] into a network; then [Node.Put], [Node.Get] and [Node.List] are the
// rows, and [Node.Watch] tells of every change, beginning with the rows that are there.
//
// Package [github.com/networkdb/networkdb/bindings/go/memberlist] is membership alone, package
// [github.com/networkdb/networkdb/bindings/go/syncproto] Typha's sync protocol.
//
// # Sockets
//
// Unless told otherwise a node speaks on sockets of Go's. [Config.Transport] puts your own in their place: any
// [net.PacketConn], any [net.Listener], any function that dials. [Config.Hosted] leaves sockets and loop to the library.
//
// # Errors
//
// Whatever the library refuses is one of the Err values here, to be asked for with [errors.Is]; the error's text says more. All
// packages of this module share them. After [Node.Close], calls give [ErrClosed], which is a [net.ErrClosed] too.
//
// # The C library
//
// The package is made of libnetworkdb by cgo: `make install PREFIX=…` in the root of the project, and
// PKG_CONFIG_PATH=…/lib/pkgconfig for go build. It links the shared library, or with -tags networkdb_static the archive.
package networkdb
