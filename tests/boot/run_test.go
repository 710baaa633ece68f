package boot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	gossh "golang.org/x/crypto/ssh"

	"ingot/image"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
	"ingot/vm"
	"ingot/vm/run"
)

// A user is a person at a command line, with a runtime folder of their own.
type user struct {
	t       *testing.T
	runtime string
	env     []string
}

func newUser(t *testing.T) *user {
	t.Helper()
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	dir, err := os.MkdirTemp("", "run") // t.TempDir may be too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &user{t, dir, append(os.Environ(), "XDG_RUNTIME_DIR="+dir)}
}

func (u *user) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program(u.t), args...)
	cmd.Dir, cmd.Env = u.t.TempDir(), u.env
	cmd.Cancel = nil
	return cmd
}

// types runs ingot with something to read, and returns what it printed and its status.
func (u *user) types(stdin string, args ...string) (out, errout string, status int) {
	u.t.Helper()
	cmd := u.command(args...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		u.t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// left returns what the runtime folder holds.
func (u *user) left() string {
	entries, _ := os.ReadDir(filepath.Join(u.runtime, "ingot")) // it need not be there
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// eventually waits until something holds, and says what did not.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	testenv.Eventually(t, func() error {
		if !holds() {
			return fmt.Errorf("%s: is not there", what)
		}
		return nil
	})
}

// screen collects what a process prints while it runs.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// starts runs ingot run and waits until the guest has a shell.
func (u *user) starts(args ...string) (cmd *exec.Cmd, console *screen) {
	u.t.Helper()
	cmd, console, _ = u.runs("ingot: ready on ttyS0", append([]string{"run", "rescue", "--set", "system.kernel=" + testenv.Kernel(u.t)}, args...)...)
	return cmd, console
}

// runs starts an ingot run with these arguments, and waits until the console shows something.
// What is written to keys is typed there.
func (u *user) runs(sign string, args ...string) (cmd *exec.Cmd, console *screen, keys io.Writer) {
	u.t.Helper()
	cmd, console = u.command(args...), &screen{}
	cmd.Stdout, cmd.Stderr = console, console
	pipe, err := cmd.StdinPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() {
		pipe.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(u.t, sign+" on the console", func() bool { return strings.Contains(vm.WithoutKernel(console.String()), sign) })
	return cmd, console, pipe
}

// entry returns what ps tells of a machine.
func (u *user) entry(name string) run.Entry {
	u.t.Helper()
	out, errout, _ := u.types("", "ps", "--json")
	var list []run.Entry
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		u.t.Fatalf("ps --json printed %s%s: %v", out, errout, err)
	}
	i := slices.IndexFunc(list, func(e run.Entry) bool { return e.Name == name })
	if i < 0 {
		u.t.Fatalf("ps --json does not list %s: %s", name, out)
	}
	return list[i]
}

