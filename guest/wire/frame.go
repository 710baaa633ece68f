package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Type is what a frame is for.
type Type uint8

// The types, as the package's comment has them.
const (
	typeHello Type = 1 + iota
	typeBeat
	typeOpen
	typeData
	typeCredit
	typeStop
	typeSignal
	typeResize
	typeExit
	typeOff
)

// Channel is one of a command's three streams of bytes.
type Channel uint8

const (
	Stdin  Channel = 0
	Stdout Channel = 1
	Stderr Channel = 2
)

const channels = 3

const (
	headerSize = 12
	magic      = 0x6e49
	// maxData is large against a header and a wake-up, and small against a window.
	maxData = 256 << 10
	// maxJSON has room for the arguments that Linux lets a command have, 2 MiB.
	maxJSON = 4 << 20
	// maxHello and maxResult are many times what an agent says.
	maxHello  = 4 << 10
	maxResult = 1 << 20
	// window is how much of a channel may be under way. Half of it is 2.5 ms at the
	// 200 MB/s that are wanted, more than a TCG guest takes to wake up.
	window = 1 << 20
)

// A frame as it is on the wire. readFrame's caller owns the payload.
type frame struct {
	typ     Type
	channel Channel
	stream  uint32
	payload []byte
}

// ProtocolError means that the other side broke the protocol.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "agent protocol: " + e.What }

func malformed(format string, args ...any) error {
	return &ProtocolError{fmt.Sprintf(format, args...)}
}

// putHeader writes a frame's header to the front of p.
func putHeader(p []byte, f frame, length int) {
	binary.LittleEndian.PutUint16(p[0:], magic)
	p[2], p[3] = byte(f.typ), byte(f.channel)
	binary.LittleEndian.PutUint32(p[4:], f.stream)
	binary.LittleEndian.PutUint32(p[8:], uint32(length))
}

// encode returns the frame as it is sent.
func (f frame) encode() []byte {
	p := make([]byte, headerSize+len(f.payload))
	putHeader(p, f, len(f.payload))
	copy(p[headerSize:], f.payload)
	return p
}

// payloadLimits are the least and the most bytes that follow a header.
var payloadLimits = map[Type]struct{ least, most uint32 }{
	typeHello: {2, maxHello}, typeBeat: {0, 0}, typeOpen: {2, maxJSON}, typeData: {0, maxData}, typeCredit: {4, 4},
	typeStop: {0, 0}, typeSignal: {4, 4}, typeResize: {4, 4}, typeExit: {2, maxResult}, typeOff: {0, 0},
}

// readFrame reads one frame. Between two frames the end is io.EOF, within one it is
// io.ErrUnexpectedEOF.
func readFrame(r io.Reader) (frame, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	f := frame{typ: Type(head[2]), channel: Channel(head[3]), stream: binary.LittleEndian.Uint32(head[4:])}
	length := binary.LittleEndian.Uint32(head[8:])
	if m := binary.LittleEndian.Uint16(head[:]); m != magic {
		return f, malformed("a frame starts with %#04x instead of %#04x", m, magic)
	}
	limits, ok := payloadLimits[f.typ]
	switch {
	case !ok:
		return f, malformed("a frame of unknown type %d", f.typ)
	case f.channel >= channels || f.channel != 0 && f.typ != typeData && f.typ != typeCredit && f.typ != typeStop:
		return f, malformed("a frame of type %d for channel %d", f.typ, f.channel)
	case length < limits.least || length > limits.most:
		return f, malformed("a frame of type %d has %d bytes; it has %d to %d", f.typ, length, limits.least, limits.most)
	case (f.stream == 0) != (f.typ == typeHello || f.typ == typeBeat || f.typ == typeOff):
		return f, malformed("a frame of type %d for stream %d", f.typ, f.stream)
	}
	if length == 0 {
		return f, nil
	}
	f.payload = make([]byte, length)
	if _, err := io.ReadFull(r, f.payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return f, err
	}
	return f, nil
}
