//go:build !linux

package udp

func (c *Conn) enable() {}

func (c *Conn) segments(int) []byte { return nil }

func segmentSize(_ []byte, n int) int { return n }

func refused(error) bool { return true }
