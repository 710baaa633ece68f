package network

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"ingot/internal/socket"
)

// limit is how long a frame may take that has to come; a busy machine reaches a small
// part of it.
const limit = 2 * time.Minute

// client is a station with a network card.
type client struct {
	mac  MAC
	conn net.Conn
	r    *bufio.Reader
	port *Port
}

func card(n byte) MAC { return MAC{0x52, 0x54, 0, 0x12, 1, n} }

func plug(t testing.TB, s *Switch, station string, n byte) *client {
	t.Helper()
	ours, theirs, err := socket.Connect("network card")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.FileConn(theirs)
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	p := s.Connect(station, ours)
	t.Cleanup(func() { conn.Close(); p.Close() })
	return &client{card(n), conn, NewReader(conn), p}
}

func (c *client) send(t testing.TB, to MAC, text string) {
	t.Helper()
	if _, err := c.conn.Write(AppendFrame(nil, ethernet(to, c.mac, 0x88b5, []byte(text)))); err != nil {
		t.Fatal(err)
	}
}

// receive returns the text of the next frame.
func (c *client) receive(t testing.TB) string {
	t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(limit))
	frame, err := ReadFrame(c.r)
	if err != nil {
		t.Fatal(err)
	}
	return text(frame)
}

func text(frame []byte) string { return strings.TrimRight(string(frame[ethernetHeader:]), "\x00") }

// receiveUntil returns the texts of all frames before the one that says end.
func (c *client) receiveUntil(t testing.TB, end string) (all []string) {
	t.Helper()
	for {
		got := c.receive(t)
		if got == end {
			return all
		}
		all = append(all, got)
	}
}

func TestSwitchLearns(t *testing.T) {
	s := NewSwitch(NewLinks(1))
	a, b, c := plug(t, s, "a", 1), plug(t, s, "b", 2), plug(t, s, "c", 3)
	a.send(t, b.mac, "unknown goes to all")
	for _, x := range []*client{b, c} {
		if got := x.receive(t); got != "unknown goes to all" {
			t.Errorf("received %q", got)
		}
	}
	b.send(t, a.mac, "to a alone")
	if got := a.receive(t); got != "to a alone" {
		t.Errorf("a received %q", got)
	}
	a.send(t, b.mac, "to b alone")
	if got := b.receive(t); got != "to b alone" {
		t.Errorf("b received %q", got)
	}
	a.send(t, broadcast, "to all")
	for _, x := range []*client{b, c} {
		if got := x.receive(t); got != "to all" {
			t.Errorf("received %q; want what was sent to all, and nothing before it", got)
		}
	}
	// A card that moves is found where it went.
	b.mac, c.mac = c.mac, b.mac
	b.send(t, a.mac, "moved")
	a.receive(t)
	a.send(t, card(3), "to the one that moved")
	if got := b.receive(t); got != "to the one that moved" {
		t.Errorf("received %q", got)
	}
}

func TestSwitchForgetsPorts(t *testing.T) {
	s := NewSwitch(NewLinks(1))
	a, b := plug(t, s, "a", 1), plug(t, s, "b", 2)
	b.send(t, a.mac, "here")
	a.receive(t)
	b.conn.Close()
	if err := b.port.Wait(); err != nil {
		t.Error(err)
	}
	again := plug(t, s, "b", 2)
	a.send(t, again.mac, "back")
	if got := again.receive(t); got != "back" {
		t.Errorf("received %q", got)
	}
	if got := len(s.Ports()); got != 2 {
		t.Errorf("%d ports; want 2", got)
	}
}

func TestManyAddresses(t *testing.T) {
	s := NewSwitch(NewLinks(1))
	a, b := plug(t, s, "a", 1), plug(t, s, "b", 2)
	for i := range 3 * maxTable {
		a.mac = MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}
		a.send(t, b.mac, "flood")
		b.receive(t)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.table) > maxTable {
		t.Errorf("%d addresses are remembered; want at most %d", len(s.table), maxTable)
	}
}

