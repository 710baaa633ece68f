package nbd

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"ingot/image"
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
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "nbd server"), os.NewFile(uintptr(fds[1]), "nbd client")
	defer ours.Close() // FileConn has its own
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, fmt.Errorf("nbd: %w", err)
	}
	go func() {
		if err := s.ServeConn(ctx, conn); err != nil && s.Failed != nil {
			s.Failed(err)
		}
	}()
	return theirs, nil
}
