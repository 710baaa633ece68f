package nixtest

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/bootloader/kernel"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

//go:embed system
var expression embed.FS

// version is part of the name of the folder; it counts up when this file changes
// what lies in it.
const version = "1"

// inputs is what the closure is made of beside the expression.
type inputs struct {
	kernel           *kernel.Kernel
	busybox          string
	nixBuild, nixBin string
}

// Expression lays out the expression of the closure in a folder: its attribute system is the
// derivation.
func Expression(t testing.TB, dir string) {
	t.Helper()
	in, err := newInputs(t)
	if err == nil {
		err = in.stage(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newInputs(t testing.TB) (inputs, error) {
	k, err := kernel.Find(testenv.Kernel(t))
	return inputs{
		kernel:   k,
		busybox:  fstest.Judge(t, "busybox", "busybox-static"),
		nixBuild: fstest.Judge(t, "nix-build", "nix-bin"),
		nixBin:   fstest.Judge(t, "nix-store", "nix-bin"),
	}, err
}

// system returns the folder of the built closure and builds it if it is not there.
func system(t testing.TB) (string, error) {
	in, err := newInputs(t)
	if err != nil {
		return "", err
	}
	key, err := in.key()
	if err != nil {
		return "", err
	}
	parent := filepath.Join(os.TempDir(), fmt.Sprintf("ingot-nixtest-%d", os.Getuid()))
	if err := private(parent); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(parent, key+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	dir := filepath.Join(parent, key)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	work, err := os.MkdirTemp(parent, "build-")
	if err != nil {
		return "", err
	}
	defer func() { writable(work); os.RemoveAll(work) }()
	done, err := in.build(work)
	if errors.Is(err, errNoNamespace) {
		testenv.Missing(t, err.Error())
	}
	if err != nil {
		return "", err
	}
	return dir, os.Rename(done, dir)
}

// private makes a folder that others can read, but nobody else may write to.
func private(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o022 != 0 || int(st.Uid) != os.Getuid() {
		return fmt.Errorf("%s: not a folder that only this user can write to; remove it", dir)
	}
	return nil
}

// lock waits until no other process holds the lock on a file.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "flock", Path: name, Err: err}
	}
	return func() { f.Close() }, nil
}

// key digests all that the closure depends on.
func (in inputs) key() (string, error) {
	h := sha256.New()
	nix, err := run(in.nixBin, "--store", "dummy://", "--version")
	if err != nil {
		return "", err
	}
	fmt.Fprintln(h, version, nix, in.kernel.Release, modules)
	err = fs.WalkDir(expression, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := expression.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n%s", name, len(data), data)
		return err
	})
	if err != nil {
		return "", err
	}
	for _, name := range []string{in.busybox, in.kernel.Path} {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%.16x", h.Sum(nil)), nil
}

// build makes everything below work and returns the folder that is to stay.
func (in inputs) build(work string) (string, error) {
	source := filepath.Join(work, "source")
	if err := in.stage(source); err != nil {
		return "", err
	}
	from, built, err := in.nix(work, filepath.Join(source, "default.nix"))
	if err != nil {
		return "", err
	}
	if len(built) != 2 {
		return "", fmt.Errorf("nix-build made %q; want the graph and the system", built)
	}
	graph, toplevel := built[0], built[1] // in the order of the attributes
	done := filepath.Join(work, "done")
	if err := os.Mkdir(done, 0o755); err != nil {
		return "", err
	}
	if err := copyFile(from.physical(graph), filepath.Join(done, "graph"), 0o644); err != nil {
		return "", err
	}
	if err := in.export(from, toplevel, done); err != nil {
		return "", err
	}
	return done, in.remove(from)
}

// stage lays out the expression and its input folder.
func (in inputs) stage(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "input", "tools", "bin"), 0o755); err != nil {
		return err
	}
	entries, err := expression.ReadDir("system")
	if err != nil {
		return err
	}
	for _, e := range entries {
		data, err := expression.ReadFile(path.Join("system", e.Name()))
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(data), "@release@", in.kernel.Release)
		if err := os.WriteFile(filepath.Join(dir, e.Name()), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := copyFile(in.kernel.Path, filepath.Join(dir, "input", "vmlinuz"), 0o644); err != nil {
		return err
	}
	if err := Tools(in.busybox, filepath.Join(dir, "input", "tools", "bin")); err != nil {
		return err
	}
	script, err := expression.ReadFile("system/initrd.sh")
	if err != nil {
		return err
	}
	archive, err := Initrd(in.kernel, in.busybox, string(script))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "input", "initrd"), archive, 0o644)
}

