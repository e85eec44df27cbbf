// Publish is a manager of endpoints: it joins a cluster and a network, and publishes in the table `endpoint_table` what it reads.
// `NAME ADDRESS` sets an endpoint, `NAME` alone takes it away. At the end of the input it says goodbye.
//
//	publish NAME BIND SEED NETWORK      publish go-1 10.0.0.6:7946 10.0.0.1:7946 web <endpoints.txt
package main

import (
	"bufio"
	"context"
	"errors"
	"log"
	"os"
	"strings"

	networkdb "github.com/networkdb/networkdb/bindings/go"
)

const table = "endpoint_table"

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: publish NAME BIND SEED NETWORK")
	}
	if err := publish(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func publish(ctx context.Context, name, bind, seed, network string) error {
	node, err := networkdb.Start(ctx, networkdb.Config{Name: name, Bind: bind})
	if err != nil {
		return err
	}
	defer node.Close()
	if _, err := node.Join(ctx, seed); err != nil {
		return err
	}
	if _, err := node.JoinNetwork(ctx, network); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := set(node, network, lines.Text()); err != nil {
			return err
		}
	}
	return errors.Join(lines.Err(), node.Leave(ctx))
}

// set does what a line says.
func set(node *networkdb.Node, network, line string) error {
	name, address, set := strings.Cut(line, " ")
	if set {
		return node.Put(network, table, name, []byte(address))
	}
	err := node.Delete(network, table, name)
	if errors.Is(err, networkdb.ErrMissing) {
		log.Printf("there is no endpoint %s", name)
		return nil
	}
	return err
}
