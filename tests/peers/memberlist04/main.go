// A memberlist node, driven over stdin. Both generations share these sources by links; go.mod is what differs.
package main

import (
	"flag"
	"fmt"

	"github.com/hashicorp/memberlist"
	"github.com/networkdb/networkdb/tests/peers/peer"
)

var presets = map[string]func() *memberlist.Config{
	"lan":   memberlist.DefaultLANConfig,
	"local": memberlist.DefaultLocalConfig,
}

func main() {
	config, meta := configure()
	server := peer.NewServer()
	delegate := newDelegate(server, config, meta)
	config.Delegate, config.Events = delegate, delegate

	list, err := memberlist.Create(config)
	if err != nil {
		peer.Fail(err)
	}
	addClusterCommands(server, list, delegate)
	addMessageCommands(server, list, delegate)
	addKeyCommands(server, config.Keyring)
	server.Ready(config.Name, list.LocalNode().Address())
	server.Serve()
}

// configure makes the configuration and the first metadata from the command line.
func configure() (config *memberlist.Config, meta peer.Hex) {
	var options peer.Options
	options.Flags()
	preset := flag.String("preset", "lan", "lan or local: where the other values start from")
	flag.TextVar(&meta, "meta", meta, "metadata in hex")
	changes := tuningFlags()
	host, port := options.Parse()

	start, known := presets[*preset]
	if !known {
		peer.Fail(fmt.Errorf("no preset is named %q", *preset))
	}
	config = start()
	for _, change := range *changes {
		change(config)
	}
	config.Name = options.Name
	config.BindAddr, config.AdvertiseAddr = host, host
	config.BindPort, config.AdvertisePort = port, port
	config.Keyring = newKeyring(options.Keys)
	return config, meta
}

func newKeyring(keys [][]byte) *memberlist.Keyring {
	if len(keys) == 0 {
		return nil
	}
	keyring, err := memberlist.NewKeyring(keys, keys[0])
	if err != nil {
		peer.Fail(err)
	}
	return keyring
}