// TestRunRecipe runs a recipe that nobody has built, reaches it in all ways, stops it,
// and finds again what it wrote to its disk.
func TestRunRecipe(t *testing.T) {
	parallel(t)
	u := newUser(t)
	disk := filepath.Join(t.TempDir(), "kept.qcow2")
	cmd, console := u.starts("--name", "first", "--network=restricted", "--ssh", "--overlay", disk, "--disk-size", "2G", "--empty-disk", "64M", "--cpus", "2", "--memory", "640")
	eventually(t, "a shell at the back door", func() bool {
		_, _, status := u.types("", "shell", "first", "--", "true")
		return status == 0
	})

	t.Run("ps", func(t *testing.T) {
		out, _, _ := u.types("", "ps")
		if !strings.Contains(out, "first") || !strings.Contains(out, "640 MiB") {
			t.Errorf("ps printed\n%s", out)
		}
	})
	t.Run("name taken", func(t *testing.T) {
		_, errout, status := u.types("", "run", "rescue", "--set", "system.kernel="+testenv.Kernel(t), "--name", "first")
		if status != 1 || !strings.Contains(errout, "called first is running already") {
			t.Errorf("a second machine of the name: status %d, %s", status, errout)
		}
	})
	t.Run("shell", func(t *testing.T) {
		for _, x := range []struct {
			stdin, want string
			args        []string
			status      int
		}{
			{"", "rescue\n", []string{"--", "hostname"}, 0},
			{"", "it's  two\n", []string{"--", "echo", "it's  two"}, 0},
			{"x=7\necho $((x * 6))\nexit 3\n", "42\n", nil, 3},
			{"", "", []string{"--", "false"}, 1},
			{"read x; echo \"[$x]\"\ncat\nexit 4\n", "[]\n", nil, 4}, // what reads does not get the next line
			{"for it to read", "for it to read", []string{"--", "cat"}, 0},
			{"", "", []string{"--", "no-such-command"}, 127},
			{"seq 20000 | tail -n 1\n", "20000\n", nil, 0},
			{"", "kept\n", []string{"--", "sh", "-c", "echo kept | tee /root/kept; sync"}, 0},
			{"lsblk | grep -E 'vda |vdb ' | wc -l\n", "2\n", nil, 0},
		} {
			out, errout, status := u.types(x.stdin, append([]string{"shell", "first"}, x.args...)...)
			if out != x.want || status != x.status {
				t.Errorf("shell %q %q printed %q, status %d; want %q, %d\n%s", x.args, x.stdin, out, status, x.want, x.status, errout)
			}
		}
	})
	t.Run("socket", func(t *testing.T) { plainSocket(t, filepath.Join(u.runtime, "ingot", "first.socket")) })
	t.Run("terminal", func(t *testing.T) { shellOnTerminal(t, u) })
	t.Run("ssh", func(t *testing.T) { runBySSH(t, u) })

	_, errout, status := u.types("", "stop", "first")
	if status != 0 || errout != "" {
		t.Errorf("stop: status %d, %s; want the guest to power off by itself", status, errout)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ingot run ended by %v; want 0, as the guest powered off\n%s", err, console)
	}
	if got := u.left(); got != "" {
		t.Errorf("after it there is %s", got)
	}

	// Again, with the same disk; and this time it is killed.
	cmd, _ = u.starts("--name", "second", "--network=none", "--overlay", disk)
	eventually(t, "a shell at the back door", func() bool {
		out, _, _ := u.types("", "shell", "second", "--", "cat", "/root/kept")
		return out == "kept\n"
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing left by a machine that was killed", func() bool { return u.left() == "" && !machineRuns("second") })
	_, errout, status = u.types("", "run", "rescue", "--set", "system.kernel="+testenv.Kernel(t), "--set", "seed=other", "--overlay", disk)
	if status != 1 || !strings.Contains(errout, "a disk that is not what it was") {
		t.Errorf("an overlay over another base: status %d, %s; want a refusal", status, errout)
	}
}

// plainSocket talks to the back door as socat does.
func plainSocket(t *testing.T, path string) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has the mode %v, %v; want 0600", info.Mode(), err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "echo one; cat /proc/sys/kernel/hostname\n"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("one\nrescue\n"))
	_ = c.SetReadDeadline(time.Now().Add(limit))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "one\nrescue\n" {
		t.Errorf("the back door said %q, %v", got, err)
	}
	second, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if text, _ := io.ReadAll(second); !strings.Contains(string(text), "somebody else") {
		t.Errorf("who comes second reads %q", text)
	}
}

// shellOnTerminal has a person open a shell, look at their terminal, and leave.
func shellOnTerminal(t *testing.T, u *user) {
	// Others work in the machine at the same time.
	other := u.command("shell", "first", "--", "cat")
	hold, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		hold.Close()
		if err := other.Wait(); err != nil {
			t.Errorf("the shell beside it ended by %v", err)
		}
	}()
	cmd := u.command("shell", "first")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 31, Cols: 99})
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	seen := &screen{}
	go io.Copy(seen, tty) //nolint:errcheck // it ends with the terminal
	for _, x := range []struct{ typed, want string }{
		{"", "# "},
		{"tty; echo $((6*7))ok\r", "42ok"},
		{"echo be''gun; sleep 1000\r", "begun"},
		{"\x03", "^C"},
		{"echo $((1+1))nd\r", "2nd"},
		{"exit\r", ""},
	} {
		if x.typed != "\x03" { // what is typed before the prompt, a line editor may forget
			eventually(t, fmt.Sprintf("a prompt before %q; so far %q", x.typed, seen), func() bool {
				return x.typed == "" || strings.HasSuffix(seen.String(), "# ")
			})
		}
		if _, err := io.WriteString(tty, x.typed); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("%q after %q; so far %q", x.want, x.typed, seen), func() bool { return strings.Contains(seen.String(), x.want) })
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the shell ended by %v; it showed\n%s", err, seen)
		}
	case <-time.After(limit):
		t.Fatalf("exit did not end it; it showed\n%s", seen)
	}
	if !strings.Contains(seen.String(), "/dev/pts/") {
		t.Errorf("tty printed no terminal:\n%s", seen)
	}
}

