package nixtest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/tests/fstest"
)

// CheckRoot judges a root, say the extracted contents of an image, that is to hold
// the closure, registered and kept by a GC root: nix-store finds the contents
// unharmed, the same requisites and registration, and nothing dead; and the store
// holds nothing but what is registered. It opens the root's database for writing,
// as nix-store always does.
func (c *Closure) CheckRoot(t testing.TB, root string) {
	t.Helper()
	for _, problem := range c.problems(t, root) {
		t.Error(problem)
	}
}

func (c *Closure) problems(t testing.TB, root string) (found []string) {
	t.Helper()
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	tool := fstest.Judge(t, "nix-store", "nix-bin")
	ask := func(args ...string) string {
		out, err := run(tool, append([]string{"--store", root}, args...)...)
		if err != nil {
			report("%v", err)
		}
		return out
	}

	// First of all: the garbage collector removes strangers even if it is only to
	// print what is dead.
	entries, err := os.ReadDir(filepath.Join(root, "nix/store"))
	if err != nil {
		report("%v", err)
	}
	ask("--verify", "--check-contents")
	requisites := strings.Fields(ask("--query", "--requisites", c.Toplevel))
	slices.Sort(requisites)
	if !slices.Equal(requisites, c.Paths) {
		report("requisites of %s:%s", c.Toplevel, difference(requisites, c.Paths))
	}
	want, err := os.ReadFile(c.Registration)
	if err != nil {
		t.Fatal(err)
	}
	registered := records(t, ask("--dump-db"))
	withDerivers := slices.ContainsFunc(slices.Collect(maps.Values(registered)), func(r *record) bool { return r.deriver != "" })
	if got, want := c.lines(registered, withDerivers), c.lines(records(t, string(want)), withDerivers); !slices.Equal(got, want) {
		report("registration:%s", difference(got, want))
	}
	if dead, err := printDead(tool, root); err != nil || len(dead) > 0 {
		report("garbage for nix-store: %q, %v", dead, err)
	}
	for _, e := range entries {
		if path := "/nix/store/" + e.Name(); e.Name() != ".links" && registered[path] == nil {
			report("%s lies in the store and is not registered", path)
		}
	}
	return found
}

// CheckCanonical judges what nix-store does not look at: the mode, the time and,
// where the test is root's, the owner of every file of the closure, and that there
// are no extended attributes. root must have been made by something that keeps
// them, such as a mount.
func (c *Closure) CheckCanonical(t testing.TB, root string) {
	t.Helper()
	for _, path := range c.Paths {
		err := filepath.WalkDir(filepath.Join(root, path), func(name string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return canonical(name)
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// canonical says what of a file's metadata no store would have.
func canonical(name string) error {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: name, Err: err}
	}
	perm := st.Mode & 0o7777
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if perm != 0o444 && perm != 0o555 {
			return fmt.Errorf("%q has the mode %#o; want 0444 or 0555", name, perm)
		}
	case unix.S_IFDIR:
		if perm != 0o555 {
			return fmt.Errorf("%q has the mode %#o; want 0555", name, perm)
		}
	case unix.S_IFLNK:
	default:
		return fmt.Errorf("%q is of a type (%#o) that no store holds", name, st.Mode)
	}
	if st.Mtim.Nano() != 1e9 {
		return fmt.Errorf("%q has the time %d.%09d; want 1", name, st.Mtim.Sec, st.Mtim.Nsec)
	}
	if os.Geteuid() == 0 && (st.Uid != 0 || st.Gid != 0) {
		return fmt.Errorf("%q belongs to %d:%d; want 0:0", name, st.Uid, st.Gid)
	}
	if n, err := unix.Llistxattr(name, nil); err != nil && err != unix.ENOTSUP || n > 0 {
		return fmt.Errorf("%q has extended attributes (%d bytes of names, %v)", name, n, err)
	}
	return nil
}

// Extract copies what an ext4 file system holds, which lies offset bytes into an
// image, to a folder, by debugfs: no mount, no root. Contents, modes and the times
// of files and folders are kept; owners only for root, hard links not.
func Extract(t testing.TB, image string, offset int64) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "extracted")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writable(root) })
	tool := fstest.Judge(t, "debugfs", "e2fsprogs")
	out := fstest.Run(t, tool, "-R", `rdump / "`+root+`"`, fmt.Sprintf("%s?offset=%d", image, offset))
	for _, line := range strings.Split(out, "\n") {
		// An ordinary user cannot give files away; debugfs says so for each.
		if line != "" && !strings.HasPrefix(line, "debugfs 1.") && !strings.Contains(line, "Operation not permitted while changing ownership") {
			t.Fatalf("debugfs: %s", line)
		}
	}
	return root
}

// printDead asks the garbage collector, in a PID namespace where the machine has
// one: it takes store paths that it sees in any process's /proc for roots.
func printDead(nixStore, root string) ([]string, error) {
	args := []string{nixStore, "--store", root, "--gc", "--print-dead"}
	namespace := []string{"unshare", "--fork", "--pid", "--mount-proc"}
	if os.Geteuid() != 0 {
		namespace = append(namespace, "--map-root-user")
	}
	if exec.Command(namespace[0], append(namespace[1:], "true")...).Run() == nil {
		args = append(namespace, args...)
	}
	out, err := run(args[0], args[1:]...)
	return strings.Fields(out), err
}

// A record is a store path's lines in the format of nix-store --load-db.
type record struct {
	hash, size, deriver string
	references          []string
}

// records reads that format, which nix-store wrote.
func records(t testing.TB, text string) map[string]*record {
	t.Helper()
	all := map[string]*record{}
	lines := strings.Split(text, "\n")
	for len(lines) >= 5 {
		var n int
		if _, err := fmt.Sscan(lines[4], &n); err != nil || len(lines) < 5+n {
			t.Fatalf("nix-store --dump-db: bad record of %s", lines[0])
		}
		r := &record{lines[1], lines[2], lines[3], slices.Sorted(slices.Values(lines[5 : 5+n]))}
		all[lines[0]], lines = r, lines[5+n:]
	}
	return all
}

// lines is the records of the closure, one line each. A root that was made from a
// reference graph has no derivers, since such a graph does not tell them.
func (c *Closure) lines(all map[string]*record, withDerivers bool) []string {
	var lines []string
	for _, p := range c.Paths {
		if r := all[p]; r != nil && withDerivers {
			lines = append(lines, fmt.Sprintln(p, r.hash, r.size, r.deriver, r.references))
		} else if r != nil {
			lines = append(lines, fmt.Sprintln(p, r.hash, r.size, r.references))
		}
	}
	return lines
}

// difference lists what only one of two sorted lists holds.
func difference(got, want []string) string {
	var b strings.Builder
	for _, s := range got {
		if !slices.Contains(want, s) {
			fmt.Fprintf(&b, "\n  extra   %s", strings.TrimSpace(s))
		}
	}
	for _, s := range want {
		if !slices.Contains(got, s) {
			fmt.Fprintf(&b, "\n  missing %s", strings.TrimSpace(s))
		}
	}
	return b.String()
}
