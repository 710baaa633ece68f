package guest

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"ingot/guest/applet"
	"ingot/guest/wire"
)

// offerModules lets modprobe find the host's modules, until the session ends.
func offerModules(t *wire.Stream) error {
	if err := os.MkdirAll(filepath.Dir(applet.ModulesSocket), 0o755); err != nil {
		return err
	}
	_ = os.Remove(applet.ModulesSocket) // an earlier session's
	l, err := net.Listen("unix", applet.ModulesSocket)
	if err != nil {
		return err
	}
	defer l.Close()
	go func() {
		<-t.Finished()
		l.Close()
	}()
	answers := bufio.NewReader(t.Reader(wire.Stdin))
	for {
		asking, err := l.Accept()
		if err != nil {
			return nil // the session has ended
		}
		err = passModules(asking, t.Writer(wire.Stdout), answers)
		asking.Close()
		if err != nil {
			return err
		}
	}
}

// modulesTime is how long a client may take to ask, and then to take each part of the answer:
// the next one waits meanwhile.
const modulesTime = 5 * time.Second

// passModules passes one question on, and the answer back. An error is one of the session; a
// client that fails does not end it.
func passModules(asking net.Conn, host io.Writer, answers *bufio.Reader) error {
	_ = asking.SetReadDeadline(time.Now().Add(modulesTime))
	line, err := bufio.NewReaderSize(asking, wire.MaxModulesLine).ReadSlice('\n')
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
	client := patientWriter{asking}
	if _, err := client.Write(header); err == nil {
		_, _ = io.Copy(client, rest)
	}
	_, err = io.Copy(io.Discard, rest) // what the client did not take
	return err
}

// patientWriter gives each write its time.
type patientWriter struct{ net.Conn }

func (w patientWriter) Write(p []byte) (int, error) {
	_ = w.SetWriteDeadline(time.Now().Add(modulesTime))
	return w.Conn.Write(p)
}
