package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Exit statuses that POSIX fixes.
const (
	statusUsage       = 2
	statusNotFound    = 127
	statusNotRunnable = 126
	statusSignal      = 128 // and the signal's number
)

// A Shell runs commands on three files.
type Shell struct {
	Stdin, Stdout, Stderr *os.File
	// Applets are the names of the commands that the running binary has in itself.
	Applets []string

	runner *interp.Runner
	exited bool                               // the last statement was `exit`, or failed under `set -e`
	cancel atomic.Pointer[context.CancelFunc] // ends the line that runs
}

// Main runs the shell with the arguments that follow its name, and returns its
// exit status.
func (s *Shell) Main(name string, args []string) int {
	o, err := parseArguments(args)
	if err == nil {
		err = s.init(o)
	}
	if err != nil {
		fmt.Fprintf(s.Stderr, "%s: %v\n", name, err)
		return statusUsage
	}
	status := 0
	if o.login {
		status = s.profile()
	}
	switch {
	case s.exited:
		return status
	case o.commandSet:
		if o.name != "" {
			name = o.name
		}
		return s.script(strings.NewReader(o.command), name)
	case o.script != "":
		f, err := os.Open(o.script)
		if err != nil {
			fmt.Fprintf(s.Stderr, "%s: %v\n", name, err)
			return statusNotFound
		}
		defer f.Close()
		return s.script(f, o.script)
	case o.interactive || term.IsTerminal(int(s.Stdin.Fd())):
		return s.interact()
	}
	return s.stream()
}

// arguments is a parsed command line.
type arguments struct {
	command     string
	commandSet  bool
	name        string // $0 of the command
	interactive bool
	login       bool
	script      string
	params      []string // for interp.Params: -e, --, $1, …
}

func parseArguments(args []string) (o arguments, err error) {
	for len(args) > 0 && len(args[0]) > 1 && (args[0][0] == '-' || args[0][0] == '+') {
		word := args[0]
		args = args[1:]
		if word == "--" {
			break
		}
		if word == "-o" || word == "+o" {
			if len(args) == 0 {
				return o, fmt.Errorf("%s: option name missing", word)
			}
			o.params = append(o.params, word, args[0])
			args = args[1:]
			continue
		}
		if word == "--login" {
			o.login = true
			continue
		}
		for _, c := range word[1:] {
			switch c {
			case 'c':
				o.commandSet = true
			case 'i':
				o.interactive = true
			case 'l':
				o.login = true
			case 's':
			default:
				o.params = append(o.params, word[:1]+string(c))
			}
		}
	}
	o.params = append(o.params, "--")
	switch {
	case o.commandSet && len(args) == 0:
		return o, errors.New("-c: command missing")
	case o.commandSet:
		o.command, args = args[0], args[1:]
		if len(args) > 0 {
			o.name, args = args[0], args[1:]
		}
	case len(args) > 0:
		o.script, args = args[0], args[1:]
	}
	o.params = append(o.params, args...)
	return o, nil
}

func (s *Shell) init(o arguments) (err error) {
	s.runner, err = interp.New(
		interp.StdIO(s.Stdin, s.Stdout, s.Stderr),
		interp.Params(o.params...),
		interp.Interactive(o.interactive || !o.commandSet && o.script == "" && term.IsTerminal(int(s.Stdin.Fd()))),
		interp.CallHandler(call),
		interp.ExecHandlers(s.exec),
	)
	return err
}

// profile runs /etc/profile, if there is one.
func (s *Shell) profile() int {
	f, err := os.Open("/etc/profile")
	if err != nil {
		return 0
	}
	defer f.Close()
	return s.script(f, "/etc/profile")
}

// script parses all of a program, then runs it.
func (s *Shell) script(r io.Reader, name string) int {
	program, err := syntax.NewParser().Parse(r, name)
	if err != nil {
		fmt.Fprintln(s.Stderr, err)
		return statusUsage
	}
	return s.run(context.Background(), program)
}

// stream runs a program from standard input, statement by statement, so that
// the commands in it can read what follows them.
func (s *Shell) stream() int {
	status := 0
	parser := syntax.NewParser()
	in := io.MultiReader(bytewise{s.Stdin}, strings.NewReader("\n")) // the parser leaves out a last line without an end
	for statements, err := range parser.InteractiveSeq(in) {
		if err != nil {
			fmt.Fprintln(s.Stderr, err)
			return statusUsage
		}
		if parser.Incomplete() {
			continue
		}
		for _, st := range statements {
			if status = s.run(context.Background(), st); s.exited {
				return status
			}
		}
	}
	return status
}

