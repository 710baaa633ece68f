package stall

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// testClock is time that passes when a test says so.
type testClock struct {
	at     time.Time
	timers map[*testTimer]bool
}

type testTimer struct {
	at time.Time
	f  func()
}

func newTestClock() *testClock {
	return &testClock{time.Unix(0, 0), map[*testTimer]bool{}}
}

func (c *testClock) clock() clock {
	return clock{
		func() time.Time { return c.at },
		func(d time.Duration, f func()) func() bool {
			t := &testTimer{c.at.Add(d), f}
			c.timers[t] = true
			return func() bool {
				was := c.timers[t]
				delete(c.timers, t)
				return was
			}
		},
	}
}

// pass lets time pass, and calls what is due, in order.
func (c *testClock) pass(d time.Duration) {
	end := c.at.Add(d)
	for {
		var first *testTimer
		for t := range c.timers {
			if !t.at.After(end) && (first == nil || t.at.Before(first.at)) {
				first = t
			}
		}
		if first == nil {
			break
		}
		c.at = first.at
		delete(c.timers, first)
		first.f()
	}
	c.at = end
}

// slowServer answers after a while, and then sends so many bytes, each after a pause.
type slowServer struct {
	clock         *testClock
	answer, pause time.Duration
	bytes, each   int
	ctx           context.Context
}

func (s *slowServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.ctx = r.Context()
	s.clock.pass(s.answer)
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Body: s, Request: r}, nil
}

func (s *slowServer) Read(p []byte) (int, error) {
	if s.bytes == 0 {
		return 0, io.EOF
	}
	s.clock.pass(s.pause)
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n := min(s.bytes, s.each, len(p))
	s.bytes -= n
	return n, nil
}

func (s *slowServer) Close() error { return nil }

// What is given up, and what is only slow.
func TestStall(t *testing.T) {
	for _, c := range []struct {
		name   string
		server slowServer
		use    time.Duration // that its user takes for what each read brings
		want   string
	}{
		{"quick", slowServer{answer: time.Second, pause: time.Millisecond, bytes: 1 << 20, each: 1 << 10}, 0, ""},
		{"no answer", slowServer{answer: 2 * time.Minute}, 0, "no answer came within 1m0s"},
		{"a late answer", slowServer{answer: 59 * time.Second, bytes: 10, each: 10}, 0, ""},
		{"nothing comes", slowServer{pause: time.Hour, bytes: 10, each: 10}, 0, "0 bytes came within 1m0s; 4096 at least are expected"},
		{"a byte a second", slowServer{pause: time.Second, bytes: 1 << 20, each: 1}, 0, "59 bytes came within 1m0s"},
		{"a byte a second, to the end", slowServer{pause: time.Second, bytes: 59, each: 1}, 0, ""},
		{"a hundred bytes a second", slowServer{pause: time.Second, bytes: 1 << 20, each: 100}, 0, ""},
		{"much, and then nothing", slowServer{pause: 50 * time.Second, bytes: 1 << 20, each: 1 << 14}, 0, ""},
		{"much in each period, in one piece", slowServer{pause: 70 * time.Second, bytes: 5 << 14, each: 1 << 14}, 0, "0 bytes came within 1m0s"},
		{"its user is slow", slowServer{pause: time.Second, bytes: 1 << 16, each: 1 << 10}, time.Hour, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.server.clock = newTestClock()
			client := &http.Client{Transport: transport{&c.server, time.Minute, c.server.clock.clock()}}
			resp, err := client.Get("http://cache/")
			if err == nil {
				b := make([]byte, 1<<14)
				for err == nil {
					_, err = resp.Body.Read(b)
					c.server.clock.pass(c.use)
				}
				if err == io.EOF {
					err = nil
				}
				resp.Body.Close()
			}
			var stalled *Error
			if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &stalled) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if len(c.server.clock.timers) > 0 {
				t.Errorf("%d timers run on", len(c.server.clock.timers))
			}
		})
	}
}

func TestBackOff(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := BackOff(ctx, 4); !errors.Is(err, context.Canceled) {
		t.Errorf("BackOff = %v; want %v", err, context.Canceled)
	}
	start := time.Now()
	if err := BackOff(context.Background(), 1); err != nil || time.Since(start) < 200*time.Millisecond {
		t.Errorf("BackOff = %v after %v", err, time.Since(start))
	}
}