// runBySSH logs in with the key that was made for the run.
func runBySSH(t *testing.T, u *user) {
	command := u.entry("first").SSH
	words := strings.Fields(command)
	if len(words) < 5 {
		t.Fatalf("ps --json tells %q of ssh", command)
	}
	key, err := os.ReadFile(words[2])
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.ParsePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var client *gossh.Client
	eventually(t, "ssh", func() bool {
		client, err = gossh.Dial("tcp", "127.0.0.1:"+words[4], &gossh.ClientConfig{
			User: "root", Auth: []gossh.AuthMethod{gossh.PublicKeys(signer)}, HostKeyCallback: gossh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second,
		})
		return err == nil
	})
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := session.Output("hostname"); err != nil || string(out) != "rescue\n" {
		t.Errorf("ssh hostname printed %q, %v", out, err)
	}
}

// closureFlags show a guest the closure that a real Nix has made.
func closureFlags(t *testing.T) (c *nixtest.Closure, flags []string) {
	t.Helper()
	c = nixtest.System(t)
	return c, []string{"run", c.Graph, "--registration", c.Registration, "--from", c.Store, "--kernel", testenv.Kernel(t), "--network=none"}
}

// TestRunProgram runs a program of a closure with arguments, an environment and
// standard input, and has its status; the machine is as the models' variables say.
func TestRunProgram(t *testing.T) {
	parallel(t)
	c, flags := closureFlags(t)
	u := newUser(t)
	u.env = append(u.env, "CH_NUM_CPUS=2", "CH_MEM_SIZE=700M", "CH_CMDLINE=one.word", "QEMU_KERNEL_PARAMS=two.word")
	script := `cat; echo "$1|$VAR"; nproc; set -- $(grep MemTotal /proc/meminfo); echo $(($2 / 100000)); cat /proc/cmdline | grep -o '[a-z]*[.]word'; touch /nix/store/x 2>&1 | grep -o 'Read-only.*'; printf 'to standard error' >&2; exit 42`
	sh := c.Path("busybox-static") + "/bin/busybox"
	out, errout, status := u.types("from standard input\n", append(flags, "--run", sh+" sh -c", "--arg", script, "--arg", "sh", "--arg", "a  'b'", "--env", "VAR=x y", "--env", "PATH="+path(c))...)
	want := "from standard input\na  'b'|x y\n2\n6\none.word\ntwo.word\nRead-only file system\n"
	if out != want || status != 42 || !strings.HasSuffix(errout, "to standard error") {
		t.Errorf("it printed %q, status %d; want %q, 42\n%s", out, status, want, errout)
	}
	out, errout, status = u.types("", append(flags, "--reg-info", "/none", "--run", sh+" true")...)
	if want := "ingot: in the machine: regInfo=/none: "; out != "" || status != 125 || !strings.Contains(errout, want) {
		t.Errorf("a store that is not ready: it printed %q, status %d, %s; want %q, 125", out, status, errout, want)
	}
	if got := u.left(); got != "" {
		t.Errorf("after it there is %s", got)
	}
}

// TestRunPipedShell gives a shell a script by a pipe, and has its status.
func TestRunPipedShell(t *testing.T) {
	parallel(t)
	c, flags := closureFlags(t)
	u := newUser(t)
	site := t.TempDir()
	must(t, os.WriteFile(filepath.Join(site, "index"), []byte("a page\n"), 0o644))
	disk, fresh := filepath.Join(t.TempDir(), "disk.img"), filepath.Join(t.TempDir(), "fresh.img")
	must(t, os.WriteFile(disk, make([]byte, 1<<20), 0o644))
	out, errout, status := u.types("ls -d "+c.Toplevel+"; cat /mnt/site/index; echo new > /mnt/site/new; echo written > /dev/vdb; cat /sys/block/vdc/size; exit 5",
		append(flags, "--shell", "--share", "site:"+site, "--disk", disk, "--new-disk", fresh+":8M:ext4")...)
	if want := c.Toplevel + "\na page\n16384\n"; out != want || status != 5 {
		t.Errorf("it printed %q, status %d; want %q, 5\n%s", out, status, want, errout)
	}
	if text, err := os.ReadFile(disk); !strings.HasPrefix(string(text), "written\n") {
		t.Errorf("--disk: the file begins with %.10q, %v; want what the guest wrote", text, err)
	}
	if _, err := os.Stat(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("--new-disk of a run that failed: %v; want no file", err)
	}
	if text, err := os.ReadFile(filepath.Join(site, "new")); string(text) != "new\n" {
		t.Errorf("the guest wrote %q, %v", text, err)
	}
	if want := "ingot: share site: " + site + " of this machine is at /mnt/site in ingot's own systems; others mount it: mount -t virtiofs site /mnt\n"; !strings.Contains(errout, want) {
		t.Errorf("it said %q; want %q", errout, want)
	}
	// A console is written to once somebody listens there.
	out, errout, status = u.types("echo a''b; cat /etc/hostname /tmp/shared/index; poweroff\n", "run", "rescue", "--set", "system.kernel="+testenv.Kernel(t), "--network=none", "--share", site+",ro", "--new-disk", fresh+":8M:ext4")
	if !strings.Contains(out, "# echo a''b; cat /etc/hostname") || !strings.Contains(out, "\nab\r\nrescue\r\na page\r\n") || status != 0 {
		t.Errorf("the console showed\n%s\nstatus %d\n%s", out, status, errout)
	}
	fstest.Run(t, fstest.Judge(t, "e2fsck", "e2fsprogs"), "-fn", fresh)
}

