package networkdb_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	networkdb "github.com/networkdb/networkdb/bindings/go"
)

// Two nodes share the rows of a network.
func Example() {
	ctx := context.Background()
	key := []byte("0123456789abcdef")
	east, err := networkdb.Start(ctx, networkdb.Config{Name: "east", Bind: "127.0.0.1:0", Keys: [][]byte{key}})
	if err != nil {
		log.Fatal(err)
	}
	defer east.Close()
	west, err := networkdb.Start(ctx, networkdb.Config{Name: "west", Bind: "127.0.0.1:0", Keys: [][]byte{key}})
	if err != nil {
		log.Fatal(err)
	}
	defer west.Close()
	if _, err := west.Join(ctx, east.Addr().String()); err != nil {
		log.Fatal(err)
	}
	for _, node := range []*networkdb.Node{east, west} {
		if _, err := node.JoinNetwork(ctx, "web"); err != nil {
			log.Fatal(err)
		}
	}
	watch, err := west.Watch(networkdb.Filter{Network: "web"})
	if err != nil {
		log.Fatal(err)
	}
	if err := east.Create("web", "endpoint_table", "alpha", []byte("10.0.0.5:80")); err != nil {
		log.Fatal(err)
	}
	for change, err := range watch.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change.Kind, change.Key, string(change.Value))
		break
	}
	// Output: created alpha 10.0.0.5:80
}

// What is refused is told by an error, to be asked for with errors.Is.
func ExampleNode_Create() {
	node, err := networkdb.Start(context.Background(), networkdb.Config{Name: "east", Bind: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	for range 2 {
		err = node.Create("web", "endpoint_table", "alpha", []byte("10.0.0.5:80"))
	}
	fmt.Println(errors.Is(err, networkdb.ErrExists))
	// Output: true
}
