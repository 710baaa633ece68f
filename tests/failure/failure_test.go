//go:build linux && amd64

package failure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/tests/faults"
	"ingot/tests/testenv"
)

// inputSize is more than the small file systems of the tests hold.
const inputSize = 1 << 30

// middle is the write that a build is met at. Each has 1 MiB at most, so most of the output
// is still to come.
const middle = 100

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

// build returns a build of the recipe into the folder out. before is what runs it, such as
// nohup.
func build(t *testing.T, out string, before []string, args ...string) *faults.Program {
	t.Helper()
	line := append(before[:len(before):len(before)], filepath.Join(shared, "ingot"), "build", filepath.Join(shared, "large.yaml"), "-o", filepath.Join(out, "disk"))
	line = append(line, args...)
	var err error
	if line[0], err = exec.LookPath(line[0]); err != nil {
		t.Fatal(err)
	}
	return &faults.Program{Args: line, Env: os.Environ(), Folders: []string{out}}
}

// run runs a build with one fault, which has to come, and returns its exit status, less than
// 0 for a signal, and what it said.
func run(t *testing.T, p *faults.Program, f faults.Fault) (int, string) {
	t.Helper()
	o, err := p.Run(f)
	if errors.Is(err, unix.EPERM) {
		testenv.Missing(t, "processes cannot be traced here: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	if o.Hit != (f.At > 0) {
		t.Fatalf("the build ended with status %d before its middle\n%s", o.Status.ExitStatus(), o.Said)
	}
	return o.Status.ExitStatus(), o.Said
}

// inMiddle runs a build and has something happen when a part of its output has been written,
// and not all of it.
func inMiddle(t *testing.T, p *faults.Program, happens func(pid int)) (status int, said string) {
	t.Helper()
	if clones(t) {
		t.Skip("the temporary folder's file system clones files: a build is over at once")
	}
	write := func(c faults.Call) bool { return c.Name == "pwrite64" }
	return run(t, p, faults.Fault{At: middle, Among: write, Meanwhile: happens})
}

// signal returns what sends a signal.
func signal(t *testing.T, s syscall.Signal) func(pid int) {
	return func(pid int) {
		if err := syscall.Kill(pid, s); err != nil {
			t.Error(err)
		}
	}
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
			out := t.TempDir()
			for name, text := range x.old {
				if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, said := inMiddle(t, build(t, out, nil, x.args...), signal(t, x.signal))
			if got != x.status {
				t.Errorf("status = %d; want %d\n%s", got, x.status, said)
			}
			if want := "ingot: interrupted; nothing was written\n"; x.status > 0 && !strings.HasSuffix(said, want) {
				t.Errorf("it said %q; want %q", said, want)
			}
			holds(t, out, x.old)
		})
	}
}

// TestNohup: a signal that was switched off before ingot came stays so.
func TestNohup(t *testing.T) {
	p := build(t, t.TempDir(), []string{"nohup"}, "--no-sync", "--no-manifest")
	if got, said := inMiddle(t, p, signal(t, syscall.SIGHUP)); got != 0 {
		t.Errorf("status = %d; want 0\n%s", got, said)
	}
}

// TestSourceChanges: a file that is written to while it is copied.
func TestSourceChanges(t *testing.T) {
	large := filepath.Join(shared, "large")
	t.Cleanup(func() { writeLarge() }) // for tests that come after
	out := t.TempDir()
	got, said := inMiddle(t, build(t, out, nil), func(int) {
		if err := os.Truncate(large, inputSize/2); err != nil {
			t.Error(err)
		}
	})
	if got != 5 {
		t.Errorf("status = %d; want 5\n%s", got, said)
	}
	want := "ingot: data: /large: " + large + " "
	if lines := strings.Split(strings.TrimSuffix(said, "\n"), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], want) || !strings.HasPrefix(lines[2], "hint: ") {
		t.Errorf("it said %q; want one line that begins %q and a hint", lines, want)
	}
	holds(t, out, nil)
}

// TestFull writes onto a file system that is too small, which is seen before
// anything is written.
func TestFull(t *testing.T) {
	dir := mounted(t, "256M")
	got, said := run(t, build(t, dir, nil), faults.Fault{})
	if got != 4 {
		t.Errorf("status = %d; want 4\n%s", got, said)
	}
	var line string
	for l := range strings.Lines(said) {
		if strings.HasPrefix(l, "ingot: ") {
			line = l
		}
	}
	want := "ingot: " + filepath.Join(dir, "disk") + ": needs 1.0 GiB, " + dir + " has 2"
	if !strings.HasPrefix(line, want) {
		t.Errorf("it said %q; want %q", said, want)
	}
	holds(t, dir, nil)
}

// TestFillsUp meets the end of the space while it writes.
func TestFillsUp(t *testing.T) {
	dir := mounted(t, "1280M")
	hog := filepath.Join(dir, "hog")
	got, said := inMiddle(t, build(t, dir, nil), func(int) {
		f, err := os.Create(hog)
		if err != nil {
			t.Error(err)
			return
		}
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			t.Error(err)
		}
		if err := errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize*9/10), f.Close()); err != nil {
			t.Error(err)
		}
	})
	if got != 4 {
		t.Errorf("status = %d; want 4\n%s", got, said)
	}
	want := "ingot: " + filepath.Join(dir, "disk") + ": needs 1.0 GiB, " + dir + " became full after "
	if !strings.Contains(said, want) {
		t.Errorf("it said %q; want %q in it", said, want)
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
