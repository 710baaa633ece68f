package wire

import (
	"encoding/binary"
	"errors"
	"io"
)

// The virtio-serial ports by which a host reaches what runs in its guest. A machine has
// those that its host gives it (vm.Config.Channels).
const (
	// AgentPort is where ingot in the guest executes requests: a [Session].
	AgentPort = "org.ingot.agent"

	// BackdoorPort is a plain shell: what the host writes there are commands, what they
	// print comes back, without prompts or echo.
	BackdoorPort = "org.ingot.backdoor"

	// These join a program that the words on the kernel's command line name, or their shell, to the host.
	// Standard streams without a port are the console. What is written to StdinPort goes
	// there in pieces: see [SendInput]. The program's status comes out of StatusPort, in
	// decimal, and a line end.
	StdinPort  = "org.ingot.stdin"
	StdoutPort = "org.ingot.stdout"
	StderrPort = "org.ingot.stderr"
	StatusPort = "org.ingot.status"
)

// ProgramPorts are those of a program, in the order in which a host gives them to its
// machine: a guest that sees the last one has seen all.
var ProgramPorts = []string{StdinPort, StdoutPort, StderrPort, StatusPort}

// SendInput copies r to the host's end of [StdinPort], as the guest expects it: in
// pieces, each after its length, with an empty one at the end, since a port that is
// closed looks to the guest like one that nobody has opened yet. It returns when r ends,
// or w does, which is no error: a program need not read all.
func SendInput(w io.Writer, r io.Reader) error {
	buf := make([]byte, 4+64<<10)
	for {
		n, err := r.Read(buf[4:])
		binary.BigEndian.PutUint32(buf, uint32(n))
		if n > 0 {
			if _, gone := w.Write(buf[:4+n]); gone != nil {
				return nil
			}
		}
		if err == nil {
			continue
		}
		_, _ = w.Write(make([]byte, 4))
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}
