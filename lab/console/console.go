// Package console runs one machine with its console, or the streams of a command in it, joined
// to those of this process.
//
//	x := &console.Console{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Say: say}
//	end, err := x.Run(ctx, system, o, host)
//
// Where standard input is a terminal it is the guest's, key by key; a boot that fails is reported
// to the person in front of it. Where it is none, it waits until the guest listens, and a boot
// that fails ends the machine.
package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"ingot/guest/wire"
	"ingot/internal/lazy"
	"ingot/internal/printable"
	"ingot/vm"
	"ingot/vm/run"
	"ingot/vm/session"
)

// A Console joins a machine to streams of this process.
type Console struct {
	Command *session.Command // is run by the guest's agent and ends the machine, and the console is quiet
	Show    bool             // and is shown all the same, on Stderr
	Status  bool             // the guest shows an exit status on the console

	Stdin          *os.File
	Stdout, Stderr io.Writer // get the guest's bytes as they are
	Say            func(note string)
}

// An End is how a machine ended that did not fail.
type End struct {
	Status int  // the guest's
	Left   bool // a person has left the console, which ended the machine
}

// attached is a machine that is joined to a Console.
type attached struct {
	*Console
	screen bool     // somebody may look at the machine's screen
	shares []string // how the guest reaches shared folders

	session *run.Session
	failed  error // why the machine was ended
}

// Run runs a machine until it ends, a person leaves its console, or the context ends.
func (c *Console) Run(outer context.Context, s *run.System, o run.Options, h run.Host) (end End, err error) {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	switch {
	case c.Command == nil:
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
	if c.Command != nil {
		end.Status, a.failed = a.execute(ctx)
	} else if end.Left, err = a.attend(ctx, cancel); err != nil {
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
	if c.Status {
		end.Status = a.shownStatus()
	}
	return end, nil
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
	pumping, stop := context.WithCancel(ctx)
	defer stop()
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

// execute runs the command by the guest's agent, and switches the guest off.
func (a *attached) execute(ctx context.Context) (status int, err error) {
	a.announceLogin(a.session.Machine)
	client, err := session.Open(ctx, a.session.Machine, session.Options{Explain: a.explain})
	if err != nil {
		return 0, err
	}
	shell := session.Shell{Client: client, Out: a.Stdout, Err: a.Stderr}
	defer shell.Close()
	status, err = shell.Exec(ctx, *a.Command)
	if err == nil {
		err = client.Off()
	}
	if err == nil {
		err = a.session.Wait(ctx)
	}
	return status, err
}

// explain says by the machine's end why its agent does not answer.
func (a *attached) explain(ctx context.Context, _ error) error {
	if err := a.session.Wait(ctx); err != nil {
		return err
	}
	return fmt.Errorf("the machine ended without telling a status; the console's last lines:\n%s", a.session.Machine.Tail())
}

// statusSign matches what a guest shows last whose task has failed.
var statusSign = lazy.Regexp("ingot: " + wire.StatusSign + `(\d+)\r?\n`)

// shownStatus is the guest's.
func (a *attached) shownStatus() (status int) {
	if all := statusSign().FindAllStringSubmatch(vm.WithoutKernel(a.session.Machine.Console()), -1); all != nil {
		status, _ = strconv.Atoi(all[len(all)-1][1])
	}
	return status
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
