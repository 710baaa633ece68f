package guixtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/ext4"
	"ingot/storedb"
	"ingot/tests/fstest"
)

// items reads the closure from its graph, as a build that made an image would, or with
// all that is known of it from the store's database.
func (c *closure) items(t testing.TB, database bool) []*storedb.Item {
	t.Helper()
	var items []*storedb.Item
	var err error
	if database {
		items, err = storedb.Guix.ReadDatabase(t.Context(), filepath.Join(c.root, storedb.Guix.DatabasePath()), c.system)
	} else {
		var f *os.File
		if f, err = os.Open(c.graph); err == nil {
			defer f.Close()
			items, err = storedb.Guix.ReadGraph("system-graph", f)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return storedb.From(filepath.Join(c.root, storedb.Guix.StoreDir()), items)
}

// options are those of a disk image of a Guix System.
func (c *closure) options() storedb.Options {
	return storedb.Options{
		Profiles:   []storedb.Profile{{Name: "system", Generations: storedb.Generations(c.system)}},
		GuixSystem: true,
	}
}

// register has ingot put items into an image of a file system.
func register(t testing.TB, items []*storedb.Item, o storedb.Options) string {
	t.Helper()
	closure, err := storedb.NewClosure(storedb.Guix, items)
	if err != nil {
		t.Fatal(err)
	}
	tree := image.NewTree()
	if err := storedb.Populate(t.Context(), tree, closure, o); err != nil {
		t.Fatal(err)
	}
	m, err := ext4.FileSystem{}.Layout(tree, image.Volume{Label: "guix-root", Size: image.Fit(16 << 20)})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "root.ext4")
	if err := image.WriteRaw(context.Background(), m, name, image.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	return name
}

// questions are what is asked of a store about the system in it.
var questions = []string{
	"guix repl -- /mnt/dump.scm SYSTEM",
	"guix gc --references SYSTEM",
	"guix gc --requisites SYSTEM",
	"guix gc --list-roots",
}

// answers returns what Guix answers to the questions.
func answers(t testing.TB, p place, system string) []string {
	t.Helper()
	const mark = "\n==== \n"
	steps := strings.Join(questions, "\necho; echo '==== '\n")
	out := p.run(t, strings.ReplaceAll(steps, "SYSTEM", system))
	all := strings.Split(out, mark)
	if len(all) != len(questions) {
		t.Fatalf("%d answers to %d questions:\n%s", len(all), len(questions), out)
	}
	for i, a := range all {
		lines := strings.Split(strings.TrimSpace(a), "\n")
		if i > 0 { // the order of sets is the database's
			slices.Sort(lines)
		}
		all[i] = strings.Join(lines, "\n")
	}
	return all
}

// TestRegistered compares what Guix says of a store that ingot has registered, in an
// image or in a root, with what it says of the store that it built in itself.
func TestRegistered(t *testing.T) {
	c := source(t)
	want := answers(t, c.place, c.system)
	for _, x := range []struct {
		name     string
		derivers bool // are known
		shared   bool
		make     func() string
	}{
		{"image of a graph", false, false, func() string { return register(t, c.items(t, false), c.options()) }},
		{"image of a database", true, true, func() string {
			o := c.options()
			o.Provenance, o.Deduplicate = true, true
			return register(t, c.items(t, true), o)
		}},
		{"root of a graph", false, true, func() string { return c.registerRoot(t, false) }},
		{"root of a database", true, true, func() string { return c.registerRoot(t, true) }},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := newPlace(t, x.make())
			before := inodes(t, p)
			if out := p.run(t, "guix gc --verify=contents 2>&1"); strings.Contains(out, "error") || strings.Contains(out, "modified") {
				t.Errorf("guix gc --verify=contents: %s", out)
			}
			for i, got := range answers(t, p, c.system) {
				want := want[i]
				if i == 0 && !x.derivers {
					want = withoutDerivers(want)
				}
				if got != want {
					t.Errorf("%s:\n%s", questions[i], differences(got, want))
				}
			}
			if dead := dead(p.run(t, "guix gc --list-dead")); len(dead) > 0 {
				t.Errorf("guix gc --list-dead: %q", dead)
			}
			p.run(t, "guix gc --optimize")
			if after := inodes(t, p); x.shared && after != before {
				t.Errorf("guix gc --optimize found more to share:\n%s", differences(after, before))
			}
		})
	}
}

