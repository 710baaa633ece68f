package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/u-root/u-root/pkg/ldd"
	"golang.org/x/sys/unix"

	"ingot/tests/fstest"
	"ingot/tests/kills"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
)

// execPatience is for a machine that is busy with other tests; alone an exec takes 3 s.
const execPatience = 10 * time.Minute

// workplace is a folder in which ingot exec is run.
type workplace struct {
	t   *testing.T
	dir string
	env []string
}

func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	if testing.Short() {
		t.Skip("boots take seconds")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		testenv.Missing(t, "qemu-system-x86_64 is missing: tests/setup/debian brings it")
	}
	guest := testenv.Guest(t)
	s := &workplace{t: t, dir: t.TempDir()}
	// The kernel under a name of this test's alone tells its processes from others'.
	if err := os.Symlink(testenv.Kernel(t), filepath.Join(s.dir, "kernel")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tmp", "cache"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.env = append(os.Environ(), "INGOT_GUEST="+guest, "INGOT_KERNEL="+filepath.Join(s.dir, "kernel"), "TMPDIR="+filepath.Join(s.dir, "tmp"))
	return s
}

// file makes a file in the workplace's folder.
func (s *workplace) file(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *workplace) command(args ...string) *exec.Cmd {
	cmd := exec.Command("ingot", append([]string{"exec"}, args...)...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// run runs ingot exec to its end.
func (s *workplace) run(stdin string, args ...string) (stdout, stderr string, status int) {
	s.t.Helper()
	cmd := s.command(append([]string{"--accel", "tcg"}, args...)...)
	var out, errout bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errout
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return out.String(), errout.String(), cmd.ProcessState.ExitCode()
}

// TestExecCommands runs commands as a person would, each in a machine of its own.
func TestExecCommands(t *testing.T) {
	s := newWorkplace(t)
	s.file("script.sh", "#!/bin/sh\nread line\necho \"$line: $# $1\"\nexit 9\n")
	s.file("xchg/input", "from the host\n")
	for _, test := range []struct {
		name           string
		stdin          string
		args           []string
		status         int
		stdout, stderr string // of the latter, a part
	}{
		{"quiet", "", []string{"--quiet", "--", "echo", "hello"}, 0, "hello\n", ""},
		{"script in an argument", "", []string{"echo out; echo err >&2; exit 42"}, 42, "out\n", "err\n"},
		{"script in a file", "in\n", []string{"--script", "script.sh", "a  b", "c"}, 9, "in: 2 a  b\n", ""},
		{"not found", "", []string{"/nix/store/nonesuch/bin/hello"}, 127, "", "hint: the guest has no store unless --store says which"},
		{"environment, folder and QEMU's arguments", "", []string{
			"-e", "A=b c", "--dir", "/etc", "sh", "-c", `pwd; printenv A; echo "$@"`, "sh", "a", "--", "b", "--", "-device", "virtio-balloon-pci",
		}, 0, "/etc\nb c\na -- b\n", ""},
		{"time-out", "", []string{"--timeout", "15s", "sleep", "1000"}, 124, "", "the command did not end within 15s"},
		{"panic", "", []string{"echo c > /proc/sysrq-trigger"}, 121, "", "the guest's kernel panicked: sysrq triggered crash"},
		{"QEMU", "", []string{"true", "--", "-nonesuch"}, 120, "", "-nonesuch: invalid option"},
		{"console", "", []string{"--console", "echo", "hello"}, 0, "hello\n", "Run /init as init process"},
		{"colours that were asked for", "", []string{"--console", `printf '\033[31mred' | tee /dev/console`}, 0, "\x1b[31mred", "\x1b[31mred"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout, stderr, status := s.run(test.stdin, test.args...)
			if stdout != test.stdout {
				t.Errorf("printed %q; want %q", stdout, test.stdout)
			}
			if !strings.Contains(stderr, test.stderr) || test.stderr == "" && stderr != "" {
				t.Errorf("said %q; want %q", stderr, test.stderr)
			}
			if status != test.status {
				t.Errorf("status %d; want %d\n%s", status, test.status, stderr)
			}
		})
	}
}

// TestExecFiles brings files in and takes results out.
func TestExecFiles(t *testing.T) {
	s := newWorkplace(t)
	s.file("xchg/input", "from the host\n")
	s.file("shared/file", "shared\n")
	s.file("named/file", "named\n")
	stdout, stderr, status := s.run("", "--xchg", "xchg", "--share", "shared", "--share", "other:named,ro", "--output", "result",
		"--new-disk", "disk.qcow2:64MiB", "--empty-disk", "32M:ext4:data",
		"cat /tmp/xchg/input /tmp/shared/file /mnt/other/file; touch /mnt/other/new 2>/dev/null; blkid /dev/vdb | grep -c 'LABEL=\"data\"'; echo made > /tmp/xchg/made; echo back > /tmp/shared/back; lsblk | grep -c '^vda '; dd if=/tmp/shared/file of=/dev/vda conv=fsync 2>/dev/null")
	if stdout != "from the host\nshared\nnamed\n1\n1\n" || status != 0 {
		t.Fatalf("printed %q, status %d\n%s", stdout, status, stderr)
	}
	if !strings.Contains(stderr, "creating qcow2 image of 64") {
		t.Errorf("said %q", stderr)
	}
	for name, want := range map[string]string{"result": "made\n", "xchg/made": "made\n", "shared/back": "back\n"} {
		if text, err := os.ReadFile(filepath.Join(s.dir, name)); string(text) != want || err != nil {
			t.Errorf("%s holds %q, %v; want %q", name, text, err, want)
		}
	}
	if _, err := exec.LookPath("qemu-img"); err != nil {
		testenv.Missing(t, "qemu-img is missing: tests/setup/debian brings it")
	}
	if out, err := exec.Command("qemu-img", "check", filepath.Join(s.dir, "disk.qcow2")).CombinedOutput(); err != nil {
		t.Errorf("qemu-img check: %v\n%s", err, out)
	}
	// The rule of one file: two are none, and nothing is left.
	_, stderr, status = s.run("", "--output", "none", "--", "touch", "/tmp/xchg/one", "/tmp/xchg/two")
	if status != 125 || !strings.Contains(stderr, "did not find a single result file: the command left 2 regular files in /tmp/xchg (one, two)") {
		t.Errorf("two results: status %d, %q", status, stderr)
	}
	_, stderr, status = s.run("", "--output", "all/", "--", "mkdir -p /tmp/xchg/d; echo a > /tmp/xchg/d/a")
	if text, err := os.ReadFile(filepath.Join(s.dir, "all/d/a")); status != 0 || string(text) != "a\n" {
		t.Errorf("a whole folder: status %d, %q, %v\n%s", status, text, err, stderr)
	}
	_, _, status = s.run("", "--output", "failed", "--new-disk", "failed.img:8MiB:ext4", "touch /tmp/xchg/x; exit 3")
	if status != 3 {
		t.Errorf("a command that fails: status %d; want 3", status)
	}
	s.only("all", "cache", "disk.qcow2", "kernel", "named", "result", "shared", "tmp", "xchg")
}

// TestExecStore shows a closure to a command, which may write to the store and the
// database that it sees; the host's stay as they are.
func TestExecStore(t *testing.T) {
	s := newWorkplace(t)
	const item = "00000000000000000000000000000001-a"
	s.file("store/"+item+"/file", "in the closure\n")
	s.file("a.graph", "/nix/store/"+item+"\n\n0\n")
	stdout, stderr, status := s.run("", "--store", "a.graph", "--from", "store", "--output", "result",
		"cat /nix/store/"+item+"/file; echo new > /nix/store/new && cat /nix/store/new; test -s /nix/var/nix/db/db.sqlite && echo a database; ls /tmp/xchg; echo > /tmp/xchg/one")
	if stdout != "in the closure\nnew\na database\na.graph\n" || status != 0 {
		t.Errorf("printed %q, status %d\n%s", stdout, status, stderr)
	}
	s.only("a.graph", "cache", "kernel", "result", "store", "tmp")
	if entries, err := os.ReadDir(filepath.Join(s.dir, "store")); err != nil || len(entries) != 1 {
		t.Errorf("the store holds %v, %v; want what it held", entries, err)
	}
}

// TestExecNix has a real Nix at work in a closure that it made: the store of a made-up
// host, and a path that the guest registers in the database that it sees.
func TestExecNix(t *testing.T) {
	s := newWorkplace(t)
	c := nixtest.System(t)
	database := filepath.Join(c.Root, "nix/var/nix/db/db.sqlite")
	before, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	busybox := c.Path("busybox-static") + "/bin/busybox"
	stdout, stderr, status := s.run("", "--store", "host", "--store-root", c.Root, "--", busybox, "sh", "-c", `echo "Hello, world!"; exit 42`)
	if stdout != "Hello, world!\n" || status != 42 {
		t.Errorf("from the host's store: printed %q, status %d\n%s", stdout, status, stderr)
	}
	s.tool("nix", "nix-store")
	stdout, stderr, status = s.run("", "--store", c.Graph, "--registration", c.Registration, "--from", c.Store, "--add", "nix-tool=nix", "--script", s.file("register.sh", `set -e
nix() { for d in /nix/store/*-nix-tool; do NIX_REMOTE= "$d/ld.so" --library-path "$d" "$d/nix-store" "$@" 2>/dev/null; done; }
new=/nix/store/00000000000000000000000000000001-new
echo new > $new
if nix --check-validity $new; then echo known before; fi
printf '%s\n\n1\n%s\n' $new $1 | nix --register-validity
nix --query --references $new
nix --check-validity $new && echo registered
`), c.Path("busybox-static"))
	if lines := strings.Split(stdout, "\n"); status != 0 || len(lines) != 3 || lines[0] != c.Path("busybox-static") || lines[1] != "registered" {
		t.Errorf("registering: printed %q, status %d\n%s", stdout, status, stderr)
	}
	after, err := os.ReadFile(database)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the host's database has changed, %v", err)
	}
	if _, err := os.Lstat(filepath.Join(c.Store, "00000000000000000000000000000001-new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what the guest made is in the host's store: %v", err)
	}
}