// path is a folder of a closure with the usual commands.
func path(c *nixtest.Closure) string { return c.Path("system-path") + "/bin:" + c.Toplevel + "/sw/bin" }

// TestRunFind lists a store: of several words the first of find, shell, run and init
// counts.
func TestRunFind(t *testing.T) {
	parallel(t)
	c, flags := closureFlags(t)
	u := newUser(t)
	_, refusal, status := u.types("", append(flags, "--run", "/nix/store/none")...)
	if status != 1 || !strings.Contains(refusal, "--run /nix/store/none: the closure does not have it") {
		t.Errorf("a program that is not there: status %d, %s", status, refusal)
	}
	out, errout, status := u.types("", append(flags, "--find", "--append", "init="+c.Toplevel+"/init")...)
	if status != 0 || !strings.HasPrefix(out, "dr-xr-xr-x root") {
		t.Errorf("status %d, it begins with %.80q\n%s", status, out, errout)
	}
	for _, p := range c.Paths {
		if !strings.Contains(out, p+"\n") {
			t.Errorf("%s is not listed", p)
		}
	}
}

// machineRuns says whether there is a process of the machine's: QEMU, or a janitor.
func machineRuns(name string) bool {
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range commands {
		text, err := os.ReadFile(path)
		words := strings.Split(string(text), "\x00")
		if err != nil || len(words) < 2 {
			continue
		}
		if strings.Contains(string(text), "guest="+name+",") || words[1] == run.JanitorVerb && strings.Contains(string(text), "\x00"+name+"\x00") {
			return true
		}
	}
	return false
}

// TestRunImage boots an image that was built, as it is: it stays so.
func TestRunImage(t *testing.T) {
	parallel(t)
	u := newUser(t)
	disk, _ := build(t, nixRecipe(nixtest.System(t), "gpt", biosBoot, "[bios]"), "qcow2")
	digest := func() image.Sum {
		f, err := image.NewHostFile(disk)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := image.HashPiecesOf(t.Context(), f, f.Size(), image.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return sum.Digest()
	}
	before := digest()
	out, errout, status := u.types("", "run", disk, "--network=none")
	if status != 0 || !strings.Contains(out, nixtest.ContentsMatch) {
		t.Errorf("status %d\n%s\n%s", status, out, errout)
	}
	if digest() != before {
		t.Error("the image is another one now")
	}
}

// TestRunSaved starts the script that --save leaves, of a recipe that nobody has built
// and that goes through its boot loader in UEFI.
func TestRunSaved(t *testing.T) {
	parallel(t)
	u := newUser(t)
	folder := t.TempDir()
	out, errout, status := u.types("", "run", "rescue", "--set", "system.kernel="+testenv.Kernel(t), "--network=none", "--boot", "uefi", "--name", "saved", "--save", folder)
	script := filepath.Join(folder, "bin", "run-saved-vm")
	if status != 0 || out != script+"\n" {
		t.Fatalf("--save printed %q, status %d; want %s\n%s", out, status, script, errout)
	}
	cmd, console := exec.Command(script, "-no-user-config"), &screen{} // what follows is QEMU's
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.TempDir(), u.env, console, console
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it may have ended
	}()
	eventually(t, "a shell in the machine", func() bool {
		_, _, status := u.types("test -d /sys/firmware/efi", "shell", "saved")
		return status == 0
	})
	if _, errout, status := u.types("", "stop", "saved"); status != 0 {
		t.Errorf("stop: status %d, %s", status, errout)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the script ended by %v; want 0, as the guest powered off\n%s", err, console)
	}
}
