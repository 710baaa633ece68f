package stall

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// stalled is how long a client may take for a part of what it sends or gets.
	stalled = time.Minute
	// part is how many bytes of an upload that is.
	part = 64 << 10
	// mostClients is how many connections there are at a time; more wait.
	mostClients = 512
	// mostHeader is how many bytes the head of a request may have.
	mostHeader = 64 << 10
)

// httpServer makes a server that hangs up on clients which send or take nothing for a while.
func httpServer(h http.Handler, stalled time.Duration) *http.Server {
	return &http.Server{Handler: moving(h, stalled), ReadHeaderTimeout: stalled / 2, IdleTimeout: 2 * stalled, MaxHeaderBytes: mostHeader}
}

// Serve answers until ctx ends, and hangs up on clients that stall. What is on its way then has a moment to arrive.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := httpServer(h, stalled)
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		moment, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if server.Shutdown(moment) != nil {
			server.Close()
		}
	})
	err := server.Serve(netutil.LimitListener(l, mostClients))
	if !stop() {
		<-closed
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// moving gives each part of a request's body, and of its answer, a time to pass.
func moving(h http.Handler, within time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		// What does not support deadlines is no connection that could stall.
		if r.ContentLength != 0 {
			_ = c.SetReadDeadline(time.Now().Add(within))
			r = r.WithContext(r.Context()) // net/http looks at its own for what was not read
			r.Body = &movingBody{ReadCloser: r.Body, c: c, within: within}
		}
		h.ServeHTTP(&movingWriter{w, c, within}, r)
	})
}

type movingBody struct {
	io.ReadCloser
	c      *http.ResponseController
	within time.Duration
	passed int64 // since the deadline was set
}

func (b *movingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch b.passed += int64(n); {
	case err == io.EOF: // from here on the connection is only watched
		_ = b.c.SetReadDeadline(time.Time{})
	case b.passed >= part:
		b.passed = 0
		_ = b.c.SetReadDeadline(time.Now().Add(b.within))
	}
	return n, err
}

type movingWriter struct {
	http.ResponseWriter
	c      *http.ResponseController
	within time.Duration
}

func (w *movingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *movingWriter) WriteHeader(status int) {
	_ = w.c.SetWriteDeadline(time.Now().Add(w.within))
	w.ResponseWriter.WriteHeader(status)
}

func (w *movingWriter) Write(p []byte) (int, error) {
	_ = w.c.SetWriteDeadline(time.Now().Add(w.within))
	return w.ResponseWriter.Write(p)
}
