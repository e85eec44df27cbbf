//go:build networkdb_static

package ndb

// #cgo pkg-config: --static networkdb
// #cgo LDFLAGS: -Wl,--as-needed -l:libnetworkdb.a
//
// /* The archive comes first, so nothing is left to take from the shared library that pkg-config names. */
import "C"
