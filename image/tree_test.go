package image

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestUnixMode(t *testing.T) {
	for _, c := range []struct {
		mode fs.FileMode
		unix uint16
	}{
		{0o644, 0o100644},
		{fs.ModeDir | fs.ModeSticky | 0o777, 0o041777},
		{fs.ModeSymlink | 0o777, 0o120777},
		{fs.ModeSetuid | 0o755, 0o104755},
		{fs.ModeSetgid | 0o755, 0o102755},
		{fs.ModeDevice | 0o660, 0o060660},
		{fs.ModeDevice | fs.ModeCharDevice | 0o666, 0o020666},
		{fs.ModeNamedPipe | 0o600, 0o010600},
		{fs.ModeSocket | 0o600, 0o140600},
	} {
		n := Node{Mode: c.mode}
		if got := n.UnixMode(); got != c.unix {
			t.Errorf("UnixMode(%v) = %#o; want %#o", c.mode, got, c.unix)
		}
		if got := ModeFromUnix(c.unix); got != c.mode {
			t.Errorf("ModeFromUnix(%#o) = %v; want %v", c.unix, got, c.mode)
		}
	}
	if got := ModeFromUnix(0o150000).Type(); got != fs.ModeIrregular {
		t.Errorf("ModeFromUnix of an unknown type = %v; want irregular", got)
	}
}

// A directory behaves as a map with sorted keys, in whatever order names come and go.
func TestDirectory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, model := NewDir(0o755), map[string]*Node{}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			name := rapid.StringMatching("[a-d]{1,2}").Draw(t, "name")
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				d.Remove(name)
				delete(model, name)
			case 1:
				if got := d.Child(name); got != model[name] {
					t.Fatalf("Child(%q) = %p; want %p", name, got, model[name])
				}
			case 2:
				checkEntries(t, d, model)
			default:
				n := NewFile(0o644, nil)
				err := d.Add(name, n)
				if _, taken := model[name]; taken != (err != nil) {
					t.Fatalf("Add(%q) = %v; taken: %v", name, err, taken)
				}
				if err == nil {
					model[name] = n
				}
			}
		}
		checkEntries(t, d, model)
	})
}

func checkEntries(t *rapid.T, d *Node, model map[string]*Node) {
	entries := d.Entries()
	if len(entries) != len(model) || !slices.IsSortedFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) }) {
		t.Fatalf("Entries = %v; want the %d of %v, sorted", entries, len(model), model)
	}
	for _, e := range entries {
		if model[e.Name] != e.Node {
			t.Fatalf("Entries has another node under %q", e.Name)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	d := NewDir(0o755)
	for _, name := range []string{"", ".", "..", "a/b", "a\x00b", "/"} {
		if err := d.Add(name, NewFile(0o644, nil)); err == nil {
			t.Errorf("Add(%q) succeeded", name)
		}
	}
	for _, name := range []string{"...", "\xff\xfe", "a\nb", strings.Repeat("x", 300)} { // lengths are a file system's rule
		if err := d.Add(name, NewFile(0o644, nil)); err != nil {
			t.Errorf("Add(%q) = %v", name, err)
		}
	}
	if err := NewFile(0o644, nil).Add("x", d); err == nil {
		t.Error("Add to a file succeeded")
	}
	NewFile(0o644, nil).Remove("x")
}

func TestPut(t *testing.T) {
	tree := NewTree()
	put := func(path string, n *Node) error { return tree.Put(path, n) }
	for _, path := range []string{"/etc/hostname", "/etc/../bin/sh", "//usr//lib", "/nix/store/x"} {
		if err := put(path, NewFile(0o644, Bytes("x"))); err != nil {
			t.Errorf("Put(%q) = %v", path, err)
		}
	}
	if err := put("/link", NewSymlink("etc")); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{
		"/etc/hostname":   "/etc/hostname: \"hostname\" stands twice in one directory",
		"etc":             "\"etc\" is not the absolute path of a file",
		"":                "is not the absolute path of a file",
		"/":               "\"/\" is not the absolute path of a file",
		"/link/x":         "/link/x: /link is a symlink, not a directory",
		"/etc/hostname/x": "/etc/hostname/x: /etc/hostname is a regular file, not a directory",
	} {
		if err := put(path, NewFile(0o644, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Put(%q) = %v; want %q", path, err, want)
		}
	}
	for path, want := range map[string]bool{"/bin/sh": true, "/usr/lib": true, "usr/lib": true, "/": true, "": true, "/none": false, "/bin/sh/x": false, "/link/hostname": false} {
		if got := tree.Lookup(path) != nil; got != want {
			t.Errorf("Lookup(%q) finds something: %v; want %v", path, got, want)
		}
	}
	var walked []string
	err := tree.Walk(func(p string, n *Node) error { walked = append(walked, p); return nil })
	want := "/ /bin /bin/sh /etc /etc/hostname /link /nix /nix/store /nix/store/x /usr /usr/lib"
	if got := strings.Join(walked, " "); err != nil || got != want {
		t.Errorf("Walk = %s, %v; want %s", got, err, want)
	}
	stop := errors.New("stop")
	if err := tree.Walk(func(p string, n *Node) error {
		if p == "/etc/hostname" {
			return stop
		}
		return nil
	}); err != stop {
		t.Errorf("Walk = %v; want the error of its function", err)
	}
	if n, err := tree.MakeDirs("/a/b"); err != nil || !n.IsDir() || tree.Lookup("/a/b") != n {
		t.Errorf("MakeDirs = %v, %v", n, err)
	}
	if _, err := tree.MakeDirs("a"); err == nil {
		t.Error("MakeDirs of a relative path succeeded")
	}
}

// Readers may look at one tree at once, unsorted directories and all.
func TestTreeConcurrent(t *testing.T) {
	d := NewDir(0o755)
	for i := range 1000 {
		if err := d.Add(fmt.Sprint(i*7919%1000), NewFile(0o644, nil)); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if n := len(d.Entries()); n != 1000 {
				t.Errorf("%d entries; want 1000", n)
			}
			if d.Child("500") == nil {
				t.Error("Child(500) = nil")
			}
		})
	}
	wg.Wait()
}

