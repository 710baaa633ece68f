package wire

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// A Session is one side of the line.
type Session struct {
	conn   io.ReadWriteCloser
	peer   Hello
	handle func(*Stream, Request) // on the guest's side
	off    func()

	sending sync.Mutex // one frame at a time

	mu      sync.Mutex
	streams map[uint32]*Stream
	last    uint32 // the highest number of a stream so far
	err     error  // why the session has ended

	done  chan struct{}
	heard atomic.Int64 // when the last frame came, in nanoseconds since 1970
}

// ErrClosed is the end of a session by its own side.
var ErrClosed = errors.New("the session is closed")

func newSession(conn io.ReadWriteCloser) *Session {
	s := &Session{conn: conn, streams: map[uint32]*Stream{}, done: make(chan struct{})}
	s.heard.Store(time.Now().UnixNano())
	return s
}

// Dial starts the host's side: it waits for the guest's hello and answers it. The
// session ends with Close, or with the line.
func Dial(ctx context.Context, conn io.ReadWriteCloser) (*Session, error) {
	s := newSession(conn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	in := bufio.NewReaderSize(conn, 64<<10)
	err := s.greeted(in)
	if err == nil {
		err = s.greet(Hello{})
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	go s.receive(in)
	return s, nil
}

// Serve starts the guest's side: it says hello, and calls handle in a goroutine of
// its own for each request; what handle has to say ends with Stream.Exit. off is
// called when the host asks to switch the machine off.
func Serve(conn io.ReadWriteCloser, own Hello, handle func(*Stream, Request), off func()) (*Session, error) {
	s := newSession(conn)
	s.handle, s.off = handle, off
	if err := s.greet(own); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(conn, 64<<10)
	if err := s.greeted(in); err != nil {
		return nil, err
	}
	go s.receive(in)
	if own.Beat > 0 {
		go s.beat(time.Duration(own.Beat) * time.Millisecond)
	}
	return s, nil
}

// greet says hello.
func (s *Session) greet(h Hello) error {
	h.Agent, h.Version, h.Least = "ingot", Version, least
	return s.sendJSON(typeHello, 0, h)
}

// greeted reads the other side's hello.
func (s *Session) greeted(in io.Reader) error {
	f, err := readFrame(in)
	if err != nil {
		return err
	}
	if f.typ != typeHello {
		return malformed("the first frame is of type %d, not a hello", f.typ)
	}
	if err := json.Unmarshal(f.payload, &s.peer); err != nil || s.peer.Agent != "ingot" {
		return malformed("the hello is not ingot's: %.80q", f.payload)
	}
	if s.peer.Version < least || s.peer.Least > Version {
		return malformed("the other side speaks versions %d to %d, this one %d to %d: two versions of ingot are at work",
			s.peer.Least, s.peer.Version, least, Version)
	}
	s.heard.Store(time.Now().UnixNano())
	return nil
}

// Peer is what the other side said of itself.
func (s *Session) Peer() Hello { return s.peer }

// Heard returns when the other side last sent anything.
func (s *Session) Heard() time.Time { return time.Unix(0, s.heard.Load()) }

// Done is closed when the session has ended; Err then says why.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err is why the session has ended: io.EOF if the other side hung up.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends the session; all that waits on it returns with an error.
func (s *Session) Close() error {
	s.fail(ErrClosed)
	return nil
}

// fail ends the session for a reason.
func (s *Session) fail(err error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	streams := s.streams
	s.streams = map[uint32]*Stream{}
	s.mu.Unlock()
	s.conn.Close()
	for _, t := range streams {
		t.fail(err)
	}
	close(s.done)
}

// Off asks the guest to switch itself off.
func (s *Session) Off() error { return s.send(frame{typ: typeOff}) }

func (s *Session) beat(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if s.send(frame{typ: typeBeat}) != nil {
				return
			}
		case <-s.done:
			return
		}
	}
}

