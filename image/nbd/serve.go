package nbd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sync/semaphore"

	"ingot/image"
)

// Options are what a caller may want to know of the serving.
type Options struct {
	// Failed is called when bytes could not be read, a file that changed being the usual
	// reason, and when a client does not speak the protocol. It may be called from
	// several goroutines.
	Failed func(err error)
}

// server is what all connections share.
type server struct {
	Options
	disk *image.Map
}

// inFlight is how many bytes of replies are made at once for one client. Clients do
// not share it: one that does not take its replies must not stop the others.
const inFlight = 2 * maxRead

// Serve accepts clients from l and serves disk to them until ctx is done, which is no
// error, or l fails. Before it returns it closes l and all connections, and waits for
// what it has started.
func Serve(ctx context.Context, l net.Listener, disk *image.Map, o Options) error {
	s := &server{Options: o, disk: disk}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		<-ctx.Done()
		l.Close()
	})
	for {
		socket, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		wg.Go(func() {
			stop := context.AfterFunc(ctx, func() { socket.Close() })
			defer stop()
			defer socket.Close()
			s.fail(ctx, s.client(ctx, socket))
		})
	}
}

// fail passes on an error, unless it is the end of the serving or of a client.
func (s *server) fail(ctx context.Context, err error) {
	var broken net.Error
	gone := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errGone) || errors.As(err, &broken)
	if err != nil && !gone && ctx.Err() == nil && s.Failed != nil {
		s.Failed(err)
	}
}

func (s *server) client(ctx context.Context, socket net.Conn) error {
	c := &conn{server: s, Conn: socket, r: bufio.NewReader(socket)}
	if err := c.negotiate(); err != nil {
		return fmt.Errorf("nbd negotiation: %w", err)
	}
	return c.transmit(ctx)
}

// transmit answers requests until the client disconnects. Reads are answered in the
// order in which they are done.
func (c *conn) transmit(ctx context.Context) error {
	memory := semaphore.NewWeighted(inFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		var q request
		if err := binary.Read(c.r, binary.BigEndian, &q); err != nil {
			return err
		}
		if q.Magic != magicRequest {
			return fmt.Errorf("nbd client sends %#x where a request should begin", q.Magic)
		}
		if q.Type == cmdDisc {
			return nil
		}
		if q.Type == cmdWrite { // its bytes are on their way already
			if _, err := io.CopyN(io.Discard, c.r, int64(q.Length)); err != nil {
				return err
			}
		}
		cost := int64(hole) // so that small requests are not without end, either
		if q.Type == cmdRead {
			cost += int64(min(q.Length, maxRead))
		}
		if err := memory.Acquire(ctx, cost); err != nil {
			return err
		}
		wg.Go(func() {
			defer memory.Release(cost)
			if err := c.answer(&q); err != nil {
				c.Close() // the client cannot know what was lost: it must see the end
			}
		})
	}
}

// answer answers one request. An error is one of the connection.
func (c *conn) answer(q *request) error {
	size := uint64(c.disk.Size())
	inside := q.Offset <= size && uint64(q.Length) <= size-q.Offset
	switch q.Type {
	case cmdRead:
		switch {
		case !inside || q.Length == 0:
			return c.refuse(q, errInval, fmt.Sprintf("%d bytes at %d are not within the %d of the disk", q.Length, q.Offset, size))
		case q.Length > maxRead:
			return c.refuse(q, errInval, fmt.Sprintf("a read of %d bytes is longer than %d", q.Length, maxRead))
		case c.structured && q.Flags&cmdFlagDF == 0:
			return c.readChunks(q)
		}
		return c.read(q)
	case cmdFlush:
		return c.done(q)
	case cmdBlockStatus:
		if !c.allocation || !inside || q.Length == 0 {
			return c.refuse(q, errInval, "block status of nothing that is there")
		}
		return c.blockStatus(q)
	case cmdWrite, cmdTrim, cmdWriteZeroes:
		return c.refuse(q, errPerm, "the disk is read-only")
	}
	return c.refuse(q, errInval, fmt.Sprintf("unknown command %d", q.Type))
}

// refuse answers with an error.
func (c *conn) refuse(q *request, errno uint32, why string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.structured {
		return put(c, uint32(magicSimpleReply), errno, q.Cookie)
	}
	why = why[:min(len(why), 4000)]
	return c.chunk(q, replyFlagDone, replyTypeError, 6+len(why), errno, uint16(len(why)), why)
}

// done answers that all went well.
func (c *conn) done(q *request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.structured {
		return put(c, uint32(magicSimpleReply), uint32(0), q.Cookie)
	}
	return c.chunk(q, replyFlagDone, replyTypeNone, 0)
}

// chunk sends a chunk of a structured reply: its header, with the length of all that
// belongs to it, and its first values.
func (c *conn) chunk(q *request, flags, kind uint16, length int, values ...any) error {
	return put(c, append([]any{uint32(magicStructuredReply), flags, kind, q.Cookie, uint32(length)}, values...)...)
}

// bytes reads n bytes of the disk.
func (c *conn) bytes(off, n int64) ([]byte, error) {
	p := make([]byte, n)
	if _, err := c.disk.ReadAt(p, off); err != nil && err != io.EOF {
		if c.Failed != nil {
			c.Failed(err)
		}
		return nil, err
	}
	return p, nil
}

// read answers a read in one piece.
func (c *conn) read(q *request) error {
	p, err := c.bytes(int64(q.Offset), int64(q.Length))
	if err != nil {
		return c.refuse(q, errIO, err.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.structured {
		err = c.chunk(q, replyFlagDone, replyTypeOffsetData, 8+len(p), q.Offset)
	} else {
		err = put(c, uint32(magicSimpleReply), uint32(0), q.Cookie)
	}
	if err == nil {
		_, err = c.Write(p)
	}
	return err
}

// readChunks answers a read by its runs of data and of zeros.
func (c *conn) readChunks(q *request) error {
	for r := range runs(c.disk, int64(q.Offset), int64(q.Length)) {
		flags := uint16(0)
		if r.end() == int64(q.Offset)+int64(q.Length) {
			flags = replyFlagDone
		}
		var p []byte
		if !r.zero {
			var err error
			if p, err = c.bytes(r.off, r.n); err != nil {
				return c.refuse(q, errIO, err.Error())
			}
		}
		if err := c.sendRun(q, flags, r, p); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) sendRun(q *request, flags uint16, r run, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.zero {
		return c.chunk(q, flags, replyTypeOffsetHole, 12, uint64(r.off), uint32(r.n))
	}
	if err := c.chunk(q, flags, replyTypeOffsetData, 8+len(p), uint64(r.off)); err != nil {
		return err
	}
	_, err := c.Write(p)
	return err
}

// maxStates is how many runs are told at once; the client asks again for the rest.
const maxStates = 4096

// blockStatus tells where data and where holes are.
func (c *conn) blockStatus(q *request) error {
	limit := maxStates
	if q.Flags&cmdFlagReqOne != 0 {
		limit = 1
	}
	var states []byte
	for r := range runs(c.disk, int64(q.Offset), int64(q.Length)) {
		state := uint32(0)
		if r.zero {
			state = stateHole | stateZero
		}
		states = binary.BigEndian.AppendUint32(states, uint32(r.n))
		states = binary.BigEndian.AppendUint32(states, state)
		if len(states)/8 == limit {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chunk(q, replyFlagDone, replyTypeBlockStatus, 4+len(states), uint32(contextID), states)
}
