package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Wanted is what a user said of sockets.
type Wanted struct {
	Bind      string
	Advertise netip.AddrPort
	Given     *Sockets
	Hosted    bool
	// Packets too, and to be told others; else streams alone.
	Packets bool
}

// Prepare binds sockets, or takes those given, and adds to the settings where the node is bound or reached.
func Prepare(ctx context.Context, want Wanted, settings map[string]any) (Sockets, error) {
	if want.Given != nil && (want.Hosted || want.Bind != "") {
		return Sockets{}, errors.New("Transport excludes Bind and Hosted")
	}
	if want.Given == nil && want.Bind == "" {
		return Sockets{}, errors.New("neither Bind nor Transport is set")
	}
	if want.Hosted {
		return Sockets{}, want.hosted(ctx, settings)
	}
	sockets, err := want.sockets(ctx)
	if err != nil || !want.Packets {
		return sockets, err
	}
	reached, err := sockets.Advertised(want.Advertise)
	if err != nil {
		want.Release(&sockets)
		return Sockets{}, err
	}
	settings["advertise"] = reached
	return sockets, nil
}

// Release closes sockets after a start that failed, if they were not given.
func (w *Wanted) Release(sockets *Sockets) {
	if w.Given == nil {
		sockets.Close()
	}
}

func (w *Wanted) sockets(ctx context.Context) (Sockets, error) {
	if w.Given != nil {
		return *w.Given, nil
	}
	if w.Packets {
		return Listen(ctx, w.Bind)
	}
	return ListenStream(ctx, w.Bind)
}

// hosted leaves the binding to the library, which knows addresses and no names.
func (w *Wanted) hosted(ctx context.Context, settings map[string]any) error {
	port, err := new(net.Resolver).LookupPort(ctx, "tcp", portOf(w.Bind))
	if err != nil {
		return err
	}
	ip, err := resolve(ctx, w.Bind)
	if err != nil {
		return err
	}
	settings["bind"] = netip.AddrPortFrom(ip, uint16(port))
	if advertise := w.Advertise; w.Packets && advertise.IsValid() {
		settings["advertise"] = advertise
	}
	return nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// resolve is the address of a host; of none, the unspecified one.
func resolve(ctx context.Context, address string) (netip.Addr, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil || name == "" {
		return netip.IPv4Unspecified(), err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return netip.Addr{}, err
	}
	return ips[0].Unmap(), nil
}