// tool makes a folder of a program of this machine, with its loader and its libraries.
func (s *workplace) tool(dir, program string) {
	s.t.Helper()
	path := fstest.Judge(s.t, program, "nix-bin")
	files, err := ldd.FList(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, dir), 0o755); err != nil {
		s.t.Fatal(err)
	}
	for _, file := range append(files, path) {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "ld-linux") {
			name = "ld.so"
		}
		data, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, dir, name), data, 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
}

// only wants nothing else to be in the workplace's folder, and nothing at all in its
// temporary one.
func (s *workplace) only(names ...string) {
	s.t.Helper()
	for dir, want := range map[string]string{s.dir: strings.Join(names, " "), filepath.Join(s.dir, "tmp"): ""} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			s.t.Fatal(err)
		}
		var found []string
		for _, e := range entries {
			found = append(found, e.Name())
		}
		if got := strings.Join(found, " "); got != want {
			s.t.Errorf("%s holds %s; want %s", dir, got, want)
		}
	}
}

// TestExecRefused is about command lines that start nothing.
func TestExecRefused(t *testing.T) {
	s := newWorkplace(t)
	s.file("empty", "")
	s.file("there.img", "x")
	own, err := exec.LookPath("ingot")
	if err != nil {
		t.Fatal(err)
	}
	lonely := filepath.Join(s.dir, "lonely")
	if err := errors.Join(os.Mkdir(lonely, 0o755), os.Symlink(own, filepath.Join(lonely, "ingot"))); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, 2, "no command is given"},
		{[]string{"--", "--"}, 2, "no command is given"},
		{[]string{"--kernel", "/nonesuch", "true"}, 125, "/nonesuch: no such file or directory; --kernel PATH names another"},
		{[]string{"--kernel", "lonely", "true"}, 125, "lonely: no kernel"},
		{[]string{"--share", "nonesuch", "true"}, 125, "--share: stat nonesuch: no such file"},
		{[]string{"--share", "empty", "true"}, 2, "--share: empty is not a folder"},
		{[]string{"--shared", "empty", "true"}, 2, "--shared is now --share"},
		{[]string{"--xchg", "nonesuch", "true"}, 125, "--xchg: stat nonesuch"},
		{[]string{"--output", "nonesuch/x", "true"}, 125, "--output: nonesuch/x: the folder nonesuch does not exist"},
		{[]string{"--output", "/dev/full", "true"}, 125, "--output: /dev/full: is a character device, and only a regular file can be replaced"},
		{[]string{"--disk", "nonesuch.img", "true"}, 125, "--disk: stat nonesuch.img"},
		{[]string{"--disk", ".", "true"}, 125, "--disk: . is a folder\nhint: --share shares a folder"},
		{[]string{"--cpus", "0", "true"}, 2, "must be a whole number from 1 to 255"},
		{[]string{"--timeout", "-1s", "true"}, 2, `invalid argument "-1s" for "--timeout" flag: must not be negative`},
		{[]string{"--program", "nonesuch", "true"}, 125, "--program: nonesuch is not on this machine"},
		{[]string{"--new-disk", "there.img:1MiB", "true"}, 125, "there.img is there already"},
		{[]string{"--new-disk", "x.img", "true"}, 2, "it is FILE:SIZE"},
		{[]string{"--new-disk", "x.img:100B", "true"}, 2, "100 bytes"},
		{[]string{"--script", "nonesuch", "true"}, 125, "nonesuch: no such file"},
		{[]string{"--script", "empty"}, 125, "empty: the script is empty"},
		{[]string{"--store", "nonesuch.graph", "true"}, 125, "--store: open nonesuch.graph"},
		{[]string{"--memory", "much", "true"}, 2, "--memory"},
		{[]string{"--memory", "1", "true"}, 2, `--memory "1": a machine needs at least 32 MiB`},
		{[]string{"--arch", "vax", "true"}, 2, `architecture "vax" is unknown`},
		{[]string{"--env", "NONESUCH_VARIABLE", "true"}, 2, "NAME=VALUE"},
		{[]string{"--module", "nonesuch", "true"}, 125, "module nonesuch is not part of kernel"},
		{[]string{"--nonesuch", "true"}, 2, "unknown flag"},
	} {
		_, stderr, status := s.run("", test.args...)
		if status != test.status || !strings.Contains(stderr, test.want) {
			t.Errorf("ingot exec %q: status %d, %q; want %d, %q", test.args, status, stderr, test.status, test.want)
		}
	}
	// Without QEMU.
	s.env = append(s.env, "PATH="+lonely)
	if _, stderr, status := s.run("", "true"); status != 125 || !strings.Contains(stderr, "qemu-system-x86_64 is not in PATH (Debian's package qemu-system-x86 brings it)") {
		t.Errorf("without QEMU: status %d, %q", status, stderr)
	}
	s.only("cache", "empty", "kernel", "lonely", "there.img", "tmp")
}

