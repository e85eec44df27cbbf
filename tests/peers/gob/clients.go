package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

const (
	attempts     = 6
	attemptPause = 100 * time.Millisecond
)

var errStopped = errors.New("told to stop")

func runClients(flags *flag.FlagSet, arguments []string) error {
	var config clientConfig
	config.flags(flags)
	number := flags.Int("clients", 1, "connections at once")
	neverRead := flags.Float64("never-read", 0, "part of them that only says hello")
	drain := flags.Bool("drain", false, "read without decoding")
	every := flags.Duration("every", 0, "between lines with the totals")
	flags.Parse(arguments)
	if err := config.complete(); err != nil {
		return err
	}
	given := false
	flags.Visit(func(flag *flag.Flag) { given = given || flag.Name == "state" })
	config.state = config.state && (given || *number == 1) && !*drain
	config.generation.register()
	ctx, cancel := context.WithCancelCause(context.Background())
	all := &clients{list: make([]*client, *number), every: *every}
	for i := range all.list {
		own := config
		if *number > 1 {
			own.hello.Hostname = fmt.Sprint(config.hello.Hostname, "-", i)
		}
		all.list[i] = &client{clientConfig: &own, number: i}
	}
	endless := !config.once && (*drain || !config.hasEnd())
	go all.obey(endless, cancel)
	all.run(ctx, cancel, int(*neverRead*float64(*number)+0.5), *drain)
	return nil
}

// clients are all those of the process.
type clients struct {
	list  []*client
	every time.Duration
}

// run lets the first of them do nothing but say hello, and ends when the others have ended.
func (all *clients) run(ctx context.Context, cancel context.CancelCauseFunc, silent int, drain bool) {
	var active, rest sync.WaitGroup
	for i, c := range all.list {
		switch {
		case i < silent:
			rest.Go(func() { c.end(c.neverRead(ctx)) })
		case drain:
			active.Go(func() { c.end(c.drain(ctx)) })
		default:
			active.Go(func() { c.end(c.live(ctx)) })
		}
	}
	if all.every > 0 {
		go func() {
			for range time.Tick(all.every) {
				emit(all.total())
			}
		}()
	}
	if silent == len(all.list) {
		<-ctx.Done()
	}
	active.Wait()
	cancel(errStopped)
	rest.Wait()
	emit(all.total())
}

// obey takes {"report":true} and {"stop":true}. The end of stdin is the end of clients that have no other.
func (all *clients) obey(endsWithStdin bool, cancel context.CancelCauseFunc) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var order struct {
			ID     json.RawMessage `json:"id"`
			Report bool            `json:"report"`
			Stop   bool            `json:"stop"`
		}
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			emit(fields{"event": "refused", "error": err.Error()})
			continue
		}
		if order.Report {
			total := all.total()
			if order.ID != nil {
				total["id"], total["ok"] = order.ID, true
			}
			emit(total)
		}
		if order.Stop {
			cancel(errStopped)
		}
	}
	if endsWithStdin {
		cancel(errStopped)
	}
}

func (all *clients) total() fields {
	var kvs, messages, bytes, synced, lastSynced, lastKVs int64
	for _, c := range all.list {
		kvs += c.counts.kvs.Load()
		messages += c.counts.messages.Load()
		bytes += c.counts.bytes.Load()
		lastKVs = max(lastKVs, c.counts.last.Load())
		if at := c.counts.synced.Load(); at > 0 {
			synced++
			lastSynced = max(lastSynced, at)
		}
	}
	largest, now := memory()
	return fields{
		"event": "total", "clients": len(all.list), "synced": synced, "kvs": kvs, "messages": messages, "bytes": bytes,
		"last_synced_ms": milliseconds(lastSynced), "last_kvs_ms": milliseconds(lastKVs),
		"cpu_seconds": cpu().Seconds(), "max_rss": largest, "rss": now,
	}
}

// end tells why a client is finished, whether quiet or not.
func (c *client) end(reason error) {
	line := c.counts.fields()
	line["event"], line["client"], line["reason"] = "end", c.number, reason.Error()
	if c.rows != nil {
		line["rows"], line["digest"] = len(c.rows), digest(c.rows)
	}
	emit(line)
}

// live connects, and connects again as long as that is wanted and works.
func (c *client) live(ctx context.Context) error {
	for {
		if err := c.tryToConnect(ctx); err != nil {
			return cause(ctx, err)
		}
		err := c.session(ctx)
		if c.once || !c.generation.modern || errors.Is(err, errReached) || ctx.Err() != nil {
			return cause(ctx, err)
		}
		c.tell("restarted", fields{"reason": err.Error()})
		c.tell("status", fields{"status": syncproto.WaitForDatastore, "local": true})
	}
}

func (c *client) tryToConnect(ctx context.Context) (err error) {
	for range attempts {
		if err = c.connect(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(attemptPause)
	}
	return err
}

// cause is why the context is done, if it is.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (c *client) neverRead(ctx context.Context) error {
	if err := c.tryToConnect(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	c.conn.Close()
	return context.Cause(ctx)
}
