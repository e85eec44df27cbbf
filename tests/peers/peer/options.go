package peer

import (
	"encoding/hex"
	"errors"
	"flag"
	"net/netip"
)

// Hex is a byte string written as hex in JSON and on the command line.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, h), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// Options are the flags every peer has.
type Options struct {
	Name string
	Addr string
	Keys [][]byte
}

// Flags registers the common flags.
func (o *Options) Flags() {
	flag.StringVar(&o.Name, "name", "", "name of the node")
	flag.StringVar(&o.Addr, "addr", "127.0.0.1:7946", "address to bind and advertise")
	flag.Func("key", "encryption key in hex; repeatable, the first is primary", o.addKey)
}

func (o *Options) addKey(text string) error {
	key, err := hex.DecodeString(text)
	o.Keys = append(o.Keys, key)
	return err
}

// Parse parses all flags and returns the two halves of the address.
func (o *Options) Parse() (host string, port int) {
	flag.Parse()
	addr, err := netip.ParseAddrPort(o.Addr)
	if err != nil {
		Fail(err)
	}
	if o.Name == "" {
		Fail(errors.New("-name is missing"))
	}
	return addr.Addr().String(), int(addr.Port())
}
