package syncproto_test

import (
	"context"
	"fmt"
	"log"

	"github.com/networkdb/networkdb/bindings/go/syncproto"
)

// A client has what a server publishes.
func Example() {
	ctx := context.Background()
	server, err := syncproto.Start(ctx, syncproto.ServerConfig{Bind: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	if _, err := server.Publish(syncproto.Felix, syncproto.Update{Key: "/calico/v1/Ready", Value: []byte("true")}); err != nil {
		log.Fatal(err)
	}
	if err := server.SetStatus(syncproto.Felix, syncproto.InSync); err != nil {
		log.Fatal(err)
	}
	follower, err := syncproto.Follow(syncproto.ClientConfig{
		Hostname: "east-1", Endpoints: []string{server.Addr().String()},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer follower.Close()
	for event, err := range follower.All(ctx) {
		switch {
		case err != nil:
			log.Fatal(err)
		case event.Kind == syncproto.Updated:
			fmt.Printf("%s = %s\n", event.Update.Key, event.Update.Value)
		case event.Status == syncproto.InSync:
			return
		}
	}
	// Output: /calico/v1/Ready = true
}

// Bytes in, messages out.
func ExampleDecoder() {
	stream, err := syncproto.Encode([]syncproto.Update{{Key: "/calico/v1/Ready", Value: []byte("true")}}, syncproto.InSync)
	if err != nil {
		log.Fatal(err)
	}
	decoder, err := syncproto.NewDecoder()
	if err != nil {
		log.Fatal(err)
	}
	defer decoder.Close()
	// However they are cut.
	for _, piece := range [][]byte{stream[:100], stream[100:]} {
		messages, err := decoder.Feed(piece)
		if err != nil {
			log.Fatal(err)
		}
		for _, message := range messages {
			fmt.Println(message.Type, len(message.Updates), message.Status)
		}
	}
	// Output:
	// kvs 1 wait-for-ready
	// status 0 in-sync
}
