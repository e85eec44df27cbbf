package check

// Ping is a ping of memberlist for a member, made as long as wanted by a field that nobody knows.
func Ping(member string, number byte, size int) []byte {
	const ping, fixmap, str8, bin16 = 0, 0x80, 0xa0, 0xc5
	bytes := []byte{ping, fixmap | 3}
	text := func(text string) {
		bytes = append(bytes, str8|byte(len(text)))
		bytes = append(bytes, text...)
	}
	text("SeqNo")
	bytes = append(bytes, number)
	text("Node")
	text(member)
	text("Pad")
	pad := size - len(bytes) - 3
	bytes = append(bytes, bin16, byte(pad>>8), byte(pad))
	return append(bytes, make([]byte, pad)...)
}