func TestLinkDown(t *testing.T) {
	links := NewLinks(1)
	s := NewSwitch(links)
	a, b, c := plug(t, s, "a", 1), plug(t, s, "b", 2), plug(t, s, "c", 3)
	links.Set("b", "a", Condition{Down: true})
	a.send(t, broadcast, "cut")
	if got := c.receive(t); got != "cut" {
		t.Errorf("c received %q", got)
	}
	links.Set("a", "b", Condition{})
	a.send(t, broadcast, "whole")
	if got := b.receive(t); got != "whole" {
		t.Errorf("b received %q; want what was sent when the link was up again", got)
	}
	c.receive(t)
	// A cable that is pulled cuts a station from all others.
	links.Set("a", "", Condition{Down: true})
	a.send(t, broadcast, "pulled")
	awaitLost(t, 3, b, c) // "cut" on its way to b, "pulled" to both
	b.send(t, broadcast, "between others")
	if got := c.receive(t); got != "between others" {
		t.Errorf("c received %q", got)
	}
}

// awaitLost waits until so many frames were lost on their way to clients.
func awaitLost(t *testing.T, want uint64, clients ...*client) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		var got uint64
		for _, c := range clients {
			got += c.port.Counters().Lost
		}
		if got == want {
			return
		}
		if time.Since(start) > limit {
			t.Fatalf("%d frames were lost; want %d, those that were sent over links that are down", got, want)
		}
	}
}

func TestLinkDelay(t *testing.T) {
	const delay = 300 * time.Millisecond
	links := NewLinks(1)
	s := NewSwitch(links)
	a, b := plug(t, s, "a", 1), plug(t, s, "b", 2)
	links.Set("a", "b", Condition{Delay: delay})
	start := time.Now()
	for i := range 100 {
		a.send(t, b.mac, fmt.Sprint(i))
	}
	for i := range 100 {
		if got := b.receive(t); got != fmt.Sprint(i) {
			t.Fatalf("frame %d is %q: a delay must keep the order", i, got)
		}
	}
	if took := time.Since(start); took < delay {
		t.Errorf("frames took %v; want at least %v", took, delay)
	}
}

// lostOf sends numbers from a to b over a link that loses, and returns those that came.
func arrivals(t *testing.T, seed uint64, loss float64, n int) []string {
	t.Helper()
	links := NewLinks(seed)
	s := NewSwitch(links)
	a, b, c := plug(t, s, "a", 1), plug(t, s, "b", 2), plug(t, s, "c", 3)
	links.Set("a", "b", Condition{Loss: loss})
	for i := range n {
		a.send(t, b.mac, fmt.Sprint(i))
		c.send(t, b.mac, "noise") // what others send makes no difference
	}
	for range n {
		c.receive(t) // all of a's are through the switch
	}
	links.Set("a", "b", Condition{})
	a.send(t, b.mac, "end")
	got := b.receiveUntil(t, "end")
	return slices.DeleteFunc(got, func(s string) bool { return s == "noise" })
}

func TestLinkLossFollowsFromTheSeed(t *testing.T) {
	const n = 500
	first, again, other := arrivals(t, 1, 0.2, n), arrivals(t, 1, 0.2, n), arrivals(t, 2, 0.2, n)
	if !slices.Equal(first, again) {
		t.Error("with one seed, other frames were lost the second time")
	}
	if slices.Equal(first, other) {
		t.Error("with another seed, the same frames were lost")
	}
	if lost := n - len(first); lost < n/10 || lost > n*3/10 {
		t.Errorf("%d of %d frames were lost; want about a fifth", lost, n)
	}
	if got := arrivals(t, 1, 1, 20); len(got) != 0 {
		t.Errorf("of a link that loses all, %d frames came", len(got))
	}
}

