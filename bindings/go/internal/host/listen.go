package host

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Tries to find a port that is free for both packets and streams.
const portTries = 10

// Listen binds packets and streams to one address; port 0 is any that is free for both.
func Listen(ctx context.Context, address string) (Sockets, error) {
	for try := 1; ; try++ {
		sockets, err := listen(ctx, address)
		_, port, _ := net.SplitHostPort(address)
		if err == nil || port != "0" || try == portTries {
			return sockets, err
		}
	}
}

func listen(ctx context.Context, address string) (Sockets, error) {
	sockets, err := ListenStream(ctx, address)
	if err != nil {
		return Sockets{}, err
	}
	var config net.ListenConfig
	sockets.Packets, err = config.ListenPacket(ctx, "udp", sockets.Listener.Addr().String())
	if err != nil {
		sockets.Listener.Close()
		return Sockets{}, err
	}
	return sockets, nil
}

// ListenStream binds streams alone.
func ListenStream(ctx context.Context, address string) (Sockets, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return Sockets{}, err
	}
	return Sockets{Listener: listener, Dial: new(net.Dialer).DialContext}, nil
}

// Close closes what was bound.
func (s *Sockets) Close() {
	if s.Packets != nil {
		s.Packets.Close()
	}
	if s.Listener != nil {
		s.Listener.Close()
	}
}

// Bound is the address of the packets, else of the streams; not valid without either.
func (s *Sockets) Bound() netip.AddrPort {
	if s.Packets != nil {
		return unmap(addrPort(s.Packets.LocalAddr()))
	}
	if s.Listener != nil {
		return unmap(addrPort(s.Listener.Addr()))
	}
	return netip.AddrPort{}
}

// Advertised is where others reach these sockets: as wanted, what is left open by what they are bound to, and for an
// unspecified address by the one this machine sends from.
func (s *Sockets) Advertised(wanted netip.AddrPort) (netip.AddrPort, error) {
	bound := s.Bound()
	ip, port := wanted.Addr(), wanted.Port()
	if !ip.IsValid() {
		ip = bound.Addr()
	}
	if port == 0 {
		port = bound.Port()
	}
	if !ip.IsValid() || port == 0 {
		return netip.AddrPort{}, fmt.Errorf("networkdb: the transport has no address, so Advertise has to be set")
	}
	if ip.IsUnspecified() {
		ip = ownAddress(ip.Is4())
	}
	return netip.AddrPortFrom(ip, port), nil
}

// ownAddress is the address this machine sends from to the outside; loopback if there is no route. Nothing is sent. An
// unspecified IPv6 address takes IPv4 too, so that is preferred.
func ownAddress(v4 bool) netip.Addr {
	outside := []string{"192.0.2.1:9", "[2001:db8::1]:9"}
	for _, to := range outside {
		conn, err := net.Dial("udp", to)
		if err != nil {
			continue
		}
		defer conn.Close()
		return unmap(addrPort(conn.LocalAddr())).Addr()
	}
	if v4 {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

func unmap(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
