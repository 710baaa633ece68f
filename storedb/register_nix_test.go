package storedb

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
)

// registered registers a closure of the real Nix store in a root, by its registration.
func registered(t *testing.T, n *nixtest.Closure, root string, o RegisterOptions) *Registered {
	t.Helper()
	did, err := Register(background, root, fromNix(t, n), o)
	if err != nil {
		t.Fatal(err)
	}
	return did
}

// fromNix reads the closure as its registration, its path-info and its database have it.
func fromNix(t *testing.T, n *nixtest.Closure) *Closure {
	t.Helper()
	read := func(name string, read func(string) ([]*Item, error)) []*Item {
		items, err := read(name)
		if err != nil {
			t.Fatal(err)
		}
		return From(n.Store, items)
	}
	file := func(name string) *os.File {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	c, err := NewClosure(Nix,
		read(n.Registration, func(name string) ([]*Item, error) { return Nix.ReadRegistration(name, file(name)) }),
		read(n.PathInfo, func(name string) ([]*Item, error) { return Nix.ReadPathInfo(name, file(name)) }),
		read(filepath.Join(n.Root, Nix.DatabasePath()), func(name string) ([]*Item, error) { return Nix.ReadDatabase(background, name, n.Toplevel) }),
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRegisteredIsNix has real Nix compare the root with the store that it comes from,
// and work in it.
func TestRegisteredIsNix(t *testing.T) {
	n := nixtest.System(t)
	root := writable(t, filepath.Join(t.TempDir(), "root"))
	did := registered(t, n, root, RegisterOptions{Copy: true, Verify: true, Profiles: map[string]string{"system": n.Toplevel}})
	if did.Added != len(n.Paths) || did.Copied.Paths != len(n.Paths) || !did.NixOS || did.Database != "created" {
		t.Errorf("Register: %+v; want %d paths added and copied, a NixOS system", did, len(n.Paths))
	}
	n.CheckRoot(t, root)
	n.CheckCanonical(t, root)
	sameAnswers(t, n, root)
	before := sharedIn(t, root)
	nixStore(t, root, "", "--optimise")
	if after := sharedIn(t, root); !slices.Equal(before, after) {
		t.Errorf("nix-store --optimise found files to link: %d groups became %d", len(before), len(after))
	}
	for _, link := range []string{"profiles/system", "profiles/system-1-link"} {
		if err := os.Remove(filepath.Join(root, Nix.StateDir(), link)); err != nil {
			t.Fatal(err)
		}
	}
	if dead := sortedLines(collectGarbage(t, root, "--print-dead")); !slices.Equal(dead, n.Paths) {
		t.Errorf("without a root, %d paths are dead; want all %d", len(dead), len(n.Paths))
	}
}

// sameAnswers asks both stores the same questions about every path.
func sameAnswers(t *testing.T, n *nixtest.Closure, root string) {
	t.Helper()
	original := n.Copy(t)
	for _, question := range []string{"--requisites", "--hash", "--size"} {
		args := append([]string{"--query", question}, n.Paths...)
		got, want := nixtest.NixStore(t, root, args...), nixtest.NixStore(t, original, args...)
		if !slices.Equal(sortedLines(got), sortedLines(want)) {
			t.Errorf("nix-store --query %s: %q; want %q", question, got, want)
		}
	}
	for _, question := range []string{"--references", "--referrers", "--deriver"} {
		for _, p := range n.Paths { // their answers for several paths are one list
			got, want := nixtest.NixStore(t, root, "--query", question, p), nixtest.NixStore(t, original, "--query", question, p)
			if !slices.Equal(within(sortedLines(got), n.Paths), within(sortedLines(want), n.Paths)) {
				t.Errorf("nix-store --query %s %s: %q; want %q", question, p, got, want)
			}
		}
	}
	if got, want := pathInfoOf(t, root, n.Paths), pathInfoOf(t, original, n.Paths); got != want {
		t.Errorf("nix path-info --json:\n%s\nwant\n%s", got, want)
	}
}

// within keeps of paths those of the closure, and what is no path.
func within(lines, paths []string) []string {
	return slices.DeleteFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, Nix.StoreDir()+"/") && !strings.HasSuffix(l, ".drv") && !slices.Contains(paths, l)
	})
}

