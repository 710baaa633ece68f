package nixtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"ingot/tests/fstest"
)

// What the closure's init prints, and the word on the kernel's command line that
// makes it power the machine off.
const (
	ContentsMatch = "ingot-test: contents match"
	Done          = "ingot-test: done"
	PowerOff      = "ingot-test.poweroff"
)

// A Closure is a closure that a real Nix store holds.
type Closure struct {
	Toplevel     string   // the store path of the system
	Paths        []string // all store paths, sorted
	Root         string   // the folder to give to nix as --store
	Store        string   // the folder in which the paths lie: Root/nix/store
	Graph        string   // file: the reference graph, as exportReferencesGraph writes it
	Registration string   // file: nix-store --dump-db of the closure
	PathInfo     string   // file: nix path-info --json of the closure
}

// System returns the closure of a small system that boots. It is built once for
// all tests of a machine, which may read it at the same moment. So it must not be
// changed, nor opened by Nix, which has a log beside the database for as long as it
// has it open; [Closure.Copy] makes a root that may be.
func System(t testing.TB) *Closure {
	t.Helper()
	dir, err := system(t)
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// load reads what build left behind.
func load(dir string) (*Closure, error) {
	c := &Closure{
		Root:         filepath.Join(dir, "root"),
		Store:        filepath.Join(dir, "root", "nix", "store"),
		Graph:        filepath.Join(dir, "graph"),
		Registration: filepath.Join(dir, "registration"),
		PathInfo:     filepath.Join(dir, "path-info.json"),
	}
	paths, err := os.ReadFile(filepath.Join(dir, "store-paths"))
	if err != nil {
		return nil, err
	}
	c.Paths = strings.Fields(string(paths))
	toplevel, err := os.ReadFile(filepath.Join(dir, "toplevel"))
	c.Toplevel = strings.TrimSpace(string(toplevel))
	return c, err
}

// Marker is the line that the closure's init prints first.
func (c *Closure) Marker() string { return "ingot-test: reached init of " + c.Toplevel }

// Path returns the store path whose name, after hash and dash, is name.
func (c *Closure) Path(name string) string {
	for _, p := range c.Paths {
		if _, n, _ := strings.Cut(filepath.Base(p), "-"); n == name {
			return p
		}
	}
	panic(fmt.Sprintf("the closure holds no path named %s", name))
}

// Copy returns a copy of the closure's root, database and all, that a test may
// change and that ends with it.
func (c *Closure) Copy(t testing.TB) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	fstest.Run(t, "cp", "-a", c.Root, root)
	t.Cleanup(func() { writable(root) })
	return root
}

// NixStore runs nix-store on the store of a root and returns its standard output.
// The test fails with what it said if it fails.
func NixStore(t testing.TB, root string, args ...string) string {
	t.Helper()
	out, err := run(fstest.Judge(t, "nix-store", "nix-bin"), append([]string{"--store", root}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Command returns a program of Nix to be run, shielded from the machine's and the user's Nix.
func Command(tool string, args ...string) *exec.Cmd {
	cmd := exec.Command(tool, args...)
	cmd.Env = environment()
	return cmd
}

// run runs a program of Nix.
func run(tool string, args ...string) (string, error) {
	return pipe(nil, tool, args...)
}

// pipe is run with something to read.
func pipe(stdin []byte, tool string, args ...string) (string, error) {
	cmd := Command(tool, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(tool), strings.Join(args, " "), err, stderr.Bytes())
	}
	return stdout.String(), nil
}

// environment leaves the locale, the clock and nothing of Nix; the settings stand
// here rather than in a file.
func environment() []string {
	env := []string{
		"LC_ALL=C", "TZ=UTC",
		"NIX_CONF_DIR=/nonexistent", "NIX_USER_CONF_FILES=/nonexistent",
		"NIX_CONFIG=" + strings.Join([]string{
			"substitute = false", "substituters =", "build-users-group =",
			"experimental-features = nix-command", "require-sigs = false",
			"fsync-metadata = false", "min-free = 0", "max-jobs = 2",
		}, "\n"),
	}
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); {
		case name == "LC_ALL", name == "TZ", strings.HasPrefix(name, "NIX_"):
		default:
			env = append(env, v)
		}
	}
	sort.Strings(env)
	return env
}

// writable lets an ordinary user remove a store, whose folders are read-only.
func writable(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return err
	})
}
