package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"ingot/internal/grammar"
)

// A server that never answers, or sends a byte a second, is given up. What counts is
// the time that ingot waits for it: what is done with the bytes may take any time.

const (
	// defaultStall is what one tunnel, one reboot of a router or one slow disk behind a
	// cache does not take.
	defaultStall = time.Minute
	// stallBytes is how much has to come in that time. The slowest modem sends twenty times
	// as much, and eight paths that are fetched at a time share a link.
	stallBytes = 4 << 10
)

// stallFlag is the flag --stall-timeout.
const stallFlag = "stall-timeout"

// addStall adds the flag to a verb that may fetch from binary caches, unless it has it.
func addStall(f *pflag.FlagSet) {
	if f.Lookup(stallFlag) == nil {
		addTimeout(f, new(time.Duration), stallFlag, defaultStall, false, "give up on slow caches")
	}
}

// stallOf is what the flag says, where there is one.
func stallOf(f *pflag.FlagSet) time.Duration {
	if f != nil && f.Lookup(stallFlag) != nil {
		if t, ok := f.Lookup(stallFlag).Value.(timeFlag); ok {
			return *t.to
		}
	}
	return defaultStall
}

// stallError says that a server was given up.
type stallError struct {
	waited time.Duration
	got    int64 // bytes; -1 if there was no answer yet
}

func (e *stallError) Error() string {
	if e.got < 0 {
		return fmt.Sprintf("no answer came within %s", e.waited)
	}
	return fmt.Sprintf("%s came within %s; %d at least are expected", grammar.Count(e.got, "byte"), e.waited, stallBytes)
}

// stallTransport gives up a server that does not answer in time, and answers of which too
// little comes.
type stallTransport struct {
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

func (t stallTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stop := t.clock.after(t.patience, func() { cancel(&stallError{t.patience, -1}) })
	resp, err := t.RoundTripper.RoundTrip(r.WithContext(ctx))
	stop()
	var stalled *stallError
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
	resp.Body = &stallBody{ReadCloser: resp.Body, stallTransport: t, ctx: ctx, cancel: cancel}
	return resp, nil
}

// stallBody counts what comes while somebody waits for it, in periods of the patience.
type stallBody struct {
	io.ReadCloser
	stallTransport
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	waited time.Duration // in this period, before since
	since  time.Time     // when the wait began that lasts
	got    int64         // in this period
	stop   func() bool
}

func (b *stallBody) Read(p []byte) (int, error) {
	b.wait()
	n, err := b.ReadCloser.Read(p)
	if short := b.came(n); short != nil && err == nil {
		b.cancel(short)
		err = short
	}
	var stalled *stallError
	if err != nil && errors.As(context.Cause(b.ctx), &stalled) {
		err = stalled
	}
	return n, err
}

// wait begins to wait.
func (b *stallBody) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = b.clock.now()
	b.stop = b.clock.after(b.patience-b.waited, b.expired)
}

// expired ends a period in which somebody still waits.
func (b *stallBody) expired() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.got < stallBytes {
		b.cancel(&stallError{b.patience, b.got})
		return
	}
	b.got, b.waited, b.since = 0, 0, b.clock.now()
	b.stop = b.clock.after(b.patience, b.expired)
}

// came takes note of what has come, and says whether it is too little.
func (b *stallBody) came(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stop()
	b.waited += b.clock.now().Sub(b.since)
	b.got += int64(n)
	if b.waited < b.patience {
		return nil
	}
	got := b.got
	b.got, b.waited = 0, 0
	if got < stallBytes {
		return &stallError{b.patience, got}
	}
	return nil
}

func (b *stallBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}
