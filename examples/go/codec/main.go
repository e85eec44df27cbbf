// Codec is the format of Typha's sync protocol alone, between standard input and output: no sockets, no goroutines.
//
//	codec decode <stream         prints the messages that a server sent
//	codec encode KEY VALUE …     writes a server's stream with these keys and values, and then that it is in sync
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/networkdb/networkdb/bindings/go/syncproto"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "decode":
		return decode(os.Stdin)
	case len(args)%2 == 1 && args[0] == "encode":
		return encode(args[1:])
	default:
		return errors.New("usage: codec decode | encode KEY VALUE …")
	}
}

// decode prints the messages as they become whole, however the bytes are cut.
func decode(from io.Reader) error {
	decoder, err := syncproto.NewDecoder()
	if err != nil {
		return err
	}
	defer decoder.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		messages, malformed := decoder.Feed(buffer[:n])
		for _, message := range messages {
			show(message)
		}
		switch {
		case malformed != nil:
			return malformed
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func show(message syncproto.Message) {
	switch message.Type {
	case syncproto.KVs:
		for _, update := range message.Updates {
			fmt.Printf("%s = %s\n", update.Key, update.Value)
		}
	case syncproto.Status:
		fmt.Println("status:", message.Status)
	default:
		fmt.Println(message.Type)
	}
}

func encode(words []string) error {
	var updates []syncproto.Update
	for i := 0; i < len(words); i += 2 {
		updates = append(updates, syncproto.Update{
			Key: words[i], Value: []byte(words[i+1]), Type: syncproto.UpdateNew,
		})
	}
	stream, err := syncproto.Encode(updates, syncproto.InSync)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(stream)
	return err
}