func TestNodeSize(t *testing.T) {
	for _, c := range []struct {
		n    *Node
		want int64
	}{{NewFile(0o644, nil), 0}, {NewFile(0o644, Bytes("abc")), 3}, {NewSymlink("target"), 6}, {NewDir(0o755), 0}, {NewSpecial(fs.ModeNamedPipe, Dev{}), 0}} {
		if got := c.n.Size(); got != c.want {
			t.Errorf("Size of %s = %d; want %d", Kind(c.n.Mode), got, c.want)
		}
	}
}

func TestSeed(t *testing.T) {
	s := NewSeed([]byte("web"))
	// Python: uuid5(uuid5(uuid5(UUID(int=0), "ingot"), "web"), "root")
	const want = "1a0c4240-8650-55b2-a986-8f166bf88c80"
	if got := s.UUID("root").String(); got != want {
		t.Errorf("UUID(root) = %s; want %s", got, want)
	}
	if s.UUID("a") == s.UUID("b") || s.Sub("a").UUID("x") == s.Sub("b").UUID("x") || s.Uint32("a") == s.Uint32("b") || s.Uint32("a") == 0 {
		t.Error("identifiers repeat")
	}
	if s.Uint32("a") != NewSeed([]byte("web")).Uint32("a") {
		t.Error("the same seed gives another number")
	}
}

// TestWalkOfDeepTrees: a walk keeps one path, not one for each directory on the way.
func TestWalkOfDeepTrees(t *testing.T) {
	tree := NewTree()
	at := tree.Root
	const depth = 500
	for range depth {
		below := NewDir(0o755)
		if err := at.Add(strings.Repeat("d", 255), below); err != nil {
			t.Fatal(err)
		}
		at = below
	}
	last, n := "", 0
	err := tree.Walk(func(path string, _ *Node) error {
		if len(path) != max(1, 256*n) {
			t.Errorf("path %d has %d bytes; want %d", n, len(path), 256*n)
		}
		last, n = path, n+1
		return nil
	})
	if err != nil || n != depth+1 || tree.Lookup(last) != at {
		t.Errorf("Walk = %v after %d nodes, the last of them not that of the last path; want %d", err, n, depth+1)
	}
}