// Open starts a request; its stream tells how it goes.
func (s *Session) Open(r Request) (*Stream, error) {
	if r.kinds() != 1 {
		return nil, fmt.Errorf("a request for %d things; it is for one", r.kinds())
	}
	payload, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(payload) > maxJSON {
		return nil, fmt.Errorf("a request of %d bytes; the limit is %d (a long script can be copied in as a file)", len(payload), maxJSON)
	}
	s.sending.Lock() // so that numbers grow on the wire, too
	defer s.sending.Unlock()
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return nil, s.err
	}
	s.last++
	t := newStream(s, s.last)
	s.streams[t.id] = t
	s.mu.Unlock()
	return t, s.write(frame{typ: typeOpen, stream: t.id, payload: payload}.encode())
}

func (s *Session) sendJSON(typ Type, stream uint32, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.send(frame{typ: typ, stream: stream, payload: payload})
}

func (s *Session) sendNumber(typ Type, stream uint32, c Channel, n uint32) error {
	return s.send(frame{typ: typ, channel: c, stream: stream, payload: binary.LittleEndian.AppendUint32(nil, n)})
}

func (s *Session) send(f frame) error { return s.sendBytes(f.encode()) }

// sendBytes sends a frame that is encoded already.
func (s *Session) sendBytes(p []byte) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.write(p)
}

func (s *Session) write(p []byte) error {
	if _, err := s.conn.Write(p); err != nil {
		return s.orErr(err)
	}
	return nil
}

// orErr prefers the reason why the session has ended.
func (s *Session) orErr(err error) error {
	if own := s.Err(); own != nil {
		return own
	}
	return err
}

// receive takes frames until the line ends. It never sends, so that two sides whose
// lines are full cannot wait for each other.
func (s *Session) receive(in *bufio.Reader) {
	for {
		f, err := readFrame(in)
		if err == nil {
			s.heard.Store(time.Now().UnixNano())
			err = s.take(f)
		}
		if err != nil {
			s.fail(err)
			return
		}
	}
}

// take acts on one frame.
func (s *Session) take(f frame) error {
	guest := s.handle != nil
	switch f.typ {
	case typeHello:
		return malformed("a second hello")
	case typeBeat:
		return onlyFrom(!guest, f)
	case typeOff:
		if guest && s.off != nil {
			go s.off()
		}
		return onlyFrom(guest, f)
	case typeOpen:
		if !guest {
			return onlyFrom(false, f)
		}
		return s.opened(f)
	case typeExit:
		if guest {
			return onlyFrom(false, f)
		}
	case typeSignal, typeResize:
		if !guest {
			return onlyFrom(false, f)
		}
	}
	t, err := s.stream(f.stream)
	if t == nil || err != nil {
		return err
	}
	return t.take(f)
}

// onlyFrom refuses a frame that came from the wrong side.
func onlyFrom(ok bool, f frame) error {
	if !ok {
		return malformed("a frame of type %d from the wrong side", f.typ)
	}
	return nil
}

// stream finds a stream. It is nil if it has ended: frames for it may have been under
// way.
func (s *Session) stream(id uint32) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id > s.last {
		return nil, malformed("a frame for stream %d, but only %d were opened", id, s.last)
	}
	return s.streams[id], nil
}

// opened starts what the host asks for.
func (s *Session) opened(f frame) error {
	var r Request
	if err := json.Unmarshal(f.payload, &r); err != nil {
		return malformed("request %d: %v", f.stream, err)
	}
	if r.kinds() != 1 {
		return malformed("request %d is for %d things", f.stream, r.kinds())
	}
	s.mu.Lock()
	if f.stream <= s.last {
		s.mu.Unlock()
		return malformed("stream %d is opened after stream %d", f.stream, s.last)
	}
	s.last = f.stream
	t := newStream(s, f.stream)
	s.streams[t.id] = t
	s.mu.Unlock()
	go s.handle(t, r)
	return nil
}

func (s *Session) forget(t *Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, t.id)
}
