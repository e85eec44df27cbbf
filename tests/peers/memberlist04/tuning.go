package main

import (
	"flag"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
)

// field picks one value of a configuration.
type field[T any] func(*memberlist.Config) *T

var durations = map[string]field[time.Duration]{
	"dead-node-reclaim":  func(c *memberlist.Config) *time.Duration { return &c.DeadNodeReclaimTime },
	"gossip-interval":    func(c *memberlist.Config) *time.Duration { return &c.GossipInterval },
	"gossip-to-the-dead": func(c *memberlist.Config) *time.Duration { return &c.GossipToTheDeadTime },
	"probe-interval":     func(c *memberlist.Config) *time.Duration { return &c.ProbeInterval },
	"probe-timeout":      func(c *memberlist.Config) *time.Duration { return &c.ProbeTimeout },
	"push-pull-interval": func(c *memberlist.Config) *time.Duration { return &c.PushPullInterval },
	"tcp-timeout":        func(c *memberlist.Config) *time.Duration { return &c.TCPTimeout },
}

var counts = map[string]field[int]{
	"gossip-nodes":    func(c *memberlist.Config) *int { return &c.GossipNodes },
	"indirect-checks": func(c *memberlist.Config) *int { return &c.IndirectChecks },
	"packet-size":     func(c *memberlist.Config) *int { return &c.UDPBufferSize },
	"retransmit-mult": func(c *memberlist.Config) *int { return &c.RetransmitMult },
	"suspicion-mult":  func(c *memberlist.Config) *int { return &c.SuspicionMult },
}

var switches = map[string]field[bool]{
	"compress":          func(c *memberlist.Config) *bool { return &c.EnableCompression },
	"disable-tcp-pings": func(c *memberlist.Config) *bool { return &c.DisableTcpPings },
	"verify-incoming":   func(c *memberlist.Config) *bool { return &c.GossipVerifyIncoming },
	"verify-outgoing":   func(c *memberlist.Config) *bool { return &c.GossipVerifyOutgoing },
}

var texts = map[string]field[string]{
	"label": func(c *memberlist.Config) *string { return &c.Label },
}

// tuning collects changes to a configuration, because the preset they change is known only after all flags.
type tuning []func(*memberlist.Config)

func tuningFlags() *tuning {
	changes := &tuning{}
	addFlags(changes, durations, time.ParseDuration)
	addFlags(changes, counts, strconv.Atoi)
	addFlags(changes, switches, strconv.ParseBool)
	addFlags(changes, texts, func(text string) (string, error) { return text, nil })
	return changes
}

func addFlags[T any](changes *tuning, fields map[string]field[T], parse func(string) (T, error)) {
	for name, pick := range fields {
		flag.Func(name, "replaces the preset's value", func(text string) error {
			value, err := parse(text)
			*changes = append(*changes, func(c *memberlist.Config) { *pick(c) = value })
			return err
		})
	}
}
