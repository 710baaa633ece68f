package network

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"
)

// Blocks of pcapng: draft-ietf-opsawg-pcapng, section 4. tcpdump and Wireshark read it.
const (
	sectionHeaderBlock  = 0x0a0d0d0a
	interfaceBlock      = 0x00000001
	enhancedPacketBlock = 0x00000006

	byteOrderMagic   = 0x1a2b3c4d
	linkTypeEthernet = 1
	optionIfName     = 2
	optionIfTsresol  = 9
	nanoseconds      = 9 // if_tsresol: 10 to the power of -9
)

// A Capture writes the frames of several networks to a pcapng file.
type Capture struct {
	mu    sync.Mutex
	w     io.Writer
	count uint32 // of interfaces
	err   error
}

// NewCapture begins a file.
func NewCapture(w io.Writer) (*Capture, error) {
	c := &Capture{w: w}
	body := binary.LittleEndian.AppendUint32(nil, byteOrderMagic)
	body = append(body, 1, 0, 0, 0)                           // version 1.0
	body = binary.LittleEndian.AppendUint64(body, ^uint64(0)) // the section's length is not known
	c.block(sectionHeaderBlock, body)
	return c, c.err
}

// Interface returns what writes the frames of one network.
func (c *Capture) Interface(name string) func(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	number := c.count
	c.count++
	body := binary.LittleEndian.AppendUint32(nil, linkTypeEthernet)
	body = binary.LittleEndian.AppendUint32(body, maxFrame)
	body = appendOption(body, optionIfName, []byte(name))
	body = appendOption(body, optionIfTsresol, []byte{nanoseconds})
	c.block(interfaceBlock, appendOption(body, 0, nil))
	return func(frame []byte) { c.packet(number, time.Now(), frame) }
}

func (c *Capture) packet(number uint32, at time.Time, frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body := binary.LittleEndian.AppendUint32(make([]byte, 0, 20+len(frame)+3), number)
	body = binary.LittleEndian.AppendUint32(body, uint32(uint64(at.UnixNano())>>32))
	body = binary.LittleEndian.AppendUint32(body, uint32(at.UnixNano()))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(frame))) // captured
	body = binary.LittleEndian.AppendUint32(body, uint32(len(frame))) // on the wire
	c.block(enhancedPacketBlock, pad(append(body, frame...)))
}

// Err returns the first error of writing. Frames pass all the same.
func (c *Capture) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// block writes a block, whose length stands before and after it.
func (c *Capture) block(kind uint32, body []byte) {
	if c.err != nil {
		return
	}
	n := uint32(12 + len(body))
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, n), kind)
	b = append(binary.LittleEndian.AppendUint32(b, n), body...)
	if _, err := c.w.Write(binary.LittleEndian.AppendUint32(b, n)); err != nil {
		c.err = fmt.Errorf("capture: %w", err)
	}
}

func appendOption(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

// pad fills up to a multiple of four bytes.
func pad(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