// pathInfoOf is what nix path-info tells, but for the time of registration.
func pathInfoOf(t *testing.T, root string, paths []string) string {
	t.Helper()
	out := nixTool(t, "nix", root, "", append([]string{"--extra-experimental-features", "nix-command", "path-info", "--json"}, paths...)...)
	var infos []map[string]any
	if err := json.Unmarshal([]byte(out), &infos); err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if info["registrationTime"] == nil {
			t.Errorf("%v has no time of registration", info["path"])
		}
		delete(info, "registrationTime")
	}
	b, err := json.Marshal(infos)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sharedIn returns which files of a root's store share an inode.
func sharedIn(t *testing.T, root string) []string {
	t.Helper()
	n, err := image.Scan(filepath.Join(root, Nix.StoreDir()), image.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return shared(n)
}

// collectGarbage has Nix do it, in a PID namespace where there is one: paths in any
// process's /proc count as roots for it.
func collectGarbage(t *testing.T, root string, options ...string) string {
	t.Helper()
	nix := fstest.Judge(t, "nix-store", "nix-bin")
	args := append([]string{nix, "--store", root, "--gc"}, options...)
	namespace := []string{"unshare", "--fork", "--pid", "--mount-proc", "--map-root-user"}
	if exec.Command(namespace[0], append(namespace[1:], "true")...).Run() == nil {
		args = append(namespace, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "NIX_CONFIG=build-users-group =", "NIX_CONF_DIR=/nonexistent", "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("nix-store --gc %v: %v", options, err)
	}
	return string(out)
}

// TestNixWorksOn lets Nix add, build and collect garbage in a registered root; then
// the closure is registered once more beside what Nix made.
func TestNixWorksOn(t *testing.T) {
	n := nixtest.System(t)
	root := writable(t, filepath.Join(t.TempDir(), "root"))
	o := RegisterOptions{Copy: true, Roots: map[string]string{"keep": n.Toplevel}}
	registered(t, n, root, o)

	file := filepath.Join(t.TempDir(), "added")
	if err := os.WriteFile(file, []byte("by nix\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	added := strings.TrimSpace(nixtest.NixStore(t, root, "--add", file))
	if err := os.Symlink(added, filepath.Join(root, Nix.StateDir(), "gcroots/added")); err != nil {
		t.Fatal(err)
	}
	built := ""
	if canBuild() {
		built = strings.TrimSpace(realise(t, root))
		if b, err := os.ReadFile(filepath.Join(root, built)); err != nil || string(b) != "built\n" {
			t.Errorf("%s holds %q, %v", built, b, err)
		}
	} else {
		t.Log("Nix can build nothing here: the machine grants no mount namespace")
	}
	if did := registered(t, n, root, o); did.Database != "unchanged" || did.Copied.Paths != 0 {
		t.Errorf("Register once more: %+v; want no change", did)
	}
	// The garbage collector takes the build, which no root keeps, and no more.
	collectGarbage(t, root)
	if _, err := os.Lstat(filepath.Join(root, built)); err == nil && built != "" {
		t.Errorf("nix-store --gc left %s", built)
	}
	if _, err := os.Lstat(filepath.Join(root, added)); err != nil {
		t.Error(err)
	}
	n.CheckCanonical(t, root)
	nixtest.NixStore(t, root, "--verify", "--check-contents")
	for _, link := range []string{"keep", "added"} {
		os.Remove(filepath.Join(root, Nix.StateDir(), "gcroots", link))
	}
	collectGarbage(t, root)
	if left := nixtest.NixStore(t, root, "--dump-db"); left != "" {
		t.Errorf("without roots, nix-store --gc leaves %q", left)
	}
}

// canBuild says whether the machine grants the mount namespace in which Nix shows a
// root's store at its place.
func canBuild() bool {
	args := []string{"--mount", "true"}
	if os.Geteuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	return exec.Command("unshare", args...).Run() == nil
}

// realise builds a small derivation that needs no network and no other store path.
func realise(t *testing.T, root string) string {
	t.Helper()
	tools := filepath.Join(t.TempDir(), "tools")
	b, err := os.ReadFile(fstest.Judge(t, "busybox", "busybox-static"))
	if err == nil {
		err = errors.Join(os.Mkdir(tools, 0o755), os.WriteFile(filepath.Join(tools, "busybox"), b, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	expr := `derivation { name = "small"; system = builtins.currentSystem; builder = "${` + tools + `}/busybox"; args = [ "sh" "-c" "echo built > $out" ]; }`
	drv := strings.TrimSpace(nixTool(t, "nix-instantiate", root, "", "--expr", expr))
	return nixtest.NixStore(t, root, "--realise", drv)
}

// TestRegisterBesideNix changes a database that Nix made, in WAL mode, and one in
// rollback mode; what was there stays.
func TestRegisterBesideNix(t *testing.T) {
	n := nixtest.System(t)
	want := pathInfoOf(t, n.Copy(t), n.Paths)
	for _, mode := range []string{"wal", "delete"} {
		root := writable(t, filepath.Join(t.TempDir(), mode))
		other := closure(t, Nix, generated(Nix, 50)...)
		var reg strings.Builder
		other.WriteRegistration(&reg)
		nixStore(t, root, reg.String(), "--load-db")
		db := filepath.Join(root, Nix.DatabasePath())
		sqlite(t, db, "update ValidPaths set registrationTime = 7, sigs = 'k:AA' where id = 3; pragma journal_mode="+mode)
		rows := "select * from ValidPaths where id <= 50 union all select referrer, reference, 0,0,0,0,0,0,0 from Refs where referrer <= 50"
		before := sqlite(t, db, rows)

		did := registered(t, n, root, RegisterOptions{Copy: true, Roots: map[string]string{"keep": n.Toplevel}})
		if did.Database != "updated" || did.Added != len(n.Paths) || did.Updated != 0 {
			t.Errorf("%s: Register: %+v; want %d rows added", mode, did, len(n.Paths))
		}
		if after := sqlite(t, db, rows); after != before {
			t.Errorf("%s: rows that were there have changed:\n%s\nwant\n%s", mode, after, before)
		}
		if got := strings.TrimSpace(sqlite(t, db, "pragma integrity_check; pragma foreign_key_check; pragma journal_mode")); got != "ok\n"+mode {
			t.Errorf("%s: sqlite3 finds %q", mode, got)
		}
		if got := pathInfoOf(t, root, n.Paths); got != want {
			t.Errorf("%s: nix path-info --json:\n%s\nwant\n%s", mode, got, want)
		}
		n.CheckCanonical(t, root)
	}
}

// TestRegisterUpdates brings rows up to date that know less than the source.
func TestRegisterUpdates(t *testing.T) {
	n := nixtest.System(t)
	root := n.Copy(t)
	db := filepath.Join(root, Nix.DatabasePath())
	all := "select path, hash, narSize, deriver, ultimate, sigs, ca from ValidPaths where path in ('" + strings.Join(n.Paths, "', '") + "') order by path; " +
		"select a.path, b.path from Refs join ValidPaths a on referrer = a.id join ValidPaths b on reference = b.id order by 1, 2; select drv, path from DerivationOutputs order by 1, 2"
	want := sqlite(t, db, all)
	c := fromNix(t, n)
	sqlite(t, db, "update ValidPaths set deriver = null, ca = null, ultimate = null, narSize = 1; delete from Refs where referrer % 2 = 0")
	did, err := Register(background, root, c, RegisterOptions{NoDeduplicate: true})
	if err != nil || did.Updated == 0 || did.Added != 0 {
		t.Errorf("Register: %+v, %v; want rows brought up to date", did, err)
	}
	if got := sqlite(t, db, all); got != want {
		t.Errorf("rows are\n%s\nwant\n%s", got, want)
	}
}
