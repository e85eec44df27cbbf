package differential

import (
	"net/netip"
	"sync"
	"testing/synctest"
	"time"
)

// newcomerOffset keeps the ticks of a node started in one round from the instants at which others begin.
const newcomerOffset = 70 * time.Millisecond

// drain outlasts what Close leaves running: a wait for the answer of a bulk sync for each network.
const drain = 3 * time.Minute

// cluster is the nodes of a schedule, by place.
type cluster struct {
	on    *memory
	nodes map[int]*node
}

// run does a schedule in virtual time: all calls of a round at one instant, the next round when its time is over.
func run(s schedule) outcome {
	c := cluster{on: newMemory(), nodes: map[int]*node{}}
	end := time.Now()
	result := outcome{Seed: s.Seed}
	for i, steps := range s.Rounds {
		results := c.do(steps)
		end = end.Add(time.Duration(s.LastsMs[i]) * time.Millisecond)
		time.Sleep(time.Until(end))
		synctest.Wait()
		result.Rounds = append(result.Rounds, round{Results: results, Nodes: c.views(s)})
	}
	c.stop()
	return result
}

func (c *cluster) views(s schedule) map[string]view {
	views := map[string]view{}
	for _, n := range c.nodes {
		views[n.name] = n.view(s.Networks, s.Tables)
	}
	return views
}

// do makes the calls that return at once in order, then all that take their time.
func (c *cluster) do(steps []step) []string {
	results := make([]string, len(steps))
	nodes := make([]*node, len(steps))
	for i, s := range steps {
		nodes[i] = c.nodes[s.Place]
		switch {
		case s.Op == "cut":
			c.on.isolate(addrOf(s.Place))
		case s.Op == "mend":
			c.on.isolate(netip.AddrPort{})
		case !s.waits():
			results[i] = nodes[i].call(s)
		}
	}
	var waiting sync.WaitGroup
	for i, s := range steps {
		switch s.Op {
		case "network_join":
			waiting.Go(func() { results[i] = result(nodes[i].JoinNetwork(s.Network)) })
		case "leave":
			delete(c.nodes, s.Place)
			waiting.Go(nodes[i].leave)
		}
	}
	c.startAll(steps, results)
	waiting.Wait()
	return results
}

// startAll starts one node after the other: the first ones are seeds of those behind.
func (c *cluster) startAll(steps []step, results []string) {
	time.Sleep(newcomerOffset)
	for i, s := range steps {
		if s.Op == "start" {
			results[i] = result(c.start(s))
		}
	}
}

func (c *cluster) start(s step) error {
	n, err := start(c.on, s.Name, s.Place)
	if err != nil {
		return err
	}
	c.nodes[s.Place] = n
	if len(s.Seeds) == 0 {
		return nil
	}
	seeds := []string{}
	for _, seed := range s.Seeds {
		seeds = append(seeds, addrOf(seed).String())
	}
	return n.Join(seeds)
}

func (c *cluster) stop() {
	var waiting sync.WaitGroup
	for _, n := range c.nodes {
		waiting.Go(n.leave)
	}
	waiting.Wait()
	time.Sleep(drain)
}

func (s step) waits() bool {
	return s.Op == "start" || s.Op == "leave" || s.Op == "network_join"
}

func (n *node) call(s step) string {
	switch s.Op {
	case "network_leave":
		return result(n.LeaveNetwork(s.Network))
	case "create":
		return result(n.CreateEntry(s.Table, s.Network, s.Key, []byte(s.Value)))
	case "update":
		return result(n.UpdateEntry(s.Table, s.Network, s.Key, []byte(s.Value)))
	case "delete":
		return result(n.DeleteEntry(s.Table, s.Network, s.Key))
	case "get":
		value, err := n.GetEntry(s.Table, s.Network, s.Key)
		if err == nil {
			return "= " + string(value)
		}
		return result(err)
	}
	return "unknown op " + s.Op
}

func result(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
