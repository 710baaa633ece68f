package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ingot/tests/testenv"
)

// pair returns both sides of a session. handle may be nil: then requests are answered
// with what they send.
func pair(t *testing.T, handle func(*Stream, Request)) (host, guest *Session) {
	t.Helper()
	if handle == nil {
		handle = echo
	}
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() {
		var err error
		guest, err = Serve(b, Hello{Beat: 10}, handle, nil)
		served <- err
	}()
	host, err := Dial(t.Context(), a)
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close(); guest.Close() })
	return host, guest
}

func echo(t *Stream, r Request) {
	w := t.Writer(Stdout)
	io.Copy(w, t.Reader(Stdin))
	w.Close()
	t.Exit(Result{Status: 7})
}

var anything = Request{Exec: &Exec{Argv: Raws("x")}}

func TestSession(t *testing.T) {
	host, _ := pair(t, nil)
	for _, n := range []int{0, 1, maxData - 1, maxData, maxData + 1, window, 3*window + 5} {
		text := bytes.Repeat([]byte{0, 1, 0xff, '\n', 'x'}, n/5+1)[:n]
		c, err := host.Open(anything)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			w := c.Writer(Stdin)
			io.Copy(w, bytes.NewReader(text))
			w.Close()
		}()
		got, err := io.ReadAll(c.Reader(Stdout))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes came back as %d, %v", n, len(got), err)
		}
		if r, err := c.Wait(t.Context()); r.Status != 7 || err != nil {
			t.Errorf("result %+v, %v; want status 7", r, err)
		}
	}
	if host.Peer().Version != Version {
		t.Errorf("the guest speaks version %d; want %d", host.Peer().Version, Version)
	}
}

