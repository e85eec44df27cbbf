// A NetworkDB node of one generation, driven over stdin. All generations share these sources by links; generation.go is
// what differs.
package main

import (
	"flag"
	"net"
	"net/http"

	"github.com/containerd/log"
	"github.com/networkdb/networkdb/tests/peers/peer"
)

func main() {
	config, diagnostics, level := defaultConfig(), "", ""
	name, addr := configure(config, &diagnostics, &level)
	if err := log.SetLevel(level); err != nil {
		peer.Fail(err)
	}

	db, err := newNetworkDB(config)
	if err != nil {
		peer.Fail(err)
	}
	if diagnostics != "" {
		serveDiagnostics(db, diagnostics)
	}
	server := peer.NewServer()
	addClusterCommands(server, db)
	addTableCommands(server, db)
	addCodecCommand(server)
	server.Ready(name, addr)
	server.Serve()
}

// configure fills in the configuration from the command line.
func configure(config *Config, diagnostics, level *string) (name, addr string) {
	var options peer.Options
	options.Flags()
	flag.StringVar(diagnostics, "http", "", "address to serve the diagnostic handlers on")
	flag.StringVar(level, "log", "debug", "level of the log")
	flag.IntVar(&config.PacketBufferSize, "packet-size", config.PacketBufferSize, "bytes in a packet")
	flag.DurationVar(&config.StatsPrintPeriod, "stats-period", config.StatsPrintPeriod, "time between log lines of statistics")
	flag.DurationVar(&config.HealthPrintPeriod, "health-period", config.HealthPrintPeriod, "time between log lines of bad health")
	host, port := options.Parse()

	config.NodeID, config.Hostname = options.Name, options.Name
	config.BindAddr, config.AdvertiseAddr, config.BindPort = host, host, port
	config.Keys = options.Keys
	return options.Name, options.Addr
}

func serveDiagnostics(db *NetworkDB, addr string) {
	handlers := newDiagnostics()
	db.RegisterDiagnosticHandlers(handlers)
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		peer.Fail(err)
	}
	go func() { peer.Fail(http.Serve(listener, handlers)) }()
}
