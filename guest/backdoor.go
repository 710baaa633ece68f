package guest

import (
	"os"
	"syscall"
	"time"

	"ingot/guest/wire"
)

// A backdoor is a plain shell's side of its port, wire.BackdoorPort.
type backdoor struct {
	port  *port
	input chan []byte // from the host; closed at the port's end
	rest  []byte      // of the input, not read by a shell yet
}

// offerBackdoor keeps a shell at the port, if the machine has it. It starts a new one when the
// shell ends, by `exit` or by a syntax error.
func (s *system) offerBackdoor() {
	port, err := awaitPort(wire.BackdoorPort, portWait)
	if err != nil {
		return // most machines have none
	}
	b := &backdoor{port: port, input: make(chan []byte)}
	go b.read()
	for more := true; more && !s.ending.Load(); {
		started := time.Now()
		if more, err = b.serve(s); err != nil {
			s.say("no shell at the back door: %v", err)
			return
		}
		if time.Since(started) < time.Second {
			time.Sleep(poll) // the shell cannot run at all
		}
	}
}

func (b *backdoor) read() {
	defer close(b.input)
	for {
		buf := make([]byte, 1<<12)
		n, err := b.port.Read(buf)
		if err != nil {
			return
		}
		b.input <- buf[:n]
	}
}

// serve runs one shell to its end. more is false at the end of the port.
func (b *backdoor) serve(s *system) (more bool, err error) {
	done, in, err := b.start(s)
	if err != nil {
		return false, err
	}
	defer in.Close()
	for {
		for len(b.rest) > 0 {
			n, err := in.Write(b.rest)
			if b.rest = b.rest[n:]; err != nil { // the shell has ended; the next one gets this
				<-done
				return true, nil
			}
		}
		select {
		case b.rest, more = <-b.input:
			if !more {
				return false, nil
			}
		case <-done:
			return true, nil
		}
	}
}

// start starts a shell that prints to the port, and returns the pipe to its input.
func (b *backdoor) start(s *system) (<-chan syscall.WaitStatus, *os.File, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	done, err := s.children.start(self(), []string{"sh"}, environment("console"), in, b.port.File, b.port.File)
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	return done, out, nil
}