// TestFlowControl has one side send for ever to a side that does not read: it stops at
// the window, and other streams go on.
func TestFlowControl(t *testing.T) {
	sent := make(chan int64, 1)
	host, _ := pair(t, func(s *Stream, r Request) {
		if string(r.Exec.Argv[0]) != "flood" {
			echo(s, r)
			return
		}
		n, err := io.Copy(s.Writer(Stdout), zeros{})
		if !errors.Is(err, syscall.EPIPE) {
			n = -1
		}
		sent <- n
		s.Exit(Result{})
	})
	flood, err := host.Open(Request{Exec: &Exec{Argv: Raws("flood")}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, err := host.Open(anything)
		if err != nil {
			t.Fatal(err)
		}
		go c.Writer(Stdin).Close()
		if _, err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The flood fills its window while the others run, or after them: until it has, a
	// reader that closes only says that it would have stopped.
	testenv.Eventually(t, func() error {
		in := &flood.in[Stdout]
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.held != window {
			return fmt.Errorf("%d bytes came from a sender that never stops; want %d", in.held, window)
		}
		return nil
	})
	flood.Reader(Stdout).Close()
	if n := <-sent; n != window {
		t.Errorf("%d bytes were sent to who does not read; want %d, and a broken pipe", n, window)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestBeat shows that the guest says that it lives while nothing else happens.
func TestBeat(t *testing.T) {
	host, _ := pair(t, nil)
	first := host.Heard()
	testenv.Eventually(t, func() error {
		if !host.Heard().After(first) {
			return errors.New("no heartbeat")
		}
		return nil
	})
}

func TestControl(t *testing.T) {
	var mu sync.Mutex
	var heard []string
	host, _ := pair(t, func(s *Stream, r Request) {
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, fmt.Sprintf(format, args...))
		}
		io.Copy(io.Discard, s.Reader(Stdin)) // signals come before anybody listens
		s.Listen(func(sig syscall.Signal) { note("signal %d", sig) }, func(z Size) { note("size %d×%d", z.Rows, z.Columns) })
		s.Exit(Result{})
	})
	c, err := host.Open(anything)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Signal(15), c.Resize(Size{Rows: 25, Columns: 65535}), c.Signal(9), c.Writer(Stdin).Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(heard, ", "); got != "signal 15, size 25×65535, signal 9" {
		t.Errorf("the guest heard %s", got)
	}
}

// helloFrame is a hello of the guest's.
func helloFrame(text string) []byte { return frame{typ: typeHello, payload: []byte(text)}.encode() }

const goodHello = `{"agent":"ingot","version":1,"least":1}`

// TestRefused sends each side what nobody sends.
func TestRefused(t *testing.T) {
	data := func(f frame) []byte { return f.encode() }
	damaged := func(p []byte, at int, b byte) []byte {
		p = bytes.Clone(p)
		p[at] = b
		return p
	}
	good := data(frame{typ: typeData, stream: 1, payload: []byte("x")})
	long := bytes.Clone(good)
	binary.LittleEndian.PutUint32(long[8:], maxData+1)
	overdrawn := data(frame{typ: typeData, channel: Stdout, stream: 1, payload: make([]byte, maxData)})
	for _, test := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"magic", damaged(good, 0, 0), "starts with"},
		{"type 0", damaged(good, 2, 0), "unknown type 0"},
		{"type 11", damaged(good, 2, 11), "unknown type 11"},
		{"channel", damaged(good, 3, 3), "for channel 3"},
		{"channel of a signal", data(frame{typ: typeSignal, channel: 1, stream: 1, payload: make([]byte, 4)}), "for channel 1"},
		{"length", long, "has 262145 bytes"},
		{"stream 0", damaged(good, 4, 0), "for stream 0"},
		{"stream never opened", damaged(good, 4, 2), "stream 2"},
		{"short credit", data(frame{typ: typeCredit, stream: 1, payload: make([]byte, 3)}), "has 3 bytes"},
		{"credit for nothing", data(frame{typ: typeCredit, stream: 1, payload: []byte{1, 0, 0, 0}}), "a credit of 1 bytes"},
		{"beyond the credit", bytes.Repeat(overdrawn, window/maxData+1), "beyond its credit"},
		{"after the end", append(data(frame{typ: typeData, channel: Stdout, stream: 1}), overdrawn...), "after its end"},
		{"second hello", helloFrame(goodHello), "second hello"},
		{"long hello", damaged(long, 2, byte(typeHello)), "of type 1 has 262145 bytes"},
		{"long result", append(binary.LittleEndian.AppendUint32(data(frame{typ: typeExit, stream: 1})[:8], maxResult+1), '{'), "of type 9 has 1048577 bytes"},
		{"result", data(frame{typ: typeExit, stream: 1, payload: []byte("nonsense")}), "result of request 1"},
		{"request from the guest", data(frame{typ: typeOpen, stream: 2, payload: []byte(`{"exec":{}}`)}), "wrong side"},
		{"signal from the guest", data(frame{typ: typeSignal, stream: 1, payload: make([]byte, 4)}), "wrong side"},
		{"off from the guest", data(frame{typ: typeOff}), "wrong side"},
	} {
		t.Run("host "+test.name, func(t *testing.T) {
			a, b := net.Pipe()
			go io.Copy(io.Discard, b)
			go b.Write(helloFrame(goodHello))
			s, err := Dial(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Open(anything); err != nil {
				t.Fatal(err)
			}
			go b.Write(test.bytes)
			<-s.Done()
			var malformed *ProtocolError
			if !errors.As(s.Err(), &malformed) || !strings.Contains(s.Err().Error(), test.want) {
				t.Errorf("the session ended with %v; want %q", s.Err(), test.want)
			}
		})
	}
	open := func(id uint32, text string) []byte {
		return data(frame{typ: typeOpen, stream: id, payload: []byte(text)})
	}
	for _, test := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"nonsense", open(1, "[]"), "request 1"},
		{"nothing", open(1, "{}"), "for 0 things"},
		{"two things", open(1, `{"exec":{"argv":[]},"get":{"path":""}}`), "for 2 things"},
		{"bad base64", open(1, `{"get":{"path":"*"}}`), "request 1"},
		{"again", append(open(5, `{"get":{"path":""}}`), open(5, `{"get":{"path":""}}`)...), "stream 5 is opened after stream 5"},
		{"exit from the host", append(open(1, `{"get":{"path":""}}`), data(frame{typ: typeExit, stream: 1, payload: []byte("{}")})...), "wrong side"},
		{"beat from the host", data(frame{typ: typeBeat}), "wrong side"},
	} {
		t.Run("guest "+test.name, func(t *testing.T) {
			a, b := net.Pipe()
			go io.Copy(io.Discard, a)
			go a.Write(append(helloFrame(goodHello), test.bytes...))
			s, err := Serve(b, Hello{}, func(*Stream, Request) {}, nil)
			if err != nil {
				t.Fatal(err)
			}
			<-s.Done()
			if err := s.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the session ended with %v; want %q", err, test.want)
			}
		})
	}
}

