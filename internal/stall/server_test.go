package stall

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMoving has clients that stall: what reads from them, or writes to them, ends, and so
// does their connection. One that only waits for a long answer is not one of them.
func TestMoving(t *testing.T) {
	const (
		within  = 100 * time.Millisecond // for what is to be too slow
		patient = 3 * time.Second        // for what is not, on a machine that is busy
	)
	read := make(chan error, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case "PUT":
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
			w.WriteHeader(http.StatusCreated)
		case "POST": // the body has come, and what is done with it takes its time
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
			time.Sleep(patient + patient/2)
			read <- context.Cause(r.Context())
			w.WriteHeader(http.StatusCreated)
		case "GET":
			_, err := io.Copy(w, forever{})
			read <- err
		case "DELETE": // refused without a look at the body
			http.Error(w, "no", http.StatusForbidden)
		}
	}
	serve := func(within time.Duration) string {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := httpServer(http.HandlerFunc(handler), within)
		server.ReadHeaderTimeout = 10 * time.Minute // of bodies and answers alone
		t.Cleanup(func() { server.Close() })
		go server.Serve(l) //nolint:errcheck // it is closed
		return l.Addr().String()
	}
	quick, slow := serve(within), serve(patient)
	dial := func(at, text string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		return c
	}
	status := func(c net.Conn) string {
		t.Helper()
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	const head = " / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"

	c := dial(quick, "PUT"+head+"some")
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a body that stalls: %v", err)
	}
	_, _ = io.Copy(io.Discard, c) // to its end: it is closed, or reset

	// A byte now and then is no progress.
	c = dial(slow, "PUT"+head)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(within / 10):
				_, _ = c.Write([]byte("x")) // until it is hung up on
			}
		}
	}()
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a body that drips: %v", err)
	}
	close(stop)

	// Two requests by one connection, the first of which takes longer than a part may.
	c = dial(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nsome")
	if err := <-read; err != nil {
		t.Errorf("a body that comes: %v", err)
	}
	if err := <-read; err != nil {
		t.Errorf("its request has ended: %v", err)
	}
	if got := status(c); got != "HTTP/1.1 201 Created" {
		t.Errorf("its answer is %s", got)
	}

	if c = dial(slow, "DELETE"+head+"some"); status(c) != "HTTP/1.1 403 Forbidden" {
		t.Error("a body that is not looked at has the request end otherwise")
	}

	dial(quick, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an answer that nobody reads: %v", err)
	}
}

// TestHeadStalls has a client that never ends the head of its request: it is hung up on.
func TestHeadStalls(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httpServer(http.NotFoundHandler(), 100*time.Millisecond)
	t.Cleanup(func() { server.Close() })
	go server.Serve(l) //nolint:errcheck // it is closed
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays")
	}
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }
