package guest

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ingot/guest/applet"
	"ingot/guest/wire"
)

// offerModules has modprobe find the host's modules, until the session ends. It uses the
// system calls themselves: package net would take an emulated guest 10 ms to get ready,
// and most guests never ask.
func offerModules(t *wire.Stream) error {
	if err := os.MkdirAll(filepath.Dir(applet.ModulesSocket), 0o755); err != nil {
		return err
	}
	_ = os.Remove(applet.ModulesSocket) // an earlier session's
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: applet.ModulesSocket}); err != nil {
		return err
	}
	if err := unix.Listen(fd, 16); err != nil {
		return err
	}
	go func() {
		<-t.Finished()
		_ = unix.Shutdown(fd, unix.SHUT_RDWR) // wakes who waits below
	}()
	answers := bufio.NewReader(t.Reader(wire.Stdin))
	for {
		asking, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err == unix.EINTR || err == unix.ECONNABORTED {
			continue
		}
		if err != nil {
			return nil // the session has ended
		}
		err = passModules(asking, t.Writer(wire.Stdout), answers)
		unix.Close(asking)
		if err != nil {
			return err
		}
	}
}

// descriptor is a blocking one as a stream.
type descriptor int

func (d descriptor) Read(p []byte) (int, error) {
	n, err := unix.Read(int(d), p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return max(n, 0), err
}

func (d descriptor) Write(p []byte) (int, error) {
	n, err := unix.SendmsgN(int(d), p, nil, nil, unix.MSG_NOSIGNAL)
	return max(n, 0), err
}

// askTime is how long who asks has to do so, in seconds: the next one waits meanwhile.
const askTime = 5

// passModules passes one question on, and the answer back. An error is one of the
// session; what goes wrong with who asks is its own affair.
func passModules(asking int, host io.Writer, answers *bufio.Reader) error {
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(asking, unix.SOL_SOCKET, option, &unix.Timeval{Sec: askTime}); err != nil {
			return err
		}
	}
	line, err := bufio.NewReaderSize(descriptor(asking), wire.MaxModulesLine).ReadSlice('\n')
	if err != nil {
		return nil
	}
	if _, err := host.Write(line); err != nil {
		return err
	}
	header, err := answers.ReadBytes('\n')
	if err != nil {
		return err
	}
	var reply wire.ModulesReply
	if err := json.Unmarshal(header, &reply); err != nil {
		return err
	}
	size := int64(0)
	for _, m := range reply.Modules {
		size += m.Size
	}
	rest := io.LimitReader(answers, size)
	if _, err := writeAll(descriptor(asking), header); err == nil {
		_, _ = io.Copy(onlyWriter{descriptor(asking)}, rest)
	}
	_, err = io.Copy(io.Discard, rest) // what nobody took
	return err
}

// onlyWriter writes all of what it is given.
type onlyWriter struct{ to io.Writer }

func (w onlyWriter) Write(p []byte) (int, error) { return writeAll(w.to, p) }

func writeAll(w io.Writer, p []byte) (done int, err error) {
	for done < len(p) && err == nil {
		var n int
		n, err = w.Write(p[done:])
		done += n
	}
	return done, err
}
