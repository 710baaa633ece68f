package applet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

func processApplets() []Applet {
	return []Applet{
		{"chroot", "DIR [COMMAND [ARG...]]", "run a command with another root", runChroot},
		{"env", "[-i] [NAME=VALUE...] [COMMAND [ARG...]]", "run a command with variables, or print them", runEnv},
		{"kill", "[-SIGNAL] PID... | -l", "send a signal", runKill},
		{"killall", "[-SIGNAL] NAME...", "send a signal to all processes of a name", runKillall},
		{"nice", "[-n ADJUSTMENT] COMMAND [ARG...]", "run a command with a lower priority", runNice},
		{"nohup", "COMMAND [ARG...]", "run a command that outlives its terminal", runNohup},
		{"pidof", "NAME...", "find processes by name", runPidof},
		{"ps", "[-ef|aux]", "list processes", runPs},
		{"setsid", "COMMAND [ARG...]", "run a command in a session of its own", runSetsid},
		{"sleep", "SECONDS...", "wait", runSleep},
		{"switch_root", "DIR INIT [ARG...]", "make another root the system's; for process 1", runSwitchRoot},
		{"timeout", "[-s SIGNAL] SECONDS COMMAND [ARG...]", "end a command that takes too long", runTimeout},
		{"xargs", "[-0prt] [-n WORDS] [-I TEXT] [COMMAND [ARG...]]", "run a command with words from standard input", runXargs},
	}
}

// process is a process as /proc shows it.
type process struct {
	pid, ppid, uid int
	state          string
	command        string // with arguments, or in brackets a kernel thread's name
	name           string
	rss            int64
	ticks          int64
}

func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var list []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := readProcess(pid); err == nil { // it may have ended just now
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b process) int { return a.pid - b.pid })
	return list, nil
}

// readProcess reads proc_pid_stat(5). The name stands in parentheses and may
// hold some itself.
func readProcess(pid int) (process, error) {
	dir := fmt.Sprintf("/proc/%d", pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return process{}, err
	}
	text := string(stat)
	open, close := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || close < open {
		return process{}, errors.New("unreadable stat")
	}
	f := strings.Fields(text[close+1:])
	if len(f) < 22 {
		return process{}, errors.New("short stat")
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(f[i], 10, 64)
		return n
	}
	p := process{
		pid: pid, name: text[open+1 : close], state: f[0], ppid: int(number(1)),
		ticks: number(11) + number(12), rss: number(21) * int64(os.Getpagesize()),
	}
	p.command = "[" + p.name + "]"
	if line, err := os.ReadFile(dir + "/cmdline"); err == nil && len(line) > 0 {
		p.command = strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
	}
	var st unix.Stat_t
	if unix.Stat(dir, &st) == nil {
		p.uid = int(st.Uid)
	}
	return p, nil
}

func runPs(c *Call) error {
	// The options of both traditions mean the same here: all processes.
	for _, a := range c.Args {
		if strings.Trim(a, "-aefuxwlAFT") != "" {
			return usageError{fmt.Sprintf("unknown option %q", a)}
		}
	}
	list, err := processes()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 1, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "PID\tPPID\tUSER\tSTAT\tRSS\tTIME\t COMMAND")
	for _, p := range list {
		seconds := p.ticks / 100 // USER_HZ, on every architecture of ours
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%d:%02d\t %s\n", p.pid, p.ppid, userName(strconv.Itoa(p.uid)), p.state,
			humanSize(p.rss), seconds/60, seconds%60, p.command)
	}
	return w.Flush()
}

// named returns the processes of a name, but not this one.
func named(name string) ([]process, error) {
	list, err := processes()
	return slices.DeleteFunc(list, func(p process) bool {
		argv0, _, _ := strings.Cut(p.command, " ")
		return p.pid == os.Getpid() || p.name != name && filepath.Base(argv0) != name
	}), err
}

