package nbd

import (
	"context"
	"os"

	"ingot/image"
	"ingot/internal/socket"
)

// Connect serves a disk, read-only, to the client that gets the other end of a pair of
// sockets, which is returned: nothing on the host bears a name. The serving ends with
// ctx, or when the client and all who hold the file have gone. It is [Server.Connect] of one
// export without a name.
func Connect(ctx context.Context, disk *image.Map, o Options) (*os.File, error) {
	return (&Server{o, []Export{{Disk: disk}}}).Connect(ctx)
}

// Connect is the package's Connect for any server, one whose disk can be written to, say.
func (s *Server) Connect(ctx context.Context) (*os.File, error) {
	conn, theirs, err := socket.Connect("nbd")
	if err != nil {
		return nil, err
	}
	go func() {
		if err := s.ServeConn(ctx, conn); err != nil && s.Failed != nil {
			s.Failed(err)
		}
	}()
	return theirs, nil
}
