//go:build !networkdb_static

package ndb

// #cgo pkg-config: networkdb
import "C"
