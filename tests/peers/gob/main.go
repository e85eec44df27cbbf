// A peer that speaks Typha's sync protocol with Go's own encoding/gob. README.md has its flags and lines.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
)

var commands = map[string]func(*flag.FlagSet, []string) error{
	"server": runServer,
	"client": runClients,
	"decode": runDecode,
	"encode": runEncode,
	"bench":  runBench,
	"certs":  runCerts,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("which of server, client, decode, encode, bench, certs?")
	}
	command, known := commands[arguments[0]]
	if !known {
		return fmt.Errorf("no command is named %q", arguments[0])
	}
	return command(flag.NewFlagSet(arguments[0], flag.ExitOnError), arguments[1:])
}

// fields are one line of output.
type fields map[string]any

var (
	output     = newOutput()
	outputLock sync.Mutex
)

func newOutput() *json.Encoder {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder
}

// emit writes one line. Without a reader there is nobody to work for.
func emit(line any) {
	outputLock.Lock()
	defer outputLock.Unlock()
	if err := output.Encode(line); err != nil {
		os.Exit(1)
	}
}
