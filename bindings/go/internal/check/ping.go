package check

// Ping is a ping of memberlist for a member, made as long as wanted by a field that nobody knows.
func Ping(member string, size int) []byte {
	const ping = 0
	bytes := append([]byte{ping, fixmap | 3}, text("SeqNo")...)
	bytes = append(bytes, 1)
	bytes = append(bytes, text("Node")...)
	bytes = append(bytes, text(member)...)
	return padded(append(bytes, text("Pad")...), size)
}

// Ack is an ack of memberlist for a ping that nobody sent, made as long as wanted by its payload.
func Ack(size int) []byte {
	const ack = 2
	bytes := append([]byte{ack, fixmap | 2}, text("SeqNo")...)
	bytes = append(bytes, 1)
	return padded(append(bytes, text("Payload")...), size)
}

// Of msgpack, as memberlist's codec writes it.
const fixmap, fixstr, raw16 = 0x80, 0xa0, 0xda

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