// TestDeadStation fills the queue of a station that reads nothing any more.
func TestDeadStation(t *testing.T) {
	s := NewSwitch(NewLinks(1))
	a, b, c := plug(t, s, "a", 1), plug(t, s, "dead", 2), plug(t, s, "c", 3)
	b.send(t, broadcast, "last words")
	a.receive(t)
	c.receive(t)
	filler := strings.Repeat("x", 1400)
	for range 4 * maxQueued / len(filler) {
		a.send(t, b.mac, filler)
	}
	a.send(t, broadcast, "still here")
	if got := c.receive(t); got != "still here" {
		t.Errorf("c received %q", got)
	}
	if b.port.Counters().Dropped == 0 {
		t.Error("no frame was dropped, though the station took none")
	}
}

func TestNotFrames(t *testing.T) {
	for _, x := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"a length of 0", []byte{0, 0, 0, 0}, "a frame of 0 bytes"},
		{"a length beyond the limit", binary.BigEndian.AppendUint32(nil, maxFrame+1), "the limit is 69632"},
		{"text", []byte("GET / HTTP/1.1\r\n"), "not QEMU's framing"},
		{"half a length", []byte{0, 0}, ""},
		{"half a frame", AppendFrame(nil, make([]byte, 100))[:50], ""},
		{"shorter than a header, then one that is right", append(AppendFrame(nil, make([]byte, 5)), AppendFrame(nil, make([]byte, 60))...), ""},
		{"the longest", AppendFrame(nil, make([]byte, maxFrame)), ""},
	} {
		s := NewSwitch(NewLinks(1))
		a := plug(t, s, "a", 1)
		a.conn.Write(x.raw)
		a.conn.(*net.UnixConn).CloseWrite()
		switch err := a.port.Wait(); {
		case x.want == "" && err != nil:
			t.Errorf("%s: %v", x.name, err)
		case x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: %v; want %q", x.name, err, x.want)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(AppendFrame(nil, make([]byte, 60)))
	f.Add([]byte{0, 1, 0x10, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, at := NewReader(bytes.NewReader(raw)), 0
		for {
			frame, err := ReadFrame(r)
			if err != nil {
				return
			}
			if want := raw[at+frameHeader:][:len(frame)]; !bytes.Equal(frame, want) {
				t.Fatalf("frame at %d is %x; want %x", at, frame, want)
			}
			at += frameHeader + len(frame)
		}
	})
}

func TestConditionWords(t *testing.T) {
	for _, x := range []struct{ words, want string }{
		{"down", "down"},
		{"up", "up"},
		{"delay 50ms", "delay 50ms"},
		{"loss 5%", "loss 5%"},
		{"delay 1s loss 0.5", "delay 1s loss 0.5%"},
		{"delay 1s delay 0", "up"},
		{"down delay 1s up", "up"},
		{"loss 101%", "error"}, {"loss -1%", "error"}, {"loss NaN", "error"}, {"loss", "error"},
		{"delay 2m", "error"}, {"delay -1s", "error"}, {"delay 5", "error"}, {"delay", "error"},
		{"sideways", "error"},
	} {
		c, err := Condition{}.Change(strings.Fields(x.words)...)
		got := c.String()
		if err != nil {
			got = "error"
		}
		if got != x.want {
			t.Errorf("Change(%s) = %s (%v); want %s", x.words, got, err, x.want)
		}
	}
}

// BenchmarkSwitch sends frames of an Ethernet's full length from one station to another.
func BenchmarkSwitch(b *testing.B) {
	s := NewSwitch(NewLinks(1))
	from, to := plug(b, s, "a", 1), plug(b, s, "b", 2)
	to.send(b, from.mac, "hello")
	from.receive(b)
	const size, batch = 1514, 32
	frames := bytes.Repeat(AppendFrame(nil, ethernet(to.mac, from.mac, 0x88b5, make([]byte, size-ethernetHeader))), batch)
	b.SetBytes(size)
	b.ResetTimer()
	go func() {
		for n := 0; n < b.N; n += batch {
			if _, err := from.conn.Write(frames[:min(batch, b.N-n)*(size+frameHeader)]); err != nil && !errors.Is(err, net.ErrClosed) {
				b.Error(err)
			}
		}
	}()
	for range b.N {
		if _, err := ReadFrame(to.r); err != nil {
			b.Fatal(err)
		}
	}
}
