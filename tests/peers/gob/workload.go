package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// A workload makes the same KVs each time it is asked, and others in each round.
type workload struct {
	small      bool
	valueBytes int
}

// Sizes of values with which a KV takes 804 bytes of a stream, or 88.
const (
	bigValue   = 705
	smallValue = 30
)

func newWorkload(small bool, valueBytes int) workload {
	switch {
	case valueBytes == 0 && small:
		valueBytes = smallValue
	case valueBytes == 0:
		valueBytes = bigValue
	}
	return workload{small, valueBytes}
}

// kv is the i-th KV as it is in a round. Keys and revisions are of one length up to a million.
func (w workload) kv(i, round int) syncproto.SerializedUpdate {
	update := syncproto.SerializedUpdate{Revision: strconv.Itoa(1000000 + (round*1000003+i)%9000000), UpdateType: syncproto.KVUpdated}
	if round == 0 {
		update.UpdateType = syncproto.KVNew
	}
	if w.small {
		update.Key = fmt.Sprintf("/calico/v1/config/Setting-%06d", i)
		hash := uint64(i+1) * 11400714819323198485 * uint64(round+1)
		update.Value = padded(fmt.Sprintf("setting-%016x-", hash), w.valueBytes)
		return update
	}
	update.Key = fmt.Sprintf("/calico/v1/host/node-%04d/workload/k8s/ns-%02d%%2fpod-%06d/endpoint/eth0", i%1000, i%50, i)
	update.Value = w.endpoint(i, round)
	return update
}

func (w workload) kvs(count int) []syncproto.SerializedUpdate {
	list := make([]syncproto.SerializedUpdate, 0, count)
	for i := range count {
		list = append(list, w.kv(i, 0))
	}
	return list
}

// endpoint looks like a workload endpoint in the datastore, with labels up to the size wanted.
func (w workload) endpoint(i, round int) []byte {
	hash := uint32(i)*2654435761 + uint32(round)*40503
	var text strings.Builder
	fmt.Fprintf(&text, `{"state":"active","name":"cali%08x","active_instance_id":"","mac":"ee:ee:ee:ee:ee:ee",`, hash)
	fmt.Fprintf(&text, `"profile_ids":["kns.ns-%[1]d","ksa.ns-%[1]d.default"],"ipv4_nets":["10.%d.%d.%d/32"],`, i%50, i>>16&255, i>>8&255, i&255)
	fmt.Fprintf(&text, `"ipv6_nets":[],"labels":{"app":"app-%d","pod-template-hash":"%08x"`, i%97, hash)
	for number := 0; text.Len() < w.valueBytes-120; number++ {
		fmt.Fprintf(&text, `,"example.com/label-%d":"value-%08x"`, number, hash*uint32(number+3))
	}
	text.WriteString(`,"projectcalico.org/orchestrator":"k8s","tier":"`)
	fill := max(w.valueBytes-text.Len()-len(`"}}`), 0)
	text.Write(padded("backend-", fill))
	text.WriteString(`"}}`)
	return []byte(text.String())
}

func padded(text string, size int) []byte {
	return []byte((text + strings.Repeat("x", size))[:size])
}
