// Package failure shows what a build leaves behind that does not come to its end:
// nothing, and what stood under the output's name before still stands.
package failure

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ingot/tests/testenv"
)

// inputSize is enough for a build to be met in the middle, on a fast machine too.
const inputSize = 1 << 30

// A build is in its middle when so much of the output is there, and no more: half of the
// work is for a signal to come in time.
const (
	middle    = 64 << 20
	middleEnd = inputSize / 2
)

// attempts are how many builds are started to meet one in its middle: this process may be
// kept from looking while one runs.
const attempts = 50

const recipe = `name: large
disk:
  partitions:
    - {name: data, filesystem: ext4, contents: {files: [{path: /large, source: large}]}}
`

// shared is a folder that every user can reach, with the program and the recipe.
var shared string

func TestMain(m *testing.M) {
	testenv.HeedSignals()
	os.Exit(withInput(m))
}

func withInput(m *testing.M) int {
	var err error
	if shared, err = os.MkdirTemp("", "ingot-failure"); err == nil {
		defer os.RemoveAll(shared)
		err = prepare()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func prepare() error {
	if err := os.Chmod(shared, 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("make", "-s", "-C", "../..", "build", "OUT="+filepath.Join(shared, "ingot")).CombinedOutput(); err != nil {
		return fmt.Errorf("make build: %w\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(shared, "large.yaml"), []byte(recipe), 0o644); err != nil {
		return err
	}
	return writeLarge()
}

func writeLarge() error {
	f, err := os.Create(filepath.Join(shared, "large"))
	if err != nil {
		return err
	}
	defer f.Close()
	block := bytes.Repeat([]byte("not zeros "), 1<<17)
	for n := 0; n < inputSize; n += len(block) {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return f.Close()
}

// A building is a build of the recipe that has been started, into the folder out.
type building struct {
	*exec.Cmd
	out  string
	said bytes.Buffer
}

// build starts a build. before is what runs it, such as nohup.
func build(t *testing.T, out string, before []string, args ...string) *building {
	t.Helper()
	line := append(before[:len(before):len(before)], filepath.Join(shared, "ingot"), "build", filepath.Join(shared, "large.yaml"), "-o", filepath.Join(out, "disk"))
	line = append(line, args...)
	b := &building{Cmd: exec.Command(line[0], line[1:]...), out: out}
	b.Stderr = &b.said
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Process.Kill() })
	return b
}

// inMiddle starts builds until one has been stopped, by SIGSTOP, when a part of its output
// has been written, and not all of it.
func inMiddle(t *testing.T, start func() *building) *building {
	t.Helper()
	if clones(t) {
		t.Skip("the temporary folder's file system clones files: a build is over at once")
	}
	for range attempts {
		b := start()
		for written(b.Process.Pid, b.out) <= middle && !b.all("Z") {
			time.Sleep(time.Millisecond)
		}
		if err := b.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for !b.all("TZ") {
			time.Sleep(time.Millisecond)
		}
		if n := written(b.Process.Pid, b.out); n > middle && n < middleEnd {
			return b
		}
		b.Process.Kill()
		if status := b.status(t); status > 0 {
			t.Fatalf("a build ended with status %d before its middle\n%s", status, &b.said)
		}
		for _, name := range []string{"disk", "disk.manifest.json"} {
			os.Remove(filepath.Join(b.out, name)) // there is neither, unless the build was done
		}
	}
	t.Fatalf("of %d builds, none was met in its middle", attempts)
	return nil
}

// clones says whether files of the temporary folder can be copied without their bytes.
func clones(t *testing.T) bool {
	t.Helper()
	from, err := os.Open(filepath.Join(shared, "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(t.TempDir(), "clone"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil
}

// all says whether all threads are in one of these states: T is stopped, Z has ended.
func (b *building) all(states string) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", b.Process.Pid))
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if _, rest, ok := bytes.Cut(text, []byte(") ")); err == nil && ok && !strings.ContainsRune(states, rune(rest[0])) {
			return false
		}
	}
	return true
}

// goOn sends a signal to a build that was stopped, and has it go on.
func (b *building) goOn(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := errors.Join(b.Process.Signal(signal), b.Process.Signal(syscall.SIGCONT)); err != nil {
		t.Fatal(err)
	}
}

// written returns the size of what a process has open for its output: a file in the
// folder, with a name or without.
func written(pid int, out string) int64 {
	fds := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(fds)
	for _, e := range entries {
		fd := filepath.Join(fds, e.Name())
		if link, _ := os.Readlink(fd); !strings.HasPrefix(link, out+"/") {
			continue
		}
		var st syscall.Stat_t
		if syscall.Stat(fd, &st) == nil && st.Blocks*512 > middle {
			return st.Blocks * 512
		}
	}
	return 0
}

// status returns how a build ended: its exit status, or less than 0 for a signal.
func (b *building) status(t *testing.T) int {
	t.Helper()
	var exit *exec.ExitError
	if err := b.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return b.ProcessState.ExitCode()
}

// holds fails the test unless the folder has just these files.
func holds(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := want[e.Name()]; !ok {
			t.Errorf("%s is left behind", e.Name())
		}
	}
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s = %.20q, %v; want it as it was", name, got, err)
		}
	}
}

