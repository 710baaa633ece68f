package runtimedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Serve hands each connection of this user's, or of root's, to serve, beside the others, and
// closes it afterwards. It returns when the listener is closed and the last has been served.
func Serve(l interface{ AcceptUnix() (*net.UnixConn, error) }, serve func(*net.UnixConn)) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		c, err := l.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as too many open files, for a while
			time.Sleep(time.Second)
		default:
			all.Go(func() {
				defer c.Close()
				if _, err := Peer(c); err == nil {
					serve(c)
				}
			})
		}
	}
}

// Patience is how long a request and its answer may take.
const Patience = 10 * time.Second

// maxRequest and maxAnswer are more bytes than a request and an answer have. The largest answer
// is the status of a network with all its links.
const (
	maxRequest = 64 << 10
	maxAnswer  = 16 << 20
)

// A response is an answer, or why there is none.
type response[A any] struct {
	Error  string `json:"error,omitempty"`
	Answer A      `json:"answer"`
}

// Answer reads one request from a connection, a JSON value, and writes what answers it.
func Answer[Q, A any](c *net.UnixConn, answer func(Q) (A, error)) {
	_ = c.SetDeadline(time.Now().Add(Patience))
	var q Q
	var r response[A]
	err := json.NewDecoder(io.LimitReader(c, maxRequest)).Decode(&q)
	if err != nil {
		err = fmt.Errorf("request: %w", err)
	} else {
		r.Answer, err = answer(q)
	}
	if err != nil {
		r.Error = err.Error()
	}
	_ = json.NewEncoder(c).Encode(r) // the other end is gone if this fails
}

// Ask sends a request, and returns what answers it.
func Ask[A, Q any](c *net.UnixConn, q Q) (A, error) {
	_ = c.SetDeadline(time.Now().Add(Patience))
	var r response[A]
	err := json.NewEncoder(c).Encode(q)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(c, maxAnswer)).Decode(&r)
	}
	if err != nil {
		return r.Answer, fmt.Errorf("no answer: %w", err)
	}
	if r.Error != "" {
		err = errors.New(r.Error)
	}
	return r.Answer, err
}
