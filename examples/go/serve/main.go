// Serve is a server of Typha's sync protocol. It publishes what it reads: `KEY VALUE` sets a key, `KEY` alone deletes it, an empty
// line says that all there is has been read. At the end of the input it lets its clients go.
//
//	serve BIND      serve 10.0.0.6:5473 <keys.txt
package main

import (
	"bufio"
	"context"
	"log"
	"os"
	"strings"
	"time"

	"github.com/networkdb/networkdb/bindings/go/syncproto"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: serve BIND")
	}
	if err := serve(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, bind string) error {
	server, err := syncproto.Start(ctx, syncproto.ServerConfig{Bind: bind})
	if err != nil {
		return err
	}
	defer server.Close()
	log.Println("serving on", server.Addr())
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		report(ctx, server)
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := publish(server, lines.Text()); err != nil {
			return err
		}
	}
	if err := server.Drain(time.Second); err != nil {
		return err
	}
	<-drained
	return lines.Err()
}

// publish does what a line says.
func publish(server *syncproto.Server, line string) error {
	if line == "" {
		return server.SetStatus(syncproto.Felix, syncproto.InSync)
	}
	update := syncproto.Update{Type: syncproto.UpdateDeleted}
	key, value, set := strings.Cut(line, " ")
	update.Key = key
	if set {
		update.Value, update.Type = []byte(value), syncproto.UpdateNew
	}
	_, err := server.Publish(syncproto.Felix, update)
	return err
}

// report tells of clients, until the last has gone.
func report(ctx context.Context, server *syncproto.Server) {
	for event, err := range server.Events(ctx) {
		switch {
		case err != nil || event.Kind == syncproto.Drained:
			return
		case event.Kind == syncproto.ClientJoined:
			log.Println("client", event.Client.Hostname, "at", event.Client.Addr)
		case event.Kind == syncproto.ClientClosed:
			log.Println("client at", event.Client.Addr, "gone:", event.Reason)
		}
	}
}
