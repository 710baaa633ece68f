package wire

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"syscall"
)

// A Stream is one request and what belongs to it.
type Stream struct {
	session *Session
	id      uint32
	in      [channels]inbox
	out     [channels]outbox

	// OnSignal and OnResize are called, on the guest's side, in the order in which the
	// host asks. What comes before they are set is kept for them.
	mu       sync.Mutex
	control  []frame
	onFrame  func(frame)
	result   Result
	err      error
	finished chan struct{}
}

func newStream(s *Session, id uint32) *Stream {
	t := &Stream{session: s, id: id, finished: make(chan struct{})}
	for c := range t.in {
		t.in[c].init(t, Channel(c))
		t.out[c].init(t, Channel(c))
	}
	return t
}

// Reader returns the reader of a channel from the other side. Close tells that side to stop
// sending.
func (t *Stream) Reader(c Channel) io.ReadCloser { return &t.in[c] }

// Writer returns the writer of a channel to the other side. Close sends the end.
func (t *Stream) Writer(c Channel) io.WriteCloser { return &t.out[c] }

// Signal sends a signal to the command's process group.
func (t *Stream) Signal(sig syscall.Signal) error {
	return t.session.sendNumber(typeSignal, t.id, 0, uint32(sig))
}

// Resize tells the command's terminal its size.
func (t *Stream) Resize(size Size) error {
	return t.session.sendNumber(typeResize, t.id, 0, uint32(size.Rows)|uint32(size.Columns)<<16)
}

// Listen has signals and sizes delivered, in their order, on the guest's side.
func (t *Stream) Listen(signal func(syscall.Signal), resize func(Size)) {
	deliver := func(f frame) {
		n := binary.LittleEndian.Uint32(f.payload)
		if f.typ == typeSignal {
			signal(syscall.Signal(n))
		} else {
			resize(Size{Rows: uint16(n), Columns: uint16(n >> 16)})
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.control {
		deliver(f)
	}
	t.control, t.onFrame = nil, deliver
}

// Exit ends the stream with the request's result, on the guest's side.
func (t *Stream) Exit(r Result) error {
	err := t.session.sendJSON(typeExit, t.id, r)
	t.finish(r, nil)
	return err
}

// Finished is closed when the request has ended, or its session.
func (t *Stream) Finished() <-chan struct{} { return t.finished }

// Wait waits for the request's result.
func (t *Stream) Wait(ctx context.Context) (Result, error) {
	select {
	case <-t.finished:
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.result, t.err
}

// fail ends the stream with its session.
func (t *Stream) fail(err error) { t.finish(Result{}, err) }

func (t *Stream) finish(r Result, err error) {
	t.mu.Lock()
	select {
	case <-t.finished:
		t.mu.Unlock()
		return
	default:
	}
	t.result, t.err = r, err
	close(t.finished)
	t.mu.Unlock()
	t.session.forget(t)
	if err == nil {
		err = io.ErrClosedPipe
	}
	for c := range t.in {
		t.in[c].end(err)
		t.out[c].stop(err)
	}
}

// maxControl bounds signals and sizes that come before the command runs.
const maxControl = 1000

// take acts on a frame for this stream.
func (t *Stream) take(f frame) error {
	switch f.typ {
	case typeData:
		return t.in[f.channel].push(f.payload)
	case typeCredit:
		return t.out[f.channel].grant(binary.LittleEndian.Uint32(f.payload))
	case typeStop:
		t.out[f.channel].stop(syscall.EPIPE)
	case typeExit:
		var r Result
		if err := json.Unmarshal(f.payload, &r); err != nil {
			return malformed("result of request %d: %v", t.id, err)
		}
		t.finish(r.bounded(), nil)
	case typeSignal, typeResize:
		t.mu.Lock()
		defer t.mu.Unlock()
		switch {
		case t.onFrame != nil:
			t.onFrame(f)
		case len(t.control) == maxControl:
			return malformed("more than %d signals for a command that does not run yet", maxControl)
		default:
			t.control = append(t.control, f)
		}
	}
	return nil
}

// smallChunk is up to where data is joined that came in pieces: in frames of one byte, a
// window would take 40 times its size.
const smallChunk = 4 << 10

// inbox is the receiving end of a channel.
type inbox struct {
	stream  *Stream
	channel Channel

	mu       sync.Mutex
	filled   sync.Cond
	chunks   [][]byte
	held     int   // bytes that came and were not read yet
	owed     int   // bytes that were read and not credited yet
	ended    bool  // no more comes
	bySender bool  // since the sender said so, and not since the request or the session ended
	err      error // io.EOF if that was the sender's wish
	closed   bool
}

func (b *inbox) init(t *Stream, c Channel) {
	b.stream, b.channel, b.filled.L = t, c, &b.mu
}

// push takes what came.
func (b *inbox) push(p []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed, b.ended && !b.bySender:
		return nil // it was under way when the other side was told, or the request ended
	case b.ended:
		return malformed("data on channel %d of stream %d after its end", b.channel, b.stream.id)
	case len(p) == 0:
		b.ended, b.bySender, b.err = true, true, io.EOF
	case b.held+b.owed+len(p) > window:
		return malformed("%d bytes on channel %d of stream %d beyond its credit", b.held+b.owed+len(p)-window, b.channel, b.stream.id)
	default:
		b.held += len(p)
		if last := len(b.chunks) - 1; last >= 0 && len(b.chunks[last])+len(p) <= smallChunk {
			b.chunks[last] = append(b.chunks[last], p...)
		} else {
			b.chunks = append(b.chunks, p)
		}
	}
	b.filled.Broadcast()
	return nil
}

// end ends the channel with its stream. What is there already can still be read.
func (b *inbox) end(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.ended, b.err = true, err
	}
	b.filled.Broadcast()
}

// next returns the first chunk that is there, or at most most bytes of it.
func (b *inbox) next(most int) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.chunks) == 0 && !b.ended && !b.closed {
		b.filled.Wait()
	}
	switch {
	case b.closed:
		return nil, io.ErrClosedPipe
	case len(b.chunks) == 0:
		return nil, b.err
	}
	p := b.chunks[0]
	if len(p) > most {
		p, b.chunks[0] = p[:most], p[most:]
	} else {
		b.chunks = b.chunks[1:]
	}
	b.held -= len(p)
	b.owed += len(p)
	return p, nil
}

