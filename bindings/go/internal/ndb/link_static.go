//go:build networkdb_static

package ndb

// The archive comes first, so nothing is left to take from the shared library that pkg-config names.
//
// #cgo pkg-config: --static networkdb
// #cgo LDFLAGS: -Wl,--as-needed -l:libnetworkdb.a
import "C"