func runPidof(c *Call) error {
	args := c.parse(1, -1)
	var pids []string
	for _, name := range args {
		list, err := named(name)
		if err != nil {
			return err
		}
		for _, p := range list {
			pids = append(pids, strconv.Itoa(p.pid))
		}
	}
	if len(pids) == 0 {
		return Status(1)
	}
	c.printf("%s\n", strings.Join(pids, " "))
	return nil
}

// signalled reads -SIGNAL, -s SIGNAL or -n NUMBER, and the operands, which may be negative numbers.
func (c *Call) signalled() (syscall.Signal, []string) {
	if len(c.Args) > 0 && len(c.Args[0]) > 1 && c.Args[0][0] == '-' {
		name := c.Args[0][1:]
		switch _, err := parseSignal(name); {
		case name == "n":
			c.Args = slices.Concat([]string{"-s"}, c.Args[1:])
		case err == nil || strings.IndexByte("sh-", name[0]) < 0: // but -s, -h and --
			c.Args = slices.Concat([]string{"-s", name}, c.Args[1:])
		}
	}
	c.Args = hyphened(c.Args, isNumber)
	sig := option(c, "signal", "s", syscall.SIGTERM, "the `SIGNAL`; default TERM", parseSignal)
	operands := c.parse(1, -1) // sets the signal
	return *sig, operands
}

func parseSignal(name string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n <= 64 {
		return syscall.Signal(n), nil
	}
	sig := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
	if sig == 0 {
		return 0, usageError{fmt.Sprintf("unknown signal %q", name)}
	}
	return sig, nil
}

func runKill(c *Call) error {
	if len(c.Args) > 0 && c.Args[0] == "-l" {
		c.count(len(c.Args), 1, 1)
		for n := syscall.Signal(1); n < 32; n++ {
			c.printf("%2d %s\n", n, strings.TrimPrefix(unix.SignalName(n), "SIG"))
		}
		return nil
	}
	sig, pids := c.signalled()
	return c.each(pids, func(s string) error {
		pid, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%q is not the number of a process", s)
		}
		if err := syscall.Kill(pid, sig); err != nil {
			return fmt.Errorf("%d: %w", pid, err)
		}
		return nil
	})
}

func runKillall(c *Call) error {
	sig, names := c.signalled()
	return c.each(names, func(name string) error {
		list, err := named(name)
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("%s: no such process", name)
		}
		for _, p := range list {
			err = errors.Join(err, syscall.Kill(p.pid, sig))
		}
		return err
	})
}

// program returns the path of a command: a program in PATH, or this binary if it is
// an applet.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if _, ok := Find(name); ok {
		return "/proc/self/exe", nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", statusError{statusNotRunnable, fmt.Errorf("%s: permission denied", name)}
	}
	return "", statusError{statusNotFound, fmt.Errorf("%s: command not found", name)}
}

// become runs a command in place of this process, an applet if no program has
// the name.
func become(command []string, env []string) error {
	path, err := program(command[0])
	if err != nil {
		return err
	}
	if err := syscall.Exec(path, command, env); err != nil {
		return statusError{statusNotRunnable, fmt.Errorf("%s: %w", command[0], err)}
	}
	return nil
}

// Exit statuses of commands that cannot run, and of those that run others.
const (
	troubled          = 125 // of a command that runs another
	statusNotFound    = 127
	statusNotRunnable = 126
)

// child runs a program or an applet and returns its status, and the signal that ended it.
func (c *Call) child(words []string, in io.Reader) (status int, signal syscall.Signal) {
	path, err := program(words[0])
	var failed statusError
	if errors.As(err, &failed) {
		c.warn(err)
		return failed.status, 0
	}
	return c.wait(&exec.Cmd{Path: path, Args: words, Stdin: in})
}

// wait runs a program on the call's own streams, but for its input.
func (c *Call) wait(cmd *exec.Cmd) (status int, signal syscall.Signal) {
	err := c.run(cmd)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return statusSignal + int(ws.Signal()), ws.Signal()
		}
		return exit.ExitCode(), 0
	}
	if err != nil {
		c.warn(err)
		return statusNotRunnable, 0
	}
	return 0, 0
}

