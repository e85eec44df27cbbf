package memberlist_test

import (
	"context"
	"fmt"
	"log"

	"github.com/networkdb/networkdb/bindings/go/memberlist"
)

// A member hears of another, and of what it says.
func Example() {
	ctx := context.Background()
	east, err := memberlist.Start(ctx, memberlist.Config{Name: "east", Bind: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	defer east.Close()
	west, err := memberlist.Start(ctx, memberlist.Config{Name: "west", Bind: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	defer west.Close()
	if _, err := west.Join(ctx, east.Addr().String()); err != nil {
		log.Fatal(err)
	}
	if err := west.SendReliable(ctx, []byte("hello"), "east"); err != nil {
		log.Fatal(err)
	}
	for event, err := range east.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if event.Kind == memberlist.Message {
			fmt.Println(string(event.Data))
			break
		}
		fmt.Println(event.Kind, event.Name)
	}
	// Output:
	// joined east
	// joined west
	// hello
}