// bytewise reads one byte at a time, and so none for a command that follows.
type bytewise struct{ r io.Reader }

func (b bytewise) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return b.r.Read(p[:1])
}

// run runs a statement or a program and returns its status. Ctrl-C ends ctx.
func (s *Shell) run(ctx context.Context, node syntax.Node) int {
	err := s.runner.Run(ctx, node)
	s.exited = s.runner.Exited() && ctx.Err() == nil // Ctrl-C ends the statement alone
	var status interp.ExitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	if err != nil && ctx.Err() != nil {
		return s.interrupted()
	}
	if err != nil {
		fmt.Fprintln(s.Stderr, err)
		return 1
	}
	return 0
}

// interruptible returns a context that Ctrl-C ends, until done is called.
func (s *Shell) interruptible() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel.Store(&cancel)
	return ctx, func() {
		s.cancel.Store(nil)
		cancel()
	}
}

// watchInterrupts ends the line that runs at every Ctrl-C. The terminal has
// sent the signal to its commands too; the shell itself lives on.
func (s *Shell) watchInterrupts() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, interrupt)
	go func() {
		for range signals {
			if cancel := s.cancel.Load(); cancel != nil {
				(*cancel)()
			}
		}
	}()
	return func() { signal.Stop(signals); close(signals) }
}

// exec runs a command that is neither a function nor built in: a program from
// PATH, or else an applet.
func (s *Shell) exec(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		hc := interp.HandlerCtx(ctx)
		if name, ok := strings.CutPrefix(args[0], mark); ok {
			args = append([]string{name}, args[1:]...)
			if name == "umask" {
				return umask(hc, args)
			}
		}
		path, err := interp.LookPathDir(hc.Dir, hc.Env, args[0])
		if err != nil && slices.Contains(s.Applets, args[0]) {
			return command(ctx, self(), args)
		}
		if err != nil {
			fmt.Fprintf(hc.Stderr, "%s: %s\n", args[0], notFound(hc, args[0]))
			return interp.ExitStatus(statusNotFound)
		}
		return command(ctx, path, args)
	}
}

// notFound returns why there is no program to run.
func notFound(hc interp.HandlerContext, name string) string {
	if !strings.Contains(name, "/") {
		return "command not found"
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(hc.Dir, name)
	}
	switch info, err := os.Stat(name); {
	case err != nil:
		return "no such file"
	case info.IsDir():
		return "is a directory"
	}
	return "permission denied"
}

// self returns the path of the running binary. The link in /proc holds even where
// the root has changed; without /proc there is the path that it was started under.
func self() string {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link
	}
	path, err := os.Executable()
	if err != nil {
		return link
	}
	return path
}

// grace is how long a command may take to end after Ctrl-C.
const grace = 2 * time.Second

// command runs a program as a child and returns its status.
func command(ctx context.Context, path string, args []string) error {
	hc := interp.HandlerCtx(ctx)
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	cmd.Args = args
	cmd.Dir = hc.Dir
	cmd.Env = environment(hc.Env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = hc.Stdin, hc.Stdout, hc.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(interrupt) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		if status := s128(exit); status != interp.ExitStatus(statusSignal+int(interrupt)) || ctx.Done() == nil {
			return status
		}
		select { // Ctrl-C, which must not end the next line if the shell hears of it later
		case <-ctx.Done():
		case <-time.After(grace):
		}
		return s128(exit)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errNoExec):
		return runScript(ctx, path, args)
	}
	fmt.Fprintf(hc.Stderr, "%s: %v\n", args[0], errors.Unwrap(err))
	return interp.ExitStatus(statusNotRunnable)
}

// runScript runs a file that the kernel takes for no program, which POSIX has a
// shell read as a script.
func runScript(ctx context.Context, path string, args []string) error {
	head := make([]byte, 256)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	n, _ := f.Read(head)
	f.Close()
	if bytes.IndexByte(head[:n], 0) >= 0 {
		fmt.Fprintf(interp.HandlerCtx(ctx).Stderr, "%s: cannot execute a binary of another kind\n", path)
		return interp.ExitStatus(statusNotRunnable)
	}
	return command(ctx, self(), append([]string{"sh", path}, args[1:]...))
}

// environment lists the exported variables.
func environment(env expand.Environ) []string {
	var list []string
	for name, v := range env.Each {
		if v.Exported && v.IsSet() {
			list = append(list, name+"="+v.String())
		}
	}
	return list
}
