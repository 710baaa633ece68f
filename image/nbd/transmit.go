package nbd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"

	"ingot/image"
)

// inFlight is how many bytes of requests and replies one client may have in memory. Clients do
// not share it: one that does not read its replies must not stop the others.
const inFlight = 2 * maxRead

// transmit answers requests until the client disconnects, in the order in which they
// are done.
func (c *conn) transmit(ctx context.Context) error {
	memory := semaphore.NewWeighted(inFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		var q request
		if err := c.request(&q); err != nil {
			return err
		}
		if q.Type == cmdDisc {
			return nil
		}
		cost := int64(hole) // which limits small requests, too
		if q.Type == cmdRead || q.Type == cmdWrite {
			cost += int64(min(q.Length, maxRead))
		}
		if err := memory.Acquire(ctx, cost); err != nil {
			return err
		}
		payload, err := c.payload(&q)
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer memory.Release(cost)
			if err := c.answer(&q, payload); err != nil {
				c.Close() // the client must not wait for the lost reply
			}
		})
	}
}

// request reads the next request.
func (c *conn) request(q *request) error {
	var raw [requestSize]byte
	if _, err := io.ReadFull(c.r, raw[:]); err != nil {
		return err
	}
	f := fields{p: raw[:]}
	*q = request{f.uint32(), f.uint16(), f.uint16(), f.uint64(), f.uint64(), f.uint32()}
	if q.Magic != magicRequest {
		return fmt.Errorf("nbd client sends %#x where a request should begin", q.Magic)
	}
	return nil
}

// payload reads the bytes that follow a write, and passes over those of a refused one.
func (c *conn) payload(q *request) ([]byte, error) {
	if q.Type != cmdWrite {
		return nil, nil
	}
	if c.export.Overlay == nil || q.Length > maxRead || !c.inside(q) {
		_, err := io.CopyN(io.Discard, c.r, int64(q.Length))
		return nil, err
	}
	p := make([]byte, q.Length)
	_, err := io.ReadFull(c.r, p)
	return p, err
}

// inside says whether a request stays within the disk.
func (c *conn) inside(q *request) bool {
	size := uint64(c.Size())
	return q.Offset <= size && uint64(q.Length) <= size-q.Offset
}

// answer answers one request. An error is one of the connection.
func (c *conn) answer(q *request, payload []byte) error {
	switch q.Type {
	case cmdFlush:
		return c.result(q, c.flush())
	case cmdRead, cmdBlockStatus, cmdWrite, cmdTrim, cmdWriteZeroes:
	default:
		return c.refuse(q, errInval, fmt.Sprintf("unknown command %d", q.Type))
	}
	writes := q.Type != cmdRead && q.Type != cmdBlockStatus
	switch {
	case writes && c.export.Overlay == nil:
		return c.refuse(q, errPerm, "the disk is read-only")
	case !c.inside(q) || q.Length == 0:
		return c.refuse(q, errInval, fmt.Sprintf("%d bytes at %d are not within the %d of the disk", q.Length, q.Offset, c.Size()))
	case (q.Type == cmdRead || q.Type == cmdWrite) && q.Length > maxRead:
		return c.refuse(q, errInval, fmt.Sprintf("%d bytes in one request; the limit is %d", q.Length, maxRead))
	case writes:
		return c.result(q, c.change(q, payload))
	case q.Type == cmdBlockStatus && !c.allocation:
		return c.refuse(q, errInval, "block status was not negotiated")
	case q.Type == cmdBlockStatus:
		return c.blockStatus(q)
	case c.structured && q.Flags&cmdFlagDF == 0:
		return c.readChunks(q)
	}
	return c.read(q)
}

// change executes a request that writes.
func (c *conn) change(q *request, payload []byte) error {
	o, off := c.export.Overlay, int64(q.Offset)
	var err error
	if q.Type == cmdWrite {
		_, err = o.WriteAt(payload, off)
	} else {
		err = o.Zero(off, int64(q.Length)) // a trim may do that, and shows no old bytes then
	}
	if err == nil && q.Flags&cmdFlagFUA != 0 {
		err = o.Flush()
	}
	return err
}

func (c *conn) flush() error {
	if c.export.Overlay == nil {
		return nil
	}
	return c.export.Overlay.Flush()
}

// result answers a request that reads nothing.
func (c *conn) result(q *request, err error) error {
	if err == nil {
		return c.done(q)
	}
	c.failed(err)
	errno := uint32(errIO)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		errno = errNoSpc
	}
	return c.refuse(q, errno, err.Error())
}