func TestHello(t *testing.T) {
	for _, test := range []struct{ sent, want string }{
		{string(frame{typ: typeBeat}.encode()), "first frame"},
		{string(helloFrame(`{"agent":"other","version":1,"least":1}`)), "not ingot's"},
		{string(helloFrame(`{"agent":"ingot","version":9,"least":8}`)), "versions 8 to 9"},
		{string(helloFrame("[]")), "not ingot's"},
		{"login: ", "starts with"},
		{"", "EOF"},
	} {
		a, b := net.Pipe()
		go func() { b.Write([]byte(test.sent + strings.Repeat("x", 12))); b.Close() }()
		if test.sent == "" {
			b.Close()
		}
		if _, err := Dial(t.Context(), a); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Dial after %q = %v; want %q", test.sent, err, test.want)
		}
	}
	// A guest that says nothing is not waited for longer than wanted.
	a, _ := net.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, a); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial = %v; want %v", err, context.DeadlineExceeded)
	}
}

// FuzzReadFrame wants what is accepted to be what is written.
func FuzzReadFrame(f *testing.F) {
	f.Add(helloFrame(goodHello))
	f.Add(frame{typ: typeData, channel: Stderr, stream: 3, payload: []byte("text")}.encode())
	f.Add(frame{typ: typeCredit, channel: Stdin, stream: 1 << 31, payload: []byte{1, 2, 3, 4}}.encode())
	f.Fuzz(func(t *testing.T, p []byte) {
		in := bytes.NewReader(p)
		got, err := readFrame(in)
		if err == nil && !bytes.Equal(got.encode(), p[:len(p)-in.Len()]) {
			t.Errorf("readFrame(%x) = %+v, which is written as %x", p, got, got.encode())
		}
	})
}

// FuzzSession has each side take any bytes: it may end, but not hang or panic.
func FuzzSession(f *testing.F) {
	f.Add(frame{typ: typeOpen, stream: 1, payload: []byte(`{"put":{"dir":"L3g="}}`)}.encode())
	f.Add(append(frame{typ: typeData, channel: Stdout, stream: 1, payload: []byte("text")}.encode(), frame{typ: typeExit, stream: 1, payload: []byte("{}")}.encode()...))
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, serve := range []bool{false, true} {
			a, b := net.Pipe()
			go io.Copy(io.Discard, b)
			go func() {
				b.Write(append(helloFrame(goodHello), p...))
				b.Close()
			}()
			var s *Session
			var err error
			if serve {
				s, err = Serve(a, Hello{}, func(t *Stream, r Request) { t.Reader(Stdin).Close(); t.Exit(Result{}) }, func() {})
			} else if s, err = Dial(t.Context(), a); err == nil {
				_, _ = s.Open(anything)
			}
			if err != nil {
				continue
			}
			<-s.Done()
			if s.Err() == nil {
				t.Error("the session has ended without a reason")
			}
		}
	})
}

// choices are bytes that decide what a guest sends.
type choices []byte

func (c *choices) next() int {
	if len(*c) == 0 {
		return 0
	}
	b := (*c)[0]
	*c = (*c)[1:]
	return int(b)
}

func choose[T any](c *choices, list ...T) T { return list[c.next()%len(list)] }

// frames makes what a guest sends of choices: frames that are whole, most of them such as a
// guest of ingot's sends, for streams that are open or never were.
func (c *choices) frames() (out []byte) {
	for len(*c) > 0 {
		f := frame{typ: Type(c.next() % 12), channel: Channel(c.next() % 4), stream: uint32(c.next() % 5)}
		switch f.typ {
		case typeHello, typeBeat, typeOff:
			f.channel, f.stream = 0, 0
		case typeData:
			f.payload = bytes.Repeat([]byte{byte(c.next())}, min(c.next()<<(c.next()%12), maxData))
		case typeCredit, typeSignal, typeResize:
			f.payload = binary.LittleEndian.AppendUint32(nil, uint32(c.next())<<(c.next()%25))
		case typeExit, typeOpen:
			f.channel = 0
			f.payload = []byte(choose(c, "{}", `{"status":1,"failed":"no","lost":["a","b"],"moved":true}`, "[]", `{"status":1e99}`,
				`{"lost":[`+strings.Repeat(`"",`, c.next()<<4)+`""]}`, `{"failed":"`+strings.Repeat("x", c.next()<<10)+`"}`, `{"exec":{"argv":[]}}`,
				strings.Repeat(`{"a":`, c.next()<<5)))
		}
		out = append(out, f.encode()...)
	}
	return out
}

