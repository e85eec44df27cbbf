// Watch joins a cluster and a network, and prints what becomes of a table's rows, until it is interrupted.
//
//	watch NAME BIND SEED NETWORK TABLE      watch go-1 10.0.0.6:7946 10.0.0.1:7946 web endpoint_table
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	networkdb "github.com/networkdb/networkdb/bindings/go"
)

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: watch NAME BIND SEED NETWORK TABLE")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := watch(ctx, os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		log.Fatal(err)
	}
}

func watch(ctx context.Context, name, bind, seed, network, table string) error {
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
	changes, err := node.Watch(networkdb.Filter{Network: network, Table: table})
	if err != nil {
		return err
	}
	for change, err := range changes.All(ctx) {
		if errors.Is(err, context.Canceled) {
			// Interrupted: the others are told.
			return node.Leave(context.Background())
		}
		if err != nil {
			return err
		}
		fmt.Println(change.Kind, change.Key, string(change.Value))
	}
	return nil
}
