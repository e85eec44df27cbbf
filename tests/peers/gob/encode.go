package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

func runEncode(flags *flag.FlagSet, arguments []string) error {
	generation := generations[0]
	flags.Var(&generation, "generation", "today or 3.2.5")
	name := flags.String("variant", "", "a peer of today whose structs differ: evolved.go has the names")
	flags.Parse(arguments)
	out := bufio.NewWriter(os.Stdout)
	if *name == "" {
		generation.register()
		wrap := func(message any) any { return &syncproto.Envelope{Message: message} }
		if _, err := encodeLines(os.Stdin, out, generation.messages, wrap); err != nil {
			return err
		}
		return out.Flush()
	}
	variant, known := variants[*name]
	if !known {
		return fmt.Errorf("no variant is named %q", *name)
	}
	variant.register()
	to, err := encodeLines(os.Stdin, out, syncproto.Messages(), variant.wrap)
	if err == nil && variant.last != nil {
		err = to.send(variant.wrap(variant.last))
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// encodeLines writes what the lines say and returns the last stream. A decoder restart begins a new one.
func encodeLines(from io.Reader, out *bufio.Writer, messages []any, wrap func(any) any) (*sink, error) {
	to := newSink(out)
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<30)
	for lines.Scan() {
		message, err := parse(lines.Bytes(), messages)
		if err != nil {
			return nil, err
		}
		if err := to.send(wrap(message)); err != nil {
			return nil, err
		}
		if restart, ok := message.(syncproto.MsgDecoderRestart); ok {
			to = restartedSink(out, restart.CompressionAlgorithm)
		}
	}
	return to, lines.Err()
}