// repay gives the sender credit for what was read, half a window at a time. An inbox
// that has ended needs none.
func (b *inbox) repay() {
	b.mu.Lock()
	owed := b.owed
	if owed < window/2 || b.ended {
		b.mu.Unlock()
		return
	}
	b.owed = 0
	b.mu.Unlock()
	_ = b.stream.session.sendNumber(typeCredit, b.stream.id, b.channel, uint32(owed)) // the session's end comes with the next read
}

func (b *inbox) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	chunk, err := b.next(len(p))
	if err != nil {
		return 0, err
	}
	n := copy(p, chunk)
	b.repay()
	return n, nil
}

// WriteTo spares io.Copy a buffer.
func (b *inbox) WriteTo(w io.Writer) (total int64, err error) {
	for {
		chunk, err := b.next(maxData)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(chunk)
		total += int64(n)
		if err != nil {
			return total, err
		}
		b.repay()
	}
}

// Close tells the sender to stop.
func (b *inbox) Close() error {
	b.mu.Lock()
	tell := !b.closed && !b.ended
	b.closed, b.chunks = true, nil
	b.filled.Broadcast()
	b.mu.Unlock()
	if !tell {
		return nil
	}
	return b.stream.session.send(frame{typ: typeStop, channel: b.channel, stream: b.stream.id})
}

// outbox is the sending end of a channel.
type outbox struct {
	stream  *Stream
	channel Channel

	mu     sync.Mutex
	freed  sync.Cond
	credit int
	err    error // why nothing can be sent any more
}

func (b *outbox) init(t *Stream, c Channel) {
	b.stream, b.channel, b.freed.L, b.credit = t, c, &b.mu, window
}

// grant adds to the credit.
func (b *outbox) grant(n uint32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > window || b.credit+int(n) > window {
		return malformed("a credit of %d bytes on channel %d of stream %d, of which %d are under way", n, b.channel, b.stream.id, window-b.credit)
	}
	b.credit += int(n)
	b.freed.Broadcast()
	return nil
}

// stop ends the channel.
func (b *outbox) stop(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.freed.Broadcast()
}

// await waits for credit and returns it without taking any.
func (b *outbox) await() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.credit == 0 && b.err == nil {
		b.freed.Wait()
	}
	return b.credit, b.err
}

// deliver sends bytes that stand in p behind room for a header, and for which there
// is credit: only one goroutine sends on a channel.
func (b *outbox) deliver(p []byte) error {
	n := len(p) - headerSize
	b.mu.Lock()
	b.credit -= n
	b.mu.Unlock()
	putHeader(p, frame{typ: typeData, channel: b.channel, stream: b.stream.id}, n)
	return b.stream.session.sendBytes(p)
}

func (b *outbox) Write(p []byte) (total int, err error) {
	buf := make([]byte, headerSize+min(len(p), maxData))
	for len(p) > 0 {
		credit, err := b.await()
		if err != nil {
			return total, err
		}
		n := copy(buf[headerSize:], p[:min(len(p), credit, maxData)])
		if err := b.deliver(buf[:headerSize+n]); err != nil {
			return total, err
		}
		p, total = p[n:], total+n
	}
	return total, nil
}

// ReadFrom spares io.Copy a copy: it reads to where the bytes are sent from. It reads
// only once there is credit, so that what cannot be sent is left to its source.
func (b *outbox) ReadFrom(r io.Reader) (total int64, err error) {
	buf := make([]byte, headerSize+maxData)
	for {
		credit, err := b.await()
		if err != nil {
			return total, err
		}
		n, err := r.Read(buf[headerSize : headerSize+min(credit, maxData)])
		if n > 0 {
			if err := b.deliver(buf[:headerSize+n]); err != nil {
				return total, err
			}
			total += int64(n)
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Close sends the channel's end.
func (b *outbox) Close() error {
	b.mu.Lock()
	ended := b.err
	if ended == nil {
		b.err = io.ErrClosedPipe
	}
	b.mu.Unlock()
	if ended != nil {
		return nil
	}
	return b.stream.session.send(frame{typ: typeData, channel: b.channel, stream: b.stream.id})
}