// FuzzGuestFrames has the host take frames of the guest's: the session may end, but all
// that waits on it ends with it, and what is held for those who do not read is bounded.
func FuzzGuestFrames(f *testing.F) {
	f.Add([]byte{2, 0, 0, 4, 1, 1, 65, 200, 3, 4, 1, 1, 0, 0, 0, 9, 0, 1, 0, 9, 0, 2, 1})
	f.Add([]byte{4, 2, 2, 66, 255, 11, 5, 0, 1, 255, 12, 6, 1, 1, 9, 0, 2, 4, 255})
	f.Add(bytes.Repeat([]byte{4, 1, 3, 67, 1, 0}, 60))
	f.Fuzz(func(t *testing.T, p []byte) {
		c := choices(p[:min(len(p), 400)])
		stream := c.frames()
		a, b := net.Pipe()
		go io.Copy(io.Discard, b)
		go func() {
			b.Write(append(helloFrame(goodHello), stream...))
			b.Close()
		}()
		s, err := Dial(t.Context(), a)
		if err != nil {
			return // the guest had gone before the host had said hello
		}
		var waiting sync.WaitGroup
		for n := range 3 {
			r, err := s.Open(Request{Get: &Get{Path: Raw("x"), Memory: n == 1}})
			if err != nil {
				continue
			}
			if n == 2 { // nobody reads, and the rest is counted
				waiting.Go(func() { <-r.Finished() })
				defer func() {
					for i := range r.in {
						held := 0
						for _, chunk := range r.in[i].chunks {
							held += cap(chunk) + 64
						}
						if held > 4*window {
							t.Errorf("channel %d holds %d bytes", i, held)
						}
					}
				}()
				continue
			}
			waiting.Go(func() { io.Copy(io.Discard, r.Reader(Stdout)) })
			waiting.Go(func() {
				w := r.Writer(Stdin)
				w.Write(make([]byte, 1000))
				w.Close()
			})
			waiting.Go(func() {
				result, _ := r.Wait(context.Background())
				if len(result.Failed) > maxFailed+10 || len(result.Lost) > maxLost {
					t.Errorf("a result of %d bytes and %d lines", len(result.Failed), len(result.Lost))
				}
			})
		}
		<-s.Done()
		waiting.Wait()
		if s.Err() == nil {
			t.Error("the session has ended without a reason")
		}
	})
}

// TestSmallFrames has a window come in frames of one byte.
func TestSmallFrames(t *testing.T) {
	var b inbox
	b.init(nil, Stdout)
	for i := range window {
		if err := b.push([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.chunks); n > window/smallChunk {
		t.Errorf("%d bytes are held in %d pieces; want %d", window, n, window/smallChunk)
	}
	for i := 0; i < window; {
		p, err := b.next(1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range p {
			if got != byte(i) {
				t.Fatalf("byte %d is %d", i, got)
			}
			i++
		}
	}
}

// TestLate has frames of the other side arrive when the request has ended here: they were under
// way, and nothing of them is kept.
func TestLate(t *testing.T) {
	late := []frame{
		{typ: typeData, channel: Stdin, stream: 1, payload: []byte("late")},
		{typ: typeData, channel: Stdin, stream: 1}, // the end
		{typ: typeData, channel: Stdin, stream: 1}, // and once more: who sends has its own view
	}
	for _, end := range []func(*Stream){
		func(s *Stream) { s.finish(Result{}, nil) },
		func(s *Stream) { s.fail(ErrClosed) },
	} {
		a, _ := net.Pipe()
		stream := newStream(newSession(a), 1)
		if err := stream.take(frame{typ: typeData, channel: Stdin, stream: 1, payload: []byte("early")}); err != nil {
			t.Fatal(err)
		}
		end(stream)
		for range window { // more than any credit
			for _, f := range late {
				if err := stream.take(f); err != nil {
					t.Fatalf("take(%q) = %v", f.payload, err)
				}
			}
		}
		if b := &stream.in[Stdin]; b.held != len("early") || len(b.chunks) != 1 {
			t.Errorf("%d bytes in %d pieces are held; want those that came before the end", b.held, len(b.chunks))
		}
	}
	// What the sender itself has ended stays ended.
	a, _ := net.Pipe()
	stream := newStream(newSession(a), 1)
	if err := stream.take(late[1]); err != nil {
		t.Fatal(err)
	}
	stream.finish(Result{}, nil)
	if err := stream.take(late[0]); err == nil {
		t.Error("data after the sender's own end is taken")
	}
}
