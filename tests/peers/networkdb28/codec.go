package main

import (
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/networkdb/networkdb/tests/peers/peer"
)

type codec struct {
	Event  peer.Hex `json:"event_hex"`
	Rounds int      `json:"rounds"`
}

func addCodecCommand(s *peer.Server) {
	peer.Handle(s, "bench_codec", peer.InOrder, benchCodec)
}

// benchCodec times what the package does with a table event, in nanoseconds a round.
func benchCodec(a codec) (peer.Fields, error) {
	event, err := decodeEvent(a.Event)
	if err != nil {
		return nil, err
	}
	encoded, err := encodeEvent(event)
	if err != nil {
		return nil, err
	}
	return peer.Fields{
		"event_hex": peer.Hex(encoded),
		"encode_ns": perRound(a.Rounds, func() error { _, err := encodeEvent(event); return err }),
		"decode_ns": perRound(a.Rounds, func() error { _, err := decodeEvent(encoded); return err }),
	}, nil
}

// encodeEvent is the package's encodeMessage, which it does not export.
func encodeEvent(event *TableEvent) ([]byte, error) {
	data, err := proto.Marshal(event)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&GossipMessage{Type: tableEvent, Data: data})
}

// decodeEvent is the package's decodeMessage and what it does to the message inside.
func decodeEvent(bytes []byte) (*TableEvent, error) {
	var envelope GossipMessage
	if err := proto.Unmarshal(bytes, &envelope); err != nil {
		return nil, err
	}
	var event TableEvent
	return &event, proto.Unmarshal(envelope.Data, &event)
}

func perRound(rounds int, work func() error) float64 {
	start := time.Now()
	for range rounds {
		if err := work(); err != nil {
			peer.Fail(err)
		}
	}
	return float64(time.Since(start).Nanoseconds()) / float64(rounds)
}
