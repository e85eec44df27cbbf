package main

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"flag"
	"io"
	"os"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// decoded is one message, where it ended in its stream, and which stream since the last decoder restart.
type decoded struct {
	Stream  int    `json:"stream"`
	End     int    `json:"end"`
	Message fields `json:"message"`
}

func runDecode(flags *flag.FlagSet, arguments []string) error {
	generation := generations[0]
	flags.Var(&generation, "generation", "today or 3.2.5")
	compression := flags.String("compression", "", "snappy, if the first stream is compressed")
	lines := flags.Bool("lines", false, "each line of the input is a stream in hex")
	flags.Parse(arguments)
	generation.register()
	input := io.Reader(os.Stdin)
	if name := flags.Arg(0); name != "" && name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		input = file
	}
	algorithm := syncproto.CompressionAlgorithm(*compression)
	if *lines {
		return decodeLines(input, algorithm)
	}
	err := decodeStreams(bufio.NewReader(input), algorithm, func(message decoded) { emit(message) })
	emit(fields{"error": err.Error()})
	return nil
}

// decodeLines answers each line with one line, so that one process can judge many streams.
func decodeLines(input io.Reader, algorithm syncproto.CompressionAlgorithm) error {
	scanner := bufio.NewScanner(input)
	scanner.Buffer(nil, 1<<30)
	for scanner.Scan() {
		stream, err := hex.DecodeString(scanner.Text())
		if err != nil {
			return err
		}
		messages := []decoded{}
		end := decodeStreams(bytes.NewReader(stream), algorithm, func(message decoded) { messages = append(messages, message) })
		emit(fields{"messages": messages, "end": end.Error()})
	}
	return scanner.Err()
}

// decodeStreams reads messages, over decoder restarts, until something ends it.
func decodeStreams(from byteReader, algorithm syncproto.CompressionAlgorithm, each func(decoded)) error {
	for stream := 0; ; stream++ {
		plain, err := decompressed(from, algorithm)
		if err != nil {
			return err
		}
		restart, err := decodeStream(&counted{from: plain}, stream, each)
		if err != nil {
			return err
		}
		algorithm = restart.CompressionAlgorithm
	}
}

func decodeStream(from *counted, stream int, each func(decoded)) (restart syncproto.MsgDecoderRestart, err error) {
	decoder := gob.NewDecoder(from)
	for {
		var envelope syncproto.Envelope
		if err := decoder.Decode(&envelope); err != nil {
			return restart, err
		}
		each(decoded{stream, from.read, show(envelope.Message)})
		if restart, ok := envelope.Message.(syncproto.MsgDecoderRestart); ok {
			return restart, nil
		}
	}
}
