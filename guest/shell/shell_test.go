package shell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/syntax"

	"ingot/tests/testenv"
)

// TestMain makes the test binary be a shell, or an applet of its own.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "sh":
		s := &Shell{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Applets: []string{"sh", "shout", "help"}}
		os.Exit(s.Main("sh", os.Args[1:]))
	case "shout":
		fmt.Println(strings.ToUpper(strings.Join(os.Args[1:], " ")))
		os.Exit(0)
	case "help":
		fmt.Println("the applet")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// prepare makes the test binary as a shell in a folder with a few files.
func prepare(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"script":     "#!/nonesuch\necho script $1 $#\n",
		"unmarked":   "echo read by a shell $1\n",
		"binary":     "\x7fELF\x00\x00not really",
		"readable":   "echo never\n",
		"broken":     "if true\n",
		"some file":  "blank\n",
		"somewhere1": "",
		"somewhere2": "",
	} {
		mode := os.FileMode(0o755)
		if name == "readable" {
			mode = 0o644
		}
		testenv.WriteProgram(t, filepath.Join(dir, name), text, mode)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{"sh"}, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=" + dir}
	return cmd
}

func TestScripts(t *testing.T) {
	for _, test := range []struct {
		args       []string
		stdin, out string
		errout     string
		status     int
	}{
		{[]string{"-c", "echo $0 $1 $#", "name", "one", "two"}, "", "name one 2\n", "", 0},
		{[]string{"-c", "exit 42"}, "", "", "", 42},
		{[]string{"-c", "false; echo $?; (exit 7); echo $?"}, "", "1\n7\n", "", 0},
		{[]string{"-c", "nonesuch"}, "", "", "nonesuch: command not found\n", 127},
		{[]string{"-c", "./nonesuch"}, "", "", "./nonesuch: no such file\n", 127},
		{[]string{"-c", "./readable"}, "", "", "./readable: permission denied\n", 127},
		{[]string{"-c", "/"}, "", "", "/: is a directory\n", 127},
		{[]string{"-c", "./binary"}, "", "", "cannot execute a binary of another kind", 126},
		{[]string{"-c", "./unmarked well"}, "", "read by a shell well\n", "", 0},
		{[]string{"script", "x"}, "", "script x 1\n", "", 0},
		{[]string{"nonesuch"}, "", "", "nonesuch", 127},
		{[]string{"broken"}, "", "", "broken:1", 2},
		{[]string{"-c"}, "", "", "command missing", 2},
		{[]string{"-e", "-c", "false; echo no"}, "", "", "", 1},
		{[]string{"-ec", "false; echo no"}, "", "", "", 1},
		{[]string{"-o", "errexit", "-c", "false; echo no"}, "", "", "", 1},
		{[]string{"-o"}, "", "", "option name missing", 2},
		{[]string{"-u", "-c", "echo $unset"}, "", "", "unset", 1},
		{[]string{"-c", "shout in a pipe | tr A-Z a-z; x=$(shout y); echo $x"}, "", "in a pipe\nY\n", "", 0},
		{[]string{"-c", "help; kill -0 $$ && echo alive; umask 077; umask; umask x; echo $?"}, "", "the applet\nalive\n0077\n2\n", "octal", 0},
		{[]string{"-c", "A=1 env | grep ^A; B=2; env | grep ^B || echo unexported; export B; env | grep ^B"}, "", "A=1\nunexported\nB=2\n", "", 0},
		{[]string{"-c", "sh -c 'kill -KILL $$'; echo $?"}, "", "137\n", "", 0},
		{[]string{"-c", "cat 'some file' | while read x; do echo got $x; done"}, "", "got blank\n", "", 0},
		{[]string{"-c", "sleep 0.1 & wait && echo done"}, "", "done\n", "", 0},
		{nil, "echo one\nread x\nthis line\necho got $x\nif true; then\necho two\nfi\n", "one\ngot this line\ntwo\n", "", 0},
		{nil, "cat\nfor cat\n", "for cat\n", "", 0}, // a command reads what follows it
		{nil, "exit 3\necho no\n", "", "", 3},
		{nil, "echo )\n", "", ")", 2},
		{nil, "echo one\nexit 5", "one\n", "", 5}, // a line without an end
		{nil, "echo one\nfalse", "one\n", "", 1},
		{nil, "cat <<E\nabc\nE", "abc\n", "", 0},
		{nil, "read x\nabc", "", "", 1},
		{nil, "echo 'x", "", "quote", 2},
		{nil, "if true; then\necho x", "", "if", 2},
		{[]string{"-s"}, "echo read\n", "read\n", "", 0},
		{[]string{"-i"}, "echo x\n", "x\n", "", 0},
	} {
		t.Run(strings.Join(test.args, " ")+test.stdin, func(t *testing.T) {
			t.Parallel()
			cmd := prepare(t, test.args...)
			var out, errout bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(test.stdin), &out, &errout
			cmd.Run() //nolint:errcheck // the status is looked at
			exact := out.String() == test.out || len(test.args) == 1 && test.args[0] == "-i" && strings.Contains(out.String(), test.out)
			if !exact || !strings.Contains(errout.String(), test.errout) || cmd.ProcessState.ExitCode() != test.status {
				t.Errorf("printed %q and %q, status %d; want %q and %q, %d", out.String(), errout.String(),
					cmd.ProcessState.ExitCode(), test.out, test.errout, test.status)
			}
		})
	}
}

