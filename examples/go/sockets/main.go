// Sockets is a member of a cluster on the program's own sockets: packets that are counted, and dials with a
// timeout of their own. It prints who comes and goes, until it is interrupted.
//
//	sockets NAME BIND [SEED]      sockets go-1 10.0.0.6:7946 10.0.0.1:7946
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"github.com/networkdb/networkdb/bindings/go/memberlist"
)

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: sockets NAME BIND [SEED]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatal(err)
	}
}

// counted is a net.PacketConn that counts what passes.
type counted struct {
	net.PacketConn
	received, sent atomic.Int64
}

func (c *counted) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(b)
	c.received.Add(int64(n))
	return n, from, err
}

func (c *counted) WriteTo(b []byte, to net.Addr) (int, error) {
	n, err := c.PacketConn.WriteTo(b, to)
	c.sent.Add(int64(n))
	return n, err
}

func run(ctx context.Context, name, bind string, seeds []string) error {
	listener, err := net.Listen("tcp", bind)
	if err != nil {
		return err
	}
	defer listener.Close()
	packets, err := net.ListenPacket("udp", listener.Addr().String())
	if err != nil {
		return err
	}
	defer packets.Close()
	traffic := &counted{PacketConn: packets}
	node, err := memberlist.Start(ctx, memberlist.Config{Name: name, Transport: &memberlist.Sockets{
		Packets: traffic, Listener: listener, Dial: (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
	}})
	if err != nil {
		return err
	}
	defer node.Close()
	if len(seeds) > 0 {
		if _, err := node.Join(ctx, seeds...); err != nil {
			return err
		}
	}
	for event, err := range node.Events(ctx) {
		if errors.Is(err, context.Canceled) {
			err := node.Leave(context.Background())
			fmt.Println("bytes received", traffic.received.Load(), "sent", traffic.sent.Load())
			return err
		}
		if err != nil {
			return err
		}
		fmt.Println(event.Kind, event.Name, event.Addr)
	}
	return nil
}