func TestExecDryRun(t *testing.T) {
	s := newWorkplace(t)
	stdout, stderr, status := s.run("", "--dry-run", "--network", "--disk", "/dev/null:ro", "-m", "300", "--cpus", "2", "true", "--", "-name", "two words")
	for _, want := range []string{
		"qemu-system-x86_64 ", " -m 300M -smp 2 ", " -accel tcg", ",snapshot=on' ", " virtio-blk-pci,", " -netdev user,",
		"ip=10.0.2.15::10.0.2.2:255.255.255.0:::off", " ingot.agent ", " -name 'two words'\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the command line lacks %q:\n%s", want, stdout)
		}
	}
	if status != 0 || stderr != "" {
		t.Errorf("status %d, %q", status, stderr)
	}
}

// processes returns those with a word in their command line.
func processes(t *testing.T, word string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(word)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// gone wants all processes to end that have to do with the session.
func (s *workplace) gone() {
	s.t.Helper()
	testenv.Eventually(s.t, func() error {
		if left := processes(s.t, s.dir); len(left) > 0 {
			return fmt.Errorf("processes %v are left", left)
		}
		return nil
	})
}

// TestExecKilled kills ingot at moments all over its life: nothing is left of it.
func TestExecKilled(t *testing.T) {
	s := newWorkplace(t)
	s.file("shared/file", "shared\n")
	kills.Victim{
		Within: 3 * time.Second, AtOnce: 4,
		Command: func(_ int, dir string) *exec.Cmd {
			cmd := s.command("--accel", "tcg", "--share", filepath.Join(s.dir, "shared"), "--", "sleep", "1000")
			cmd.Dir, cmd.Env = dir, append(cmd.Env, "TMPDIR="+dir)
			return cmd
		},
	}.Run(t)
	s.only("cache", "kernel", "shared", "tmp")
}

// TestExecTerminal works at a terminal: keys go to the guest, Ctrl-C too, and the
// terminal is as before in the end.
func TestExecTerminal(t *testing.T) {
	s := newWorkplace(t)
	t.Run("keys", func(t *testing.T) {
		terminal := s.terminal(t, "--accel", "tcg", "sh", "-c", "test -t 0 && test -t 2 && echo $TERM; read line; echo got $line; exec sleep 1000")
		terminal.expect("xterm-test\r\n")
		terminal.keys("hello\r")
		terminal.expect("got hello\r\n")
		terminal.keys("\x03")
		terminal.ends(130)
	})
	t.Run("the key that leaves", func(t *testing.T) {
		terminal := s.terminal(t, "--accel", "tcg", "sh", "-c", "trap '' INT; echo ready; sleep 1000")
		terminal.expect("ready\r\n")
		terminal.keys("\x1d")
		terminal.ends(125)
	})
	t.Run("Ctrl-C before the guest answers", func(t *testing.T) {
		terminal := s.terminal(t, "--accel", "tcg", "--console", "sleep", "1000")
		terminal.expect("Linux version")
		terminal.keys("\x03")
		terminal.ends(130)
	})
	s.gone()
	s.only("cache", "kernel", "tmp")
}

// terminal is one with ingot exec on it.
type terminal struct {
	t        *testing.T
	ours     *os.File
	theirs   *os.File
	cmd      *exec.Cmd
	before   unix.Termios
	shown    bytes.Buffer
	incoming chan []byte
}

func (s *workplace) terminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, ours: ours, theirs: theirs, cmd: s.command(args...), incoming: make(chan []byte, 100)}
	t.Cleanup(func() { theirs.Close(); ours.Close() })
	if err := pty.Setsize(ours, &pty.Winsize{Rows: 33, Cols: 99}); err != nil {
		t.Fatal(err)
	}
	x.before = x.settings()
	x.cmd.Env = append(x.cmd.Env, "TERM=xterm-test")
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = theirs, theirs, theirs
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.cmd.Process.Kill() })
	go func() {
		defer close(x.incoming)
		for {
			p := make([]byte, 4096)
			n, err := ours.Read(p)
			x.incoming <- p[:n]
			if err != nil {
				return
			}
		}
	}()
	return x
}

