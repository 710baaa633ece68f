package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"ingot/internal/socket"
)

// control speaks QMP with QEMU, a JSON object a line:
// https://www.qemu.org/docs/master/interop/qmp-spec.html
type control struct {
	conn *net.UnixConn

	writing sync.Mutex // one command at a time

	mu      sync.Mutex
	number  int
	waiting map[int]chan reply
	gone    bool
	reason  string // why the guest ended, as the event SHUTDOWN has it
	stopped bool   // its processors do not run

	ended chan struct{} // closed when QEMU says nothing more
}

// reply is an answer of QEMU's, or an event.
type reply struct {
	ID     int
	Return json.RawMessage
	Error  *refusal
	Event  string
	Data   struct{ Reason string }
}

// refusal is QEMU's answer to a command that it does not take.
type refusal struct {
	Class, Desc string
}

func (r *refusal) Error() string { return r.Desc }

func (m *Machine) openControl() (*os.File, error) {
	conn, theirs, err := socket.Connect("control socket")
	if err != nil {
		return nil, err
	}
	m.control = &control{conn: conn, waiting: map[int]chan reply{}, ended: make(chan struct{})}
	return theirs, nil
}

// greet leaves QMP's first mode, in which it takes no other command. Nobody waits for
// the answer.
func (c *control) greet() error { return c.send(0, "qmp_capabilities", nil, nil) }

// listen takes what QEMU says until it ends.
func (c *control) listen() {
	c.hear(c.conn)
	c.close()
	close(c.ended)
}

// hear takes answers and events until there are no more, or something else comes.
func (c *control) hear(r io.Reader) {
	for in := json.NewDecoder(r); ; {
		var r reply
		if err := in.Decode(&r); err != nil {
			return
		}
		c.take(r)
	}
}

func (c *control) take(r reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.Event == "SHUTDOWN":
		c.reason = r.Data.Reason
	case r.Event == "STOP" || r.Event == "RESUME":
		c.stopped = r.Event == "STOP"
	case r.Event != "":
	default:
		if answer, ok := c.waiting[r.ID]; ok {
			answer <- r
			delete(c.waiting, r.ID)
		}
	}
}

// shutdown returns why the guest ended, and whether its processors stand still.
func (c *control) shutdown() (reason string, stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason, c.stopped
}

// close ends all who wait.
func (c *control) close() {
	c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for id, answer := range c.waiting {
		close(answer)
		delete(c.waiting, id)
	}
}

// expect returns a new command's number and where its answer will come.
func (c *control) expect() (int, chan reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return 0, nil, os.ErrClosed
	}
	c.number++
	answer := make(chan reply, 1)
	c.waiting[c.number] = answer
	return c.number, answer, nil
}

// send writes a command, with a file that QEMU gets with it if there is one.
func (c *control) send(id int, command string, arguments any, file *os.File) error {
	request := map[string]any{"execute": command, "id": id}
	if arguments != nil {
		request["arguments"] = arguments
	}
	var line bytes.Buffer
	if err := json.NewEncoder(&line).Encode(request); err != nil {
		return err
	}
	var rights []byte
	if file != nil {
		rights = syscall.UnixRights(int(file.Fd()))
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, _, err := c.conn.WriteMsgUnix(line.Bytes(), rights, nil); err != nil {
		return fmt.Errorf("qmp: %w", err)
	}
	return nil
}

// ask sends a command and returns its answer.
func (c *control) ask(ctx context.Context, command string, arguments any, file *os.File) (json.RawMessage, error) {
	id, answer, err := c.expect()
	if err != nil {
		return nil, err
	}
	if err := c.send(id, command, arguments, file); err != nil {
		return nil, err
	}
	select {
	case r, ok := <-answer:
		switch {
		case !ok:
			return nil, os.ErrClosed
		case r.Error != nil:
			return nil, r.Error
		}
		return r.Return, nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return nil, fmt.Errorf("qmp: no answer to %s: %w", command, context.Cause(ctx))
	}
}

// QMP has QEMU execute a command, with arguments that are encoded as JSON, and returns
// what it answers: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
func (m *Machine) QMP(ctx context.Context, execute string, arguments any) (json.RawMessage, error) {
	answer, err := m.control.ask(ctx, execute, arguments, nil)
	switch {
	case errors.Is(err, os.ErrClosed):
		return nil, m.fail(m.ended())
	case err != nil:
		return nil, fmt.Errorf("%s: %w", execute, err)
	}
	return answer, nil
}