// statusError is an error with an exit status of its own.
type statusError struct {
	status int
	error
}

func runEnv(c *Call) error {
	c.trouble = troubled
	empty := c.flags.BoolP("ignore-environment", "i", false, "with these variables only")
	args := c.command(0)
	env := os.Environ()
	if *empty {
		env = nil
	}
	if len(args) > 0 && args[0] == "-" {
		env, args = nil, args[1:]
	}
	for len(args) > 0 && strings.Contains(args[0], "=") {
		name, _, _ := strings.Cut(args[0], "=")
		env = append(slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") }), args[0])
		args = args[1:]
	}
	if len(args) == 0 {
		c.lines(env)
		return nil
	}
	return become(args, env)
}

func runChroot(c *Call) error {
	c.trouble = troubled
	args := c.command(1)
	if err := syscall.Chroot(args[0]); err != nil {
		return &os.PathError{Op: "chroot", Path: args[0], Err: err}
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return become(orElse(args[1:], "/bin/sh"), os.Environ())
}

func runNice(c *Call) error {
	c.trouble = troubled
	by := c.flags.IntP("adjustment", "n", 10, "how much")
	args := c.command(0)
	now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	// The system call returns 20 minus the priority.
	if len(args) == 0 {
		c.printf("%d\n", 20-now)
		return nil
	}
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 20-now+*by); err != nil {
		return err
	}
	return become(args, os.Environ())
}

func runNohup(c *Call) error {
	c.trouble = troubled
	args := c.command(1)
	signal.Ignore(syscall.SIGHUP)
	return become(args, os.Environ())
}

func runSetsid(c *Call) error {
	args := c.command(1)
	if _, err := syscall.Setsid(); err != nil {
		return fmt.Errorf("setsid: %w (the shell made it a leader; run it with &)", err)
	}
	return become(args, os.Environ())
}

func runSleep(c *Call) error {
	args := c.parse(1, -1)
	var sum time.Duration
	for _, a := range args {
		d, err := parseSeconds(a)
		if err != nil {
			return err
		}
		sum += d
	}
	time.Sleep(sum)
	return nil
}

// parseSeconds reads 1.5, or a number with s, m, h or d.
func parseSeconds(s string) (time.Duration, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	unit := time.Second
	digits := s
	if s != "" {
		if u, ok := units[s[len(s)-1]]; ok {
			unit, digits = u, s[:len(s)-1]
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n < 0 || n > 1e9 {
		return 0, usageError{fmt.Sprintf("%q is not a time (seconds, or a number with s, m, h or d)", s)}
	}
	return time.Duration(n * float64(unit)), nil
}

// statusTimeout is the exit status of timeout if it has ended the command.
const statusTimeout = 124

func runTimeout(c *Call) error {
	c.trouble = troubled
	sig := option(c, "signal", "s", syscall.SIGTERM, "the `SIGNAL` that ends it; default TERM", parseSignal)
	args := c.command(2)
	limit, err := parseSeconds(args[0])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(limit, math.MaxInt64)) // 0 is no limit
	defer cancel()
	path, err := program(args[1])
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = args[1:]
	cmd.Cancel = func() error { return cmd.Process.Signal(*sig) }
	cmd.Stdin = c.Stdin.from
	status, _ := c.wait(cmd)
	if ctx.Err() != nil && *sig != syscall.SIGKILL {
		return Status(statusTimeout)
	}
	return Status(status)
}

// runSwitchRoot is for an emergency shell that runs as process 1; the init of ingot
// does the same by itself.
func runSwitchRoot(c *Call) error {
	args := c.command(2)
	if os.Getpid() != 1 {
		return errors.New("only process 1 can do that; leave the emergency shell with `exit`, and init tries again")
	}
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run"} {
		_ = unix.Mount(dir, args[0]+dir, "", unix.MS_MOVE, "") // if it is one
	}
	if err := os.Chdir(args[0]); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("%s: %w (is it a mount?)", args[0], err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return become(args[1:], os.Environ())
}
