package nbd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Options are settings of a Server.
type Options struct {
	// Failed is called with errors of reading, mostly since a file has changed, and when a
	// client does not speak the protocol. It may be called from several goroutines.
	Failed func(err error)
	// Once ends Serve when the last client has gone.
	Once bool
}

// A Server serves exports. It may serve any number of listeners and connections.
type Server struct {
	Options
	exports []Export
}

// NewServer returns a server of these exports, whose names must differ.
func NewServer(exports []Export, o Options) (*Server, error) {
	if err := checkExports(exports); err != nil {
		return nil, fmt.Errorf("nbd: %w", err)
	}
	return &Server{o, exports}, nil
}

// Serve accepts clients from l until ctx is done, which is no error, or l fails. Before
// it returns it closes l and all connections, and waits for its goroutines.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var clients atomic.Int64
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		<-ctx.Done()
		l.Close()
	})
	for {
		socket, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		clients.Add(1)
		wg.Go(func() {
			if err := s.ServeConn(ctx, socket); err != nil {
				s.failed(err)
			}
			if clients.Add(-1) == 0 && s.Once {
				cancel()
			}
		})
	}
}

func (s *Server) failed(err error) {
	if s.Failed != nil {
		s.Failed(err)
	}
}

// ServeConn serves the client at the other end of a connection, and closes it. An error says
// that the client does not speak the protocol.
func (s *Server) ServeConn(ctx context.Context, socket net.Conn) error {
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	defer stop()
	defer socket.Close()
	c := &conn{Server: s, Conn: socket, r: bufio.NewReader(socket)}
	err := c.negotiate()
	if err == nil {
		err = c.transmit(ctx)
	} else {
		err = fmt.Errorf("nbd negotiation: %w", err)
	}
	if ctx.Err() != nil || gone(err) {
		return nil
	}
	return err
}

// gone says whether an error means that the client has left.
func gone(err error) bool {
	var broken net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errGone) || errors.As(err, &broken)
}
