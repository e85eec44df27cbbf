package check

import "bytes"

// Types of messages.
const pingType, ackType = 0, 2

// Ping is a ping of memberlist for a member, made as long as wanted by a field that nobody knows.
func Ping(member string, number byte, size int) []byte {
	bytes := append([]byte{pingType, fixmap | 3}, text("SeqNo")...)
	bytes = append(bytes, unsigned(number)...)
	bytes = append(bytes, text("Node")...)
	bytes = append(bytes, text(member)...)
	return padded(append(bytes, text("Pad")...), size)
}

// Ack is an ack of memberlist for a ping that nobody sent, made as long as wanted by its payload.
func Ack(size int) []byte {
	bytes := append([]byte{ackType, fixmap | 2}, text("SeqNo")...)
	bytes = append(bytes, 1)
	return padded(append(bytes, text("Payload")...), size)
}

// AckNumber is the number of the ping that an ack is for; 0 if it is no ack, or one with news behind it.
func AckNumber(ack []byte) byte {
	_, after, found := bytes.Cut(ack, text("SeqNo"))
	switch {
	case !found, ack[0] != ackType:
		return 0
	case after[0] == eightBits:
		return after[1]
	default:
		return after[0]
	}
}

// Of msgpack, as memberlist's codec writes it.
const fixmap, fixstr, eightBits, raw16 = 0x80, 0xa0, 0xcc, 0xda

func unsigned(number byte) []byte {
	if number < 0x80 {
		return []byte{number}
	}
	return []byte{eightBits, number}
}

func text(text string) []byte {
	return append([]byte{fixstr | byte(len(text))}, text...)
}

func padded(bytes []byte, size int) []byte {
	pad := size - len(bytes) - 3
	bytes = append(bytes, raw16, byte(pad>>8), byte(pad))
	for i := range pad {
		bytes = append(bytes, 'a'+byte(i%26))
	}
	return bytes
}
