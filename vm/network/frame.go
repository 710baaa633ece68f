package network

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// QEMU's framing on a stream: the length of the frame in four bytes, the most
// significant first, then the frame. It is what `-netdev stream` and the older
// `-netdev socket` speak (net/stream.c), and passt and gvproxy with them.
const frameHeader = 4

// maxFrame is NET_BUFSIZE of QEMU: 64 KiB and a page for what stands around it.
const maxFrame = 4096 + 65536

// Ethernet II: IEEE 802.3, clause 3.
const (
	ethernetHeader = 14 // destination, source, type
	minFrame       = ethernetHeader
)

// MAC is the address of a network card.
type MAC [6]byte

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// isGroup reports whether an address stands for several cards: the bit that goes over
// the wire first. Broadcast is one of them.
func (m MAC) isGroup() bool { return m[0]&1 != 0 }

func destination(frame []byte) MAC { return MAC(frame[0:6]) }
func sender(frame []byte) MAC      { return MAC(frame[6:12]) }

// ReadFrame reads the next frame of a stream. It is valid until the next call. The
// reader's buffer has to hold one; that of [NewReader] does.
func ReadFrame(r *bufio.Reader) ([]byte, error) {
	raw, err := readRaw(r)
	if err != nil {
		return nil, err
	}
	return raw[frameHeader:], nil
}

// readRaw returns a frame with the length before it, so that it can be passed on as
// it came.
func readRaw(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(frameHeader)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes, and the limit is %d: not QEMU's framing", n, maxFrame)
	}
	raw, err := r.Peek(frameHeader + int(n))
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	_, err = r.Discard(len(raw))
	return raw, err
}

// readerSize lets one read take up what a guest has sent meanwhile: at 1,500 bytes a
// frame, system calls would otherwise be most of the work.
const readerSize = 256 << 10

// NewReader returns a reader for [ReadFrame].
func NewReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, readerSize) }

// AppendFrame appends a frame as it stands on a stream.
func AppendFrame(b, frame []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(frame))), frame...)
}
