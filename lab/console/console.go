// Package console runs one machine with its console, or the streams of the program that runs
// in it, joined to those of this process.
//
//	x := &console.Console{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Say: say}
//	o.Channels = append(o.Channels, x.Ports()...)
//	end, err := x.Run(ctx, system, o, host)
//
// Where standard input is a terminal it is the guest's, key by key; a boot that fails is reported
// to the person in front of it. Where it is none, it waits until the guest listens, and a boot
// that fails ends the machine.
package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"ingot/guest/wire"
	"ingot/internal/printable"
	"ingot/vm"
	"ingot/vm/run"
	"ingot/vm/session"
)

// A Console joins a machine to streams of this process.
type Console struct {
	Batch  bool // a program in the guest speaks by ports of its own, and the console is quiet
	Show   bool // and is shown all the same, on Stderr
	Status bool // the guest reports an exit status

	Stdin          *os.File
	Stdout, Stderr io.Writer // get the guest's bytes as they are
	Say            func(note string)
}

// An End is how a machine ended that did not fail.
type End struct {
	Status int  // the guest's
	Left   bool // a person has left the console, which ended the machine
}

// Ports are the virtio-serial ports that the machine needs for this, behind all others: the
// guest expects the status at the last one.
func (c *Console) Ports() (names []string) {
	if c.Batch {
		names = append(names, wire.StdinPort, wire.StdoutPort, wire.StderrPort)
	}
	if c.Status {
		names = append(names, wire.StatusPort)
	}
	return names
}

// attached is a machine that is joined to a Console.
type attached struct {
	*Console
	screen bool     // somebody may look at the machine's screen
	shares []string // how the guest reaches shared folders

	session *run.Session
	failed  error          // why the machine was ended
	streams sync.WaitGroup // what the program prints
	told    bytes.Buffer   // the status
}

// Run runs a machine until it ends, a person leaves its console, or the context ends.
func (c *Console) Run(outer context.Context, s *run.System, o run.Options, h run.Host) (end End, err error) {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	switch {
	case !c.Batch:
		h.Console = c.Stdout
	case c.Show:
		h.Console = c.Stderr
	}
	a := &attached{Console: c, screen: o.Graphics == run.VNC || o.Graphics == run.Window, shares: o.ShareNotes(s)}
	if a.session, err = run.Start(ctx, s, o, h); err != nil {
		return end, err
	}
	defer a.session.Close()
	a.announce()
	if end.Left, err = a.attend(ctx, cancel); err != nil {
		return end, err
	}
	if a.failed != nil {
		a.session.Close()
	}
	err = a.session.Wait(ctx)
	switch {
	case a.failed != nil:
		return end, a.failed
	case end.Left:
		return end, nil
	case outer.Err() != nil:
		return end, outer.Err()
	case err != nil:
		return end, err
	}
	a.streams.Wait()
	end.Status, err = a.exitStatus()
	return end, err
}

// announce prints the other ways to reach the machine.
func (a *attached) announce() {
	e := a.session.Entry
	if e.VNC != "" {
		a.Say("the screen is at " + e.VNC + ", for a VNC viewer")
	}
	if len(e.Forward) > 0 {
		a.Say("forwarded: " + strings.Join(e.Forward, ", "))
	}
	if e.Disk != "" {
		a.Say("changes are kept in " + e.Disk)
	}
	for _, note := range a.shares {
		a.Say(note)
	}
}

// announceLogin prints how to log in, once the system is up: what the
// system prints while it starts would push it out of sight. A prompt that stands there
// already is shown again behind it.
func (a *attached) announceLogin(m *vm.Machine) {
	var lines string
	for _, command := range []string{a.session.Entry.SSH, a.session.Entry.Build} {
		if command != "" {
			lines += "ingot: " + printable.Name(command) + "\r\n"
		}
	}
	if lines != "" {
		text := m.Console()
		fmt.Fprintf(a.Stderr, "\r\n%s%s", lines, text[strings.LastIndexByte(text, '\n')+1:])
	}
}