// terminal is a shell on a pseudo-terminal.
type terminal struct {
	t      *testing.T
	master *os.File
	output chan string
	text   string
	cmd    *exec.Cmd
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	defer slave.Close()
	x := &terminal{t: t, master: master, output: make(chan string, 100), cmd: prepare(t)}
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = slave, slave, slave
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if n > 0 {
				x.output <- string(buf[:n])
			}
			if err != nil {
				close(x.output)
				return
			}
		}
	}()
	t.Cleanup(func() {
		x.cmd.Process.Kill() //nolint:errcheck // it may have ended
		master.Close()
	})
	return x
}

// expect waits until the terminal shows this.
func (x *terminal) expect(want string) {
	x.t.Helper()
	limit := time.After(5 * time.Minute)
	for !strings.Contains(x.text, want) {
		select {
		case s, ok := <-x.output:
			if !ok {
				x.t.Fatalf("the shell ended; it showed %q, want %q", x.text, want)
			}
			x.text += s
		case <-limit:
			x.t.Fatalf("the terminal shows %q; want %q", x.text, want)
		}
	}
	_, x.text, _ = strings.Cut(x.text, want)
}

func (x *terminal) send(keys string) {
	x.t.Helper()
	if _, err := io.WriteString(x.master, keys); err != nil {
		x.t.Fatal(err)
	}
}

const (
	keyUp   = "\x1b[A"
	keyLeft = "\x1b[D"
	keyEOF  = "\x04"
)

// TestTerminal types as a person would.
func TestTerminal(t *testing.T) {
	x := openTerminal(t)
	x.expect(":" + x.cmd.Dir)
	x.send("echo fir" + keyLeft + keyLeft + keyLeft + "'x'\r")
	x.expect("\r\nxfir\r\n")
	x.send("if true\rthen echo deep; fi\r") // goes on over lines
	x.expect("> ")
	x.expect("\r\ndeep\r\n")
	x.expect(x.cmd.Dir)     // the prompt: only then is Ctrl-C a key
	x.send("cat som\t\x03") // and throws a line away
	x.expect("^C\r\n")
	x.send("echo $?\r")
	x.expect("\r\n130\r\n")
	x.send(keyUp + keyUp + keyUp + keyUp + "\r") // history: the first line
	x.expect("\r\nxfir\r\n")
	x.send("sh") // completes to what sh and shout have in common, then to one
	x.send("o\t tabbed\r")
	x.expect("\r\nTABBED\r\n")
	x.send("ls somewh\t2\r")
	x.expect("\r\nsomewhere2\r\n")
	x.send("echo up; sleep 100; echo not reached\r")
	x.expect("\r\nup\r\n") // from here on Ctrl-C is a signal
	x.send("\x03")
	x.expect("^C")
	x.send("echo up; while true; do true; done\r") // a loop without any command
	x.expect("\r\nup\r\n")
	x.send("\x03echo still alive $?\r")
	x.expect("\r\nstill alive 130\r\n")
	x.send("read line; echo got $line\rtyped ahead\r")
	x.expect("\r\ngot typed ahead\r\n")
	x.expect(x.cmd.Dir)
	x.send("\x1a\x1aecho not stopped\r") // Ctrl-Z does nothing
	x.expect("\r\nnot stopped\r\n")
	x.send("cd /proc\r")
	x.expect(":/proc")
	x.send("(exit 5)\r")
	x.expect(":/proc")
	x.send(keyEOF)
	x.expect("exit\r\n")
	x.cmd.Wait() //nolint:errcheck // the status is looked at
	if got := x.cmd.ProcessState.ExitCode(); got != 5 {
		t.Errorf("the shell's status is %d; want that of its last command, 5", got)
	}
}

func TestCommonPrefix(t *testing.T) {
	for _, test := range []struct {
		words []string
		want  string
	}{{nil, ""}, {[]string{"abc"}, "abc"}, {[]string{"abc", "abd"}, "ab"}, {[]string{"a", "b"}, ""}, {[]string{"ab", "abc"}, "ab"}} {
		if got := commonPrefix(test.words); got != test.want {
			t.Errorf("commonPrefix(%q) = %q; want %q", test.words, got, test.want)
		}
	}
}

func TestStartsCommand(t *testing.T) {
	for before, want := range map[string]bool{"": true, "  ": true, "a | ": true, "a;": true, "a && ": true, "$(": true, "ls ": false, "a | b ": false} {
		if got := startsCommand(before); got != want {
			t.Errorf("startsCommand(%q) = %v; want %v", before, got, want)
		}
	}
}

// TestLateInterrupt has a command end by Ctrl-C before the shell hears of it.
func TestLateInterrupt(t *testing.T) {
	var s Shell
	if err := s.init(arguments{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	program, err := syntax.NewParser().Parse(strings.NewReader("/bin/sh -c 'kill -INT $$'"), "")
	if err != nil {
		t.Fatal(err)
	}
	if status := s.run(ctx, program.Stmts[0]); status != 130 || ctx.Err() == nil {
		t.Errorf("status %d, and the shell had heard %v; want 130 after it had", status, ctx.Err())
	}
}