// refuse answers with an error.
func (c *conn) refuse(q *request, errno uint32, why string) error {
	if !c.structured {
		return c.simple(q, errno)
	}
	why = why[:min(len(why), maxWhy)]
	return c.chunk(q, replyFlagDone, replyTypeError, errno, uint16(len(why)), []byte(why))
}

// maxWhy is the length at which the text of an error is cut; the protocol has room for 4096
// bytes.
const maxWhy = 4000

// done answers that all went well.
func (c *conn) done(q *request) error {
	if !c.structured {
		return c.simple(q, 0)
	}
	return c.chunk(q, replyFlagDone, replyTypeNone)
}

// simple sends a simple reply without data.
func (c *conn) simple(q *request, errno uint32) error {
	return c.send(encode(uint32(magicSimpleReply), errno, q.Cookie))
}

// chunk sends a chunk of a structured reply.
func (c *conn) chunk(q *request, flags, kind uint16, values ...any) error {
	data := encode(values...)
	return c.send(encode(uint32(magicStructuredReply), flags, kind, q.Cookie, uint32(len(data)), data))
}

// read answers a read in one piece.
func (c *conn) read(q *request) error {
	head := simpleHeader
	if c.structured {
		head = chunkHeader + 8
	}
	b := newBuffer(head + int(q.Length))
	defer b.free()
	if err := c.fill(b.p[head:], int64(q.Offset)); err != nil {
		return c.refuse(q, errIO, err.Error())
	}
	if c.structured {
		dataHeader(b.p, replyFlagDone, q.Cookie, q.Offset, int(q.Length))
	} else {
		binary.BigEndian.PutUint32(b.p, magicSimpleReply)
		binary.BigEndian.PutUint32(b.p[4:], 0)
		binary.BigEndian.PutUint64(b.p[8:], q.Cookie)
	}
	return c.send(b.p)
}

// fill reads bytes of the disk.
func (c *conn) fill(p []byte, off int64) error {
	err := image.ReadFull(c.device, p, off)
	if err != nil {
		c.failed(err)
	}
	return err
}

// readChunks answers a read by its runs of data and of zeros. Long runs are cut, so
// that what is read is still in the processor's cache when it is sent.
func (c *conn) readChunks(q *request) error {
	end := int64(q.Offset) + int64(q.Length)
	for r := range c.runs(int64(q.Offset), int64(q.Length)) {
		for r.n > 0 {
			part := r
			if !r.zero {
				part.n = min(r.n, maxChunk)
			}
			r.off, r.n = r.off+part.n, r.n-part.n
			flags := uint16(0)
			if r.off == end {
				flags = replyFlagDone
			}
			if failed, err := c.sendRun(q, flags, part); failed || err != nil {
				return err
			}
		}
	}
	return nil
}

// sendRun sends one run; failed says that it sent an error instead.
func (c *conn) sendRun(q *request, flags uint16, r run) (failed bool, err error) {
	if r.zero {
		return false, c.chunk(q, flags, replyTypeOffsetHole, uint64(r.off), uint32(r.n))
	}
	b := newBuffer(chunkHeader + 8 + int(r.n))
	defer b.free()
	if err := c.fill(b.p[chunkHeader+8:], r.off); err != nil {
		return true, c.refuse(q, errIO, err.Error())
	}
	dataHeader(b.p, flags, q.Cookie, uint64(r.off), int(r.n))
	return false, c.send(b.p)
}

// dataHeader writes the header of a chunk with the n bytes at off.
func dataHeader(p []byte, flags uint16, cookie, off uint64, n int) {
	binary.BigEndian.PutUint32(p, magicStructuredReply)
	binary.BigEndian.PutUint16(p[4:], flags)
	binary.BigEndian.PutUint16(p[6:], replyTypeOffsetData)
	binary.BigEndian.PutUint64(p[8:], cookie)
	binary.BigEndian.PutUint32(p[16:], uint32(8+n))
	binary.BigEndian.PutUint64(p[chunkHeader:], off)
}

// maxStates is how many runs one reply lists; the client requests the rest.
const maxStates = 4096

// blockStatus answers where data and where holes are.
func (c *conn) blockStatus(q *request) error {
	limit := maxStates
	if q.Flags&cmdFlagReqOne != 0 {
		limit = 1
	}
	var states []uint32
	for r := range c.runs(int64(q.Offset), int64(q.Length)) {
		state := uint32(0)
		if r.zero {
			state = stateHole | stateZero
		}
		states = append(states, uint32(r.n), state)
		if len(states)/2 == limit {
			break
		}
	}
	return c.chunk(q, replyFlagDone, replyTypeBlockStatus, uint32(contextID), states)
}
