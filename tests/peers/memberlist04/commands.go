package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/networkdb/networkdb/tests/peers/peer"
)

const defaultTimeoutMs = 5000

type (
	timeout struct {
		TimeoutMs int `json:"timeout_ms"`
	}
	update struct {
		timeout
		Meta peer.Hex `json:"meta_hex"`
	}
	payload struct {
		Payload peer.Hex `json:"payload_hex"`
	}
	send struct {
		payload
		To       string `json:"to"`
		Reliable bool   `json:"reliable"`
	}
)

func (t timeout) duration() time.Duration {
	return time.Duration(cmp.Or(t.TimeoutMs, defaultTimeoutMs)) * time.Millisecond
}

func addClusterCommands(s *peer.Server, list *memberlist.Memberlist, d *delegate) {
	peer.Handle(s, "join", peer.Waits, func(a peer.Join) (peer.Fields, error) {
		reached, err := list.Join(a.Members)
		return peer.Fields{"reached": reached}, err
	})
	peer.Handle(s, "leave", peer.Waits, func(a timeout) (peer.Fields, error) { return nil, list.Leave(a.duration()) })
	peer.Handle(s, "update_meta", peer.Waits, func(a update) (peer.Fields, error) {
		d.setMeta(a.Meta)
		return nil, list.UpdateNode(a.duration())
	})
	peer.Handle(s, "members", peer.InOrder, func(peer.Nothing) (peer.Fields, error) { return peer.Fields{"members": members(list)}, nil })
	peer.Handle(s, "health", peer.InOrder, func(peer.Nothing) (peer.Fields, error) { return peer.Fields{"score": list.GetHealthScore()}, nil })
}

func addMessageCommands(s *peer.Server, list *memberlist.Memberlist, d *delegate) {
	peer.Handle(s, "send", peer.Waits, func(a send) (peer.Fields, error) { return nil, deliver(list, a) })
	peer.Handle(s, "broadcast", peer.InOrder, func(a payload) (peer.Fields, error) {
		d.queue.QueueBroadcast(broadcast(a.Payload))
		return nil, nil
	})
	peer.Handle(s, "state_hex", peer.InOrder, func(a payload) (peer.Fields, error) { d.setState(a.Payload); return nil, nil })
}

func deliver(list *memberlist.Memberlist, a send) error {
	for _, node := range list.Members() {
		if node.Name != a.To {
			continue
		}
		if a.Reliable {
			return list.SendReliable(node, a.Payload)
		}
		return list.SendBestEffort(node, a.Payload)
	}
	return fmt.Errorf("no member is named %q", a.To)
}

func addKeyCommands(s *peer.Server, keyring *memberlist.Keyring) {
	for op, change := range map[string]func(*memberlist.Keyring, []byte) error{
		"key_add":    (*memberlist.Keyring).AddKey,
		"key_use":    (*memberlist.Keyring).UseKey,
		"key_remove": (*memberlist.Keyring).RemoveKey,
	} {
		peer.Handle(s, op, peer.InOrder, func(a peer.Key) (peer.Fields, error) {
			if keyring == nil {
				return nil, errors.New("started without keys")
			}
			return nil, change(keyring, a.Key)
		})
	}
}