// Tools fills a folder with busybox and a link to it for each of its commands: the
// name by which it is called is all that busybox goes by.
func Tools(busybox, bin string) error {
	if err := copyFile(busybox, filepath.Join(bin, "busybox"), 0o755); err != nil {
		return err
	}
	list, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return fmt.Errorf("%s --list: %w", busybox, err)
	}
	for _, name := range strings.Fields(string(list)) {
		if name == "busybox" {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string, perm os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, perm)
}

// A place is a store that was built in: what to give to nix as --store, and where
// its /nix/store really lies.
type place struct{ uri, root string }

// physical returns where a store path lies.
func (p place) physical(storePath string) string { return filepath.Join(p.root, storePath) }

var errNoNamespace = errors.New("nix-build needs a mount namespace, or root and an unused /nix")

// nix runs nix-build on an expression and returns the outputs of its attributes,
// sorted by attribute, and the store that holds them.
func (in inputs) nix(work, expression string) (place, []string, error) {
	own := place{filepath.Join(work, "scratch"), filepath.Join(work, "scratch")}
	args := []string{"--no-out-link", "--option", "sandbox-fallback", "false"}
	out, err := run(in.nixBuild, append(args, "--store", own.uri, expression)...)
	if err == nil {
		return own, strings.Fields(out), nil
	}
	if os.Geteuid() != 0 || in.inUse() {
		return place{}, nil, fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	// A store of the usual name, with a state of our own.
	usual := place{"local?state=" + filepath.Join(work, "state") + "&log=" + filepath.Join(work, "log"), "/"}
	args = []string{"--no-out-link", "--option", "sandbox", "false"}
	if out, err = run(in.nixBuild, append(args, "--store", usual.uri, expression)...); err != nil {
		return place{}, nil, err
	}
	return usual, strings.Fields(out), nil
}

// inUse says whether the machine's own Nix holds anything, or cannot be asked.
func (in inputs) inUse() bool {
	out, err := run(in.nixBin, "--dump-db")
	return err != nil || out != ""
}

// remove takes what was built out of the store where it is not thrown away as a
// whole.
func (in inputs) remove(p place) error {
	if p.root != "/" {
		return nil
	}
	db, err := run(in.nixBin, "--store", p.uri, "--dump-db")
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	args := []string{"--store", p.uri, "--delete"}
	for _, line := range strings.Split(db, "\n") {
		if strings.HasPrefix(line, "/nix/store/") && !seen[line] {
			seen[line] = true
			args = append(args, line)
		}
	}
	_, err = run(in.nixBin, args...)
	return err
}

// export copies the closure of a path into a store of its own, which then holds
// that and nothing else, and writes down what Nix says of it.
func (in inputs) export(from place, toplevel, done string) error {
	root := filepath.Join(done, "root")
	requisites, err := run(in.nixBin, "--store", from.uri, "--query", "--requisites", toplevel)
	if err != nil {
		return err
	}
	paths := strings.Fields(requisites)
	archive, err := run(in.nixBin, append([]string{"--store", from.uri, "--export"}, paths...)...)
	if err != nil {
		return err
	}
	if _, err := pipe([]byte(archive), in.nixBin, "--store", root, "--import"); err != nil {
		return err
	}
	if err := os.Symlink(toplevel, filepath.Join(root, "nix/var/nix/gcroots/system")); err != nil {
		return err
	}
	registration, err := run(in.nixBin, append([]string{"--store", root, "--dump-db"}, paths...)...)
	if err != nil {
		return err
	}
	info, err := run(filepath.Join(filepath.Dir(in.nixBin), "nix"), append([]string{"path-info", "--json", "--store", root}, paths...)...)
	if err != nil {
		return err
	}
	slices.Sort(paths)
	for name, text := range map[string]string{
		"registration":   registration,
		"path-info.json": info,
		"toplevel":       toplevel + "\n",
		"store-paths":    strings.Join(paths, "\n") + "\n",
	} {
		if err := os.WriteFile(filepath.Join(done, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