// registerRoot has ingot copy the closure into a root and register it there.
func (c *closure) registerRoot(t testing.TB, database bool) string {
	t.Helper()
	closure, err := storedb.NewClosure(storedb.Guix, c.items(t, database))
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	did, err := storedb.Register(t.Context(), root, closure, storedb.RegisterOptions{
		Copy: true, NoSync: true, Profiles: map[string]string{"system": c.system},
	})
	if err != nil {
		t.Fatal(err)
	}
	if did.Added != closure.Len() {
		t.Errorf("Register added %d rows; want %d", did.Added, closure.Len())
	}
	return root
}

// TestRegisterBesideGuix adds to a store that the daemon itself has built in, has the
// same added once more, and lets the daemon go on.
func TestRegisterBesideGuix(t *testing.T) {
	c := source(t)
	root := filepath.Join(t.TempDir(), "root")
	for _, dir := range []string{"gnu/store", "var/guix"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := newPlace(t, root)
	note := strings.TrimSpace(p.run(t, `echo '(use-modules (guix store))
(with-store store
  (let ((path (add-text-to-store store "note" "mine")))
    (display path)))' > /tmp/note.scm; guix repl /tmp/note.scm; ln -s $(ls -d /gnu/store/*-note) /var/guix/gcroots/note`))
	closure, err := storedb.NewClosure(storedb.Guix, c.items(t, true))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{closure.Len(), 0} {
		did, err := storedb.Register(t.Context(), root, closure, storedb.RegisterOptions{
			Copy: true, NoSync: true, Profiles: map[string]string{"system": c.system},
		})
		if err != nil || did.Added != want {
			t.Fatalf("Register, time %d: %+v, %v; want %d added", i+1, did, err, want)
		}
	}
	live := strings.Fields(p.run(t, "guix gc --verify=contents >&2; guix gc >&2; guix gc --list-live | grep ^/gnu/store/ | sort"))
	want := []string{note}
	for _, it := range closure.Items() {
		want = append(want, it.Path)
	}
	slices.Sort(want)
	if !slices.Equal(live, want) {
		t.Errorf("alive are %q; want %q", live, want)
	}
}

// dead returns the store paths among the lines of guix gc --list-dead. Its collector
// counts shared files whose other names are gone, if only in its own words.
func dead(out string) (paths []string) {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "/gnu/store/") {
			paths = append(paths, strings.TrimSpace(line))
		}
	}
	return paths
}

// inodes lists the store's files by inode.
func inodes(t testing.TB, p place) string {
	return p.run(t, "cd /gnu/store; find . -printf '%i %m %U:%G %T@ %p\\n' | sort -k 5")
}

func withoutDerivers(dump string) string {
	lines := strings.Split(dump, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "  deriver ") {
			lines[i] = "  deriver unknown"
		}
	}
	return strings.Join(lines, "\n")
}