// attend joins the machine to this process's streams until it ends.
func (a *attached) attend(ctx context.Context, cancel context.CancelFunc) (left bool, err error) {
	m := a.session.Machine
	if a.Status {
		if err := a.collect(wire.StatusPort, &a.told); err != nil {
			return false, err
		}
	}
	pumping, stop := context.WithCancel(ctx)
	defer stop()
	if a.Batch {
		go func() {
			a.awaitEnd(ctx, false)
			stop()
		}()
		a.announceLogin(m)
		return false, a.attendProgram(pumping)
	}
	terminal, err := session.OpenTerminal(a.Stdin)
	if err != nil {
		return false, err
	}
	defer terminal.Restore()
	if terminal != nil {
		defer func() { fmt.Fprint(a.Stderr, "\r") }()
	}
	go func() {
		a.awaitEnd(ctx, terminal != nil)
		stop()
	}()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		failed := run.AwaitBoot(pumping, a.session.Machine)
		switch {
		case failed == nil && pumping.Err() == nil:
			awaitSign(pumping, a.session.Machine, prompts(), promptTime)
			a.announceLogin(a.session.Machine)
		case failed == nil:
		case terminal != nil || a.screen:
			a.tell(failed)
		default: // there is no one to look at it
			a.failed = failed
			stop()
		}
	}()
	defer func() { stop(); <-watched }()
	if terminal == nil {
		awaitListener(pumping, m)
	}
	left = terminal.Pump(pumping, a.Stdin, m)
	if left {
		cancel()
		return true, nil
	}
	<-pumping.Done() // standard input has ended, and the machine goes on
	return false, nil
}

// attendProgram joins the program's own streams.
func (a *attached) attendProgram(ctx context.Context) error {
	in, err := a.session.Machine.Channel(wire.StdinPort)
	if err != nil {
		return err
	}
	go func() { _ = wire.SendInput(in, a.Stdin) }() // a file that cannot be read ends there
	for port, w := range map[string]io.Writer{wire.StdoutPort: a.Stdout, wire.StderrPort: a.Stderr} {
		if err := a.collect(port, w); err != nil {
			return err
		}
	}
	<-ctx.Done()
	in.Close()
	return nil
}

// collect copies what comes out of a port, to its end.
func (a *attached) collect(port string, w io.Writer) error {
	conn, err := a.session.Machine.Channel(port)
	if err != nil {
		return err
	}
	a.streams.Go(func() {
		_, _ = io.Copy(w, conn)
		conn.Close()
	})
	return nil
}

// exitStatus is the guest's, if it reports one.
func (a *attached) exitStatus() (int, error) {
	if !a.Status {
		return 0, nil
	}
	status, err := strconv.Atoi(strings.TrimSpace(a.told.String()))
	if err != nil {
		return 0, fmt.Errorf("the machine ended without telling a status; the console's last lines:\n%s", a.session.Machine.Tail())
	}
	if status == guestFailed && !a.Show {
		a.complain()
	}
	return status, nil
}

// guestFailed is the status of a guest that could not do what it was to do. A program that
// chooses it has nothing to fear: nothing of ingot's stands on the console then.
const guestFailed = 125

// complain passes on the guest's messages about that, which only the console got.
func (a *attached) complain() {
	for line := range strings.Lines(vm.WithoutKernel(a.session.Machine.Console())) {
		if said, ok := strings.CutPrefix(line, "ingot: "); ok {
			a.Say("in the machine: " + strings.TrimRight(said, "\r\n"))
		}
	}
}

// awaitEnd waits until the machine has ended. A kernel that panicked, and stays, is no
// end for a person who looks at it: they are told.
func (a *attached) awaitEnd(ctx context.Context, person bool) {
	m := a.session.Machine
	for {
		var failed *vm.FailureError
		if err := m.Wait(ctx); !person || !errors.As(err, &failed) || failed.Kind != vm.Panicked {
			return
		}
		// The panic is behind once it has been waited for; if it is not there, QEMU has
		// stopped the guest.
		glance, cancel := context.WithTimeout(ctx, time.Second)
		_, err := m.WaitFor(glance, `Kernel panic - not syncing[^\n]*\n`)
		cancel()
		if err != nil {
			return
		}
		a.tell(failed)
	}
}

// tell prints a failure for the person at the console.
func (a *attached) tell(failed *vm.FailureError) {
	what := failed.Name
	if failed.Line != "" {
		what += ": " + failed.Line
	}
	fmt.Fprintf(a.Stderr, "\r\ningot: %s\r\ningot: Ctrl-] ends the machine\r\n", printable.Name(what))
}