func (x *terminal) settings() unix.Termios {
	x.t.Helper()
	s, err := unix.IoctlGetTermios(int(x.theirs.Fd()), unix.TCGETS)
	if err != nil {
		x.t.Fatal(err)
	}
	return *s
}

// expect waits until the terminal shows a text.
func (x *terminal) expect(text string) {
	x.t.Helper()
	limit := time.After(execPatience)
	for !strings.Contains(x.shown.String(), text) {
		select {
		case p, ok := <-x.incoming:
			if !ok {
				x.t.Fatalf("the terminal shows %q; want %q", x.shown.String(), text)
			}
			x.shown.Write(p)
		case <-limit:
			x.t.Fatalf("the terminal shows %q; want %q", x.shown.String(), text)
		}
	}
}

func (x *terminal) keys(typed string) {
	x.t.Helper()
	if _, err := io.WriteString(x.ours, typed); err != nil {
		x.t.Fatal(err)
	}
}

// ends wants an exit status, and the terminal as it was.
func (x *terminal) ends(status int) {
	x.t.Helper()
	done := make(chan struct{})
	go func() { x.cmd.Wait(); close(done) }()
	limit := time.After(execPatience)
	for ended := false; !ended; {
		select {
		case p := <-x.incoming:
			x.shown.Write(p)
		case <-done:
			ended = true
		case <-limit:
			x.t.Fatalf("it does not end; the terminal shows %q", x.shown.String())
		}
	}
	if got := x.cmd.ProcessState.ExitCode(); got != status {
		x.t.Errorf("status %d; want %d; the terminal shows %q", got, status, x.shown.String())
	}
	if after := x.settings(); after != x.before {
		x.t.Errorf("the terminal's settings are %+v; they were %+v", after, x.before)
	}
}