// differences are the lines that only one of two texts has.
func differences(got, want string) string {
	var b strings.Builder
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range g {
		if !slices.Contains(w, line) {
			fmt.Fprintf(&b, "+ %s\n", line)
		}
	}
	for _, line := range w {
		if !slices.Contains(g, line) {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	return b.String()
}

// TestFaults shows that Guix finds what is wrong, so that it means something when it
// finds nothing.
func TestFaults(t *testing.T) {
	c := source(t)
	items := c.items(t, false)
	multi := pathOf(t, items, "multi-2.1")
	for name, x := range map[string]struct{ spoil, want string }{
		"contents": {"chmod +w " + multi + "/bin/multi; echo >> " + multi + "/bin/multi", "was modified"},
		"missing":  {"rm -r " + multi, "disappeared"},
	} {
		p := newPlace(t, register(t, items, c.options()))
		out, err := p.guix(chroot(t), x.spoil+"; guix gc --verify=contents 2>&1 || true")
		if err != nil || !strings.Contains(out, x.want) {
			t.Errorf("%s: %s, %v; want %q", name, out, err, x.want)
		}
	}
}

// TestUse builds in a registered store, collects what has no root, and then all.
func TestUse(t *testing.T) {
	c := source(t)
	items := c.items(t, true)
	p := newPlace(t, register(t, items, c.options()))
	made := strings.Fields(p.run(t, "guix repl -- /mnt/use.scm "+pathOf(t, items, "tools-1.0")+" "+pathOf(t, items, "multi-2.1")))
	if len(made) != 2 {
		t.Fatalf("use.scm made %q; want two paths", made)
	}
	left := strings.Fields(p.run(t, "cat "+strings.Join(made, " ")+" >&2; guix gc >&2; cd /gnu/store; ls -d /gnu/store/*"))
	var want []string
	for _, it := range items {
		want = append(want, it.Path)
	}
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("after guix gc the store holds %q; want %q", left, want)
	}
	left = strings.Fields(p.run(t, "rm /var/guix/profiles/system*; guix gc >&2; cd /gnu/store; ls"))
	if len(left) > 0 {
		t.Errorf("without its root the store still holds %q", left)
	}
}

func pathOf(t testing.TB, items []*storedb.Item, name string) string {
	t.Helper()
	for _, it := range items {
		if strings.HasSuffix(it.Path, "-"+name) {
			return it.Path
		}
	}
	t.Fatalf("the closure has no %s", name)
	return ""
}

// TestOwn compares with what Guix's own image code makes of the same graph: rows and
// their order, shared files, and folders.
func TestOwn(t *testing.T) {
	c := source(t)
	own := filepath.Join(c.shared, "own")
	graph, err := os.ReadFile(c.graph)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.shared, "graph"), graph, 0o644); err != nil {
		t.Fatal(err)
	}
	c.run(t, "guix repl -- /mnt/own.scm "+c.system)
	o := c.options()
	o.Deduplicate = true
	p := newPlace(t, register(t, c.items(t, false), o))
	p.run(t, "cp /var/guix/db/db.sqlite /mnt/db.sqlite; ls /gnu/store/.links > /mnt/links; cd /mnt/root; "+folders+" > /mnt/folders")

	sqlite := fstest.Judge(t, "sqlite3", "sqlite3")
	for _, query := range []string{
		"select path, hash, registrationTime, deriver, narSize from ValidPaths order by path",
		"select a.path, b.path from Refs join ValidPaths a on a.id = referrer join ValidPaths b on b.id = reference order by 1, 2",
		"select count(*) from Refs join ValidPaths a on a.id = referrer where reference > referrer",
		"select type, name, tbl_name from sqlite_master where name not like 'sqlite_%' order by 1, 2",
	} {
		got := fstest.Run(t, sqlite, filepath.Join(p.shared, "db.sqlite"), query)
		want := fstest.Run(t, sqlite, filepath.Join(own, "var/guix/db/db.sqlite"), query)
		if got != want {
			t.Errorf("%s:\n%s", query, differences(got, want))
		}
	}
	want := fstest.Run(t, "ls", filepath.Join(own, "gnu/store/.links"))
	if got, err := os.ReadFile(filepath.Join(p.shared, "links")); err != nil || string(got) != want {
		t.Errorf(".links: %v\n%s", err, differences(string(got), want))
	}

	got, err := os.ReadFile(filepath.Join(p.shared, "folders"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(fstest.Run(t, "sh", "-c", "cd '"+own+"'; "+folders)) {
		if !strings.Contains("\n"+string(got), "\n"+line) {
			t.Errorf("Guix makes %q, and ingot %q", line, got)
		}
	}
}

// folders lists what is around a store: modes, owners, names, targets.
const folders = `find . -mindepth 1 -path ./gnu -prune -o -path ./var/guix/db -prune -o -printf '%M %U:%G %p %l\n' | sort`
