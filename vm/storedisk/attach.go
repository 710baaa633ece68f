package storedisk

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/image/nbd"
	"ingot/vm"
)

// Connect serves a disk, read-only, to the client that gets the other end of a pair of
// sockets, which is returned: nothing on the host bears a name. The serving ends with
// ctx, or when the client and all who hold the file have gone. failed, which may be
// nil, is told of bytes that could not be read.
func Connect(ctx context.Context, disk *image.Map, failed func(error)) (*os.File, error) {
	s, err := nbd.NewServer([]nbd.Export{{Disk: disk}}, nbd.Options{Failed: failed})
	if err != nil {
		return nil, err
	}
	return ConnectServer(ctx, s, failed)
}

// ConnectServer is [Connect] for any server, one whose disk can be written to, say.
func ConnectServer(ctx context.Context, s *nbd.Server, failed func(error)) (*os.File, error) {
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
		if err := s.ServeConn(ctx, conn); err != nil && failed != nil {
			failed(err)
		}
	}()
	return theirs, nil
}

// Attach returns the store as a disk of a machine, which takes it: the serving ends
// with the machine, and with ctx.
func (d *Disk) Attach(ctx context.Context, failed func(error)) (vm.Disk, error) {
	socket, err := Connect(ctx, d.Map, failed)
	if err != nil {
		return vm.Disk{}, err
	}
	return vm.Disk{NBD: socket, Serial: Serial, ReadOnly: true}, nil
}
