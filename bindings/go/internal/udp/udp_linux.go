package udp

import (
	"encoding/binary"
	"errors"
	"syscall"
	"unsafe"
)

// Options of the level IPPROTO_UDP, of linux/udp.h.
const (
	udpSegment = 103
	udpGRO     = 104
)

// enable asks the kernel for what it has.
func (c *Conn) enable() {
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(socket uintptr) {
		// Without it, each read brings one datagram.
		_ = syscall.SetsockoptInt(int(socket), syscall.IPPROTO_UDP, udpGRO, 1)
		_, err := syscall.GetsockoptInt(int(socket), syscall.IPPROTO_UDP, udpSegment)
		c.together = err == nil
	})
	c.control = make([]byte, syscall.CmsgSpace(2))
	header := (*syscall.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(c.control)))
	header.Level, header.Type = syscall.IPPROTO_UDP, udpSegment
	header.SetLen(syscall.CmsgLen(2))
}

// segments is the control message that tells the kernel where to cut.
func (c *Conn) segments(size int) []byte {
	binary.NativeEndian.PutUint16(c.control[syscall.CmsgLen(0):], uint16(size))
	return c.control
}

// segmentSize is where the kernel says that n bytes are to be cut: nowhere, if it says nothing.
func segmentSize(control []byte, n int) int {
	if len(control) == 0 {
		return n
	}
	messages, _ := syscall.ParseSocketControlMessage(control)
	for _, message := range messages {
		if message.Header.Level == syscall.IPPROTO_UDP && message.Header.Type == udpGRO && len(message.Data) >= 4 {
			return max(int(binary.NativeEndian.Uint32(message.Data)), 1)
		}
	}
	return n
}

// refused says whether the kernel will not cut for this socket: its interface computes no checksums, or its route seals.
func refused(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EINVAL)
}