func TestSignals(t *testing.T) {
	for _, x := range []struct {
		signal syscall.Signal
		status int
		old    map[string]string
		args   []string
	}{
		{syscall.SIGINT, 130, nil, nil},
		{syscall.SIGTERM, 130, nil, []string{"--format", "qcow2"}},
		{syscall.SIGHUP, 130, nil, []string{"--no-manifest"}},
		{syscall.SIGINT, 130, map[string]string{"disk": "an older image", "disk.manifest.json": "its manifest"}, nil},
		{syscall.SIGKILL, -1, map[string]string{"disk": "an older image"}, nil},
	} {
		t.Run(x.signal.String(), func(t *testing.T) {
			b := inMiddle(t, func() *building {
				out := t.TempDir()
				for name, text := range x.old {
					if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				return build(t, out, nil, x.args...)
			})
			b.goOn(t, x.signal)
			if got := b.status(t); got != x.status {
				t.Errorf("status = %d; want %d\n%s", got, x.status, &b.said)
			}
			if want := "ingot: interrupted; nothing was written\n"; x.status > 0 && !strings.HasSuffix(b.said.String(), want) {
				t.Errorf("it said %q; want %q", &b.said, want)
			}
			holds(t, b.out, x.old)
		})
	}
}

// TestNohup: a signal that was switched off before ingot came stays so.
func TestNohup(t *testing.T) {
	b := inMiddle(t, func() *building { return build(t, t.TempDir(), []string{"nohup"}, "--no-sync", "--no-manifest") })
	b.goOn(t, syscall.SIGHUP)
	if got := b.status(t); got != 0 {
		t.Errorf("status = %d; want 0\n%s", got, &b.said)
	}
}

// TestSourceChanges: a file that is written to while it is copied.
func TestSourceChanges(t *testing.T) {
	large := filepath.Join(shared, "large")
	b := inMiddle(t, func() *building { return build(t, t.TempDir(), nil) })
	if err := os.Truncate(large, inputSize/2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writeLarge() }) // for tests that come after
	b.goOn(t, syscall.SIGCONT)
	if got := b.status(t); got != 5 {
		t.Errorf("status = %d; want 5\n%s", got, &b.said)
	}
	want := "ingot: data: /large: " + large + " "
	if lines := lines(&b.said); len(lines) != 3 || !strings.HasPrefix(lines[1], want) || !strings.HasPrefix(lines[2], "hint: ") {
		t.Errorf("it said %q; want one line that begins %q and a hint", lines, want)
	}
	holds(t, b.out, nil)
}

func lines(b *bytes.Buffer) []string {
	var out []string
	for s := bufio.NewScanner(b); s.Scan(); {
		out = append(out, s.Text())
	}
	return out
}

// TestFull writes onto a file system that is too small, which is seen before
// anything is written.
func TestFull(t *testing.T) {
	dir := mounted(t, "256M")
	b := build(t, dir, nil)
	if got := b.status(t); got != 4 {
		t.Errorf("status = %d; want 4\n%s", got, &b.said)
	}
	var line string
	for _, l := range lines(&b.said) {
		if strings.HasPrefix(l, "ingot: ") {
			line = l
		}
	}
	want := "ingot: " + filepath.Join(dir, "disk") + ": needs 1.0 GiB, " + dir + " has 2"
	if !strings.HasPrefix(line, want) {
		t.Errorf("it said %q; want %q", line, want)
	}
	holds(t, dir, nil)
}

// TestFillsUp meets the end of the space while it writes.
func TestFillsUp(t *testing.T) {
	dir := mounted(t, "1280M")
	b := inMiddle(t, func() *building { return build(t, dir, nil) })
	hog := filepath.Join(dir, "hog")
	f, err := os.Create(hog)
	if err != nil {
		t.Fatal(err)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize*9/10), f.Close())
	if err != nil {
		t.Fatal(err)
	}
	b.goOn(t, syscall.SIGCONT)
	if got := b.status(t); got != 4 {
		t.Errorf("status = %d; want 4\n%s", got, &b.said)
	}
	want := "ingot: " + filepath.Join(dir, "disk") + ": needs 1.0 GiB, " + dir + " became full after "
	if !strings.Contains(b.said.String(), want) {
		t.Errorf("it said %q; want %q in it", &b.said, want)
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, nil)
}

// mounted returns a mounted ext4 of a size, which takes root.
func mounted(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	file, dir := filepath.Join(t.TempDir(), "fs"), t.TempDir()
	for _, args := range [][]string{
		{"truncate", "-s", size, file},
		{"mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1", file},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	if out, err := exec.Command("mount", "-o", "loop", file, dir).CombinedOutput(); err != nil {
		testenv.Missing(t, fmt.Sprintf("cannot mount here: %v\n%s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	if err := os.Remove(filepath.Join(dir, "lost+found")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestNobody is an ordinary user with folders that are not theirs.
func TestNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	out := filepath.Join(shared, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ output, want string }{ // want may go over to the hint
		{filepath.Join(out, "x"), out + " is not writable: permission denied"},
		{"/proc/x", "/proc"},
		{shared, "is a directory, and only a regular file can be replaced"},
		{"/dev/null", "is a character device, and only a regular file can be replaced\nhint: ingot build "},
		{filepath.Join(out, "no", "such", "x"), "/no/such does not exist"},
		{filepath.Join(shared, "large.yaml", "x"), "large.yaml is not a folder"},
	} {
		cmd := exec.Command(filepath.Join(shared, "ingot"), "build", filepath.Join(shared, "large.yaml"), "-q", "-o", x.output)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		said, err := cmd.CombinedOutput()
		if text := string(said); err == nil || !strings.HasPrefix(text, "ingot: "+x.output+": ") || !strings.Contains(text, x.want) || strings.Count(text, "\n") != 1+strings.Count(x.want, "\n") {
			t.Errorf("-o %s: %v, %q; want no line more than %q", x.output, err, text, x.want)
		}
	}
	holds(t, out, nil)
}
