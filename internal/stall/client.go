// Package stall gives up on the other end of an HTTP connection where that stalls: on servers
// that do not answer or send a byte a second, and on clients that send or take nothing.
//
//	client := stall.NewClient(time.Minute)
//	err := stall.Serve(ctx, listener, handler)
//
// What counts is the time for which one waits for the other end: what is done with the bytes
// may take any time.
package stall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"ingot/internal/grammar"
)

// leastBytes is how much has to come within the patience. The slowest modem sends twenty times
// as much in a minute, and eight paths that are fetched at a time share a link.
const leastBytes = 4 << 10

// NewClient makes a client that goes through the proxies that the environment names, and that
// waits so long for an answer, and for [leastBytes] of it.
func NewClient(patience time.Duration) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.MaxIdleConnsPerHost = 32
	t.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{Transport: transport{t, patience, wallClock}}
}

// BackOff waits half a second before the second try, and twice as long before each
// further one, a little more or less, so that not all clients come back at once.
func BackOff(ctx context.Context, attempt int) error {
	wait := min(250*time.Millisecond<<attempt, 10*time.Second)
	timer := time.NewTimer(wait/2 + rand.N(wait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// An Error says that a server was given up.
type Error struct {
	Waited time.Duration
	Got    int64 // bytes; -1 if there was no answer yet
}

func (e *Error) Error() string {
	if e.Got < 0 {
		return fmt.Sprintf("no answer came within %s", e.Waited)
	}
	return fmt.Sprintf("%s came within %s; %d at least are expected", grammar.Count(e.Got, "byte"), e.Waited, leastBytes)
}

// transport gives up a server that does not answer in time, and answers of which too
// little comes.
type transport struct {
	http.RoundTripper
	patience time.Duration
	clock    clock
}

// clock is the time package, or a test's own time.
type clock struct {
	now   func() time.Time
	after func(time.Duration, func()) (stop func() bool)
}

var wallClock = clock{time.Now, func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := t.clock.after(t.patience, func() { cancel(&Error{t.patience, -1}) })
	resp, err := t.RoundTripper.RoundTrip(r.WithContext(ctx))
	stop()
	var stalled *Error
	if errors.As(context.Cause(ctx), &stalled) {
		if err == nil {
			resp.Body.Close()
		}
		return nil, stalled
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, transport: t, ctx: ctx, cancel: cancel, left: t.patience}
	return resp, nil
}

// body gives up the server when too few bytes come while a reader waits for them.
type body struct {
	io.ReadCloser
	transport
	ctx    context.Context
	cancel context.CancelCauseFunc

	got  int64         // of the next [leastBytes]
	left time.Duration // to wait for the rest of them
}

func (b *body) Read(p []byte) (int, error) {
	begin, short := b.clock.now(), &Error{b.patience, b.got}
	stop := b.clock.after(b.left, func() { b.cancel(short) })
	n, err := b.ReadCloser.Read(p)
	stop()
	b.left -= b.clock.now().Sub(begin)
	if b.got += int64(n); b.got >= leastBytes {
		b.got, b.left = 0, b.patience
	}
	var stalled *Error
	if err != nil && errors.As(context.Cause(b.ctx), &stalled) {
		err = stalled
	}
	return n, err
}

func (b *body) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}
