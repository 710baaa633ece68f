package nbd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
)

// conn is one client.
type conn struct {
	*Server
	net.Conn
	r *bufio.Reader

	export *Export // that the client has chosen
	device

	noZeroes   bool
	structured bool // replies come in chunks
	allocation bool // the context base:allocation was chosen

	mu sync.Mutex // of writing a whole reply
}

// errGone says that the client has ended the negotiation.
var errGone = errors.New("the client is gone")

// encode returns numbers and bytes as the protocol has them.
func encode(values ...any) []byte {
	var b []byte
	for _, v := range values {
		var err error
		if b, err = binary.Append(b, binary.BigEndian, v); err != nil {
			panic(err) // all types are of this package
		}
	}
	return b
}

// send sends a whole reply, or a chunk of one.
func (c *conn) send(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Write(p)
	return err
}

// negotiate brings the connection to the transmission phase.
func (c *conn) negotiate() error {
	if err := c.send(encode(uint64(magicInit), uint64(magicOption), uint16(flagFixedNewstyle|flagNoZeroes))); err != nil {
		return err
	}
	var flags uint32
	if err := binary.Read(c.r, binary.BigEndian, &flags); err != nil {
		return err
	}
	if unknown := flags &^ (flagFixedNewstyle | flagNoZeroes); unknown != 0 {
		return fmt.Errorf("client sends unknown flags %#x", unknown)
	}
	c.noZeroes = flags&flagNoZeroes != 0
	for {
		var head struct {
			Magic       uint64
			Option, Len uint32
		}
		if err := binary.Read(c.r, binary.BigEndian, &head); err != nil {
			return err
		}
		if head.Magic != magicOption {
			return fmt.Errorf("client sends %#x where an option should begin", head.Magic)
		}
		ready, err := c.option(head.Option, head.Len)
		if ready || err != nil {
			return err
		}
	}
}

// option answers one option; ready says that it was the last.
func (c *conn) option(opt, length uint32) (ready bool, err error) {
	if length > maxOption {
		if _, err := io.CopyN(io.Discard, c.r, int64(length)); err != nil {
			return false, err
		}
		return false, c.reply(opt, repErrTooBig)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(c.r, data); err != nil {
		return false, err
	}
	switch opt {
	case optExportName:
		return true, c.exportName(string(data))
	case optAbort:
		c.reply(opt, repAck) // it may be gone already
		return false, errGone
	case optList:
		return false, c.list(opt, data)
	case optInfo, optGo:
		ok, err := c.info(opt, data)
		return ok && opt == optGo, err
	case optStructuredReply:
		if length != 0 {
			return false, c.reply(opt, repErrInvalid)
		}
		c.structured = true
		return false, c.reply(opt, repAck)
	case optListMetaContext, optSetMetaContext:
		return false, c.metaContext(opt, data)
	}
	return false, c.reply(opt, repErrUnsup)
}

func (c *conn) reply(opt, kind uint32, values ...any) error {
	data := encode(values...)
	return c.send(encode(uint64(magicOptionReply), opt, kind, uint32(len(data)), data))
}

// list names the exports.
func (c *conn) list(opt uint32, data []byte) error {
	if len(data) > 0 {
		return c.reply(opt, repErrInvalid)
	}
	for _, e := range c.exports {
		if err := c.reply(opt, repServer, uint32(len(e.Name)), []byte(e.Name)); err != nil {
			return err
		}
	}
	return c.reply(opt, repAck)
}

// find returns the export of a name, or nil.
func (c *conn) find(name string) *Export {
	i := slices.IndexFunc(c.exports, func(e Export) bool { return e.Name == name })
	if i < 0 && name == "" && len(c.exports) == 1 {
		i = 0
	}
	if i < 0 {
		return nil
	}
	return &c.exports[i]
}

// unknown refuses a name.
func (c *conn) unknown(opt uint32, name string) error {
	names := make([]string, len(c.exports))
	for i, e := range c.exports {
		names[i] = fmt.Sprintf("%q", e.Name)
	}
	why := fmt.Sprintf("there is no export %.100q; there is %s", name, strings.Join(names, ", "))
	return c.reply(opt, repErrUnknown, []byte(why[:min(len(why), maxName)]))
}

func (c *conn) flags(e *Export) uint16 {
	flags := e.flags()
	if c.structured {
		flags |= flagSendDF
	}
	return flags
}

// exportName ends the negotiation in the old way, which has no reply for an error.
func (c *conn) exportName(name string) error {
	e := c.find(name)
	if e == nil {
		return fmt.Errorf("there is no export %.100q, which the client requests", name)
	}
	c.export, c.device = e, e.device()
	padding := make([]byte, 124)
	if c.noZeroes {
		padding = nil
	}
	return c.send(encode(uint64(e.Disk.Size()), c.flags(e), padding))
}

// fields reads the fields of a message.
type fields struct {
	p   []byte
	bad bool // it is too short
}

func (f *fields) take(n uint32) []byte {
	if uint64(n) > uint64(len(f.p)) {
		f.bad, f.p = true, nil
		return make([]byte, min(n, 4))
	}
	p := f.p[:n]
	f.p = f.p[n:]
	return p
}

func (f *fields) uint16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) uint32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) uint64() uint64 { return uint64(f.uint32())<<32 | uint64(f.uint32()) }
func (f *fields) string() string { return string(f.take(f.uint32())) }

// info describes the export; ok says that it exists.
func (c *conn) info(opt uint32, data []byte) (ok bool, err error) {
	f := &fields{p: data}
	name := f.string()
	blockSize := false
	for range f.uint16() {
		if f.bad {
			break
		}
		blockSize = f.uint16() == infoBlockSize || blockSize
	}
	if f.bad || len(f.p) > 0 {
		return false, c.reply(opt, repErrInvalid)
	}
	e := c.find(name)
	if e == nil {
		return false, c.unknown(opt, name)
	}
	if opt == optGo {
		c.export, c.device = e, e.device()
	}
	if err := c.reply(opt, repInfo, uint16(infoExport), uint64(e.Disk.Size()), c.flags(e)); err != nil {
		return false, err
	}
	if blockSize {
		smallest, best, largest := uint32(1), uint32(hole), uint32(maxRead)
		if err := c.reply(opt, repInfo, uint16(infoBlockSize), smallest, best, largest); err != nil {
			return false, err
		}
	}
	return true, c.reply(opt, repAck)
}

// metaContext lists the contexts that match a client's queries, or chooses among them.
func (c *conn) metaContext(opt uint32, data []byte) error {
	f := &fields{p: data}
	name := f.string()
	queries := f.uint32()
	found := opt == optListMetaContext && queries == 0
	for range queries {
		if f.bad {
			break
		}
		q := f.string()
		found = found || q == contextAllocation || opt == optListMetaContext && q == "base:"
	}
	switch {
	case f.bad || len(f.p) > 0 || !c.structured:
		return c.reply(opt, repErrInvalid)
	case c.find(name) == nil:
		return c.unknown(opt, name)
	}
	if opt == optSetMetaContext {
		c.allocation = found
	}
	if found {
		if err := c.reply(opt, repMetaContext, uint32(contextID), []byte(contextAllocation)); err != nil {
			return err
		}
	}
	return c.reply(opt, repAck)
}
