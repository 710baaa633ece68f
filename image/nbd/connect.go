package nbd

import (
	"context"
	"os"

	"ingot/image"
	"ingot/internal/socket"
)

// Connect is [Server.Connect] of one read-only disk, as an export without a name.
func Connect(ctx context.Context, disk *image.Map, o Options) (*os.File, error) {
	return (&Server{o, []Export{{Disk: disk}}}).Connect(ctx)
}

// Connect serves the client that gets the returned end of a pair of sockets, which have no
// name on the host. It serves until ctx is done, or all copies of the file are closed.
func (s *Server) Connect(ctx context.Context) (*os.File, error) {
	conn, theirs, err := socket.Connect("nbd")
	if err != nil {
		return nil, err
	}
	go func() {
		if err := s.ServeConn(ctx, conn); err != nil {
			s.failed(err)
		}
	}()
	return theirs, nil
}
