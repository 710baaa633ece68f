package storedb

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
)

// nixAddresses is the list of paths of every kind of content address that the installed Nix
// makes, with the root of its store.
func nixAddresses(t *testing.T) (root string, items []*Item) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "root")
	writable(t, root)
	from := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(from, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"f": 0o644, "x": 0o755} {
		if err := os.WriteFile(filepath.Join(from, name), []byte("contents of "+name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("f", filepath.Join(from, "l")); err != nil {
		t.Fatal(err)
	}
	var paths []string
	add := func(out string) { paths = append(paths, strings.Trim(strings.TrimSpace(out), `"`)) }
	for _, algorithm := range []string{"md5", "sha1", "sha256", "sha512"} {
		add(nixtest.NixStore(t, root, "--add-fixed", algorithm, filepath.Join(from, "f")))
		add(nixtest.NixStore(t, root, "--add-fixed", "--recursive", algorithm, from))
	}
	add(nixTool(t, "nix-instantiate", root, "", "--eval", "--read-write-mode", "--expr", `builtins.toFile "t" "see ${`+from+`}"`))
	add(selfReferring(t, root))
	text := nixTool(t, "nix", root, "", append([]string{"--extra-experimental-features", "nix-command", "path-info", "--recursive", "--json"}, paths...)...)
	items, err := Nix.ReadPathInfo("path-info", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return root, items
}

// selfReferring has Nix make a path that refers to itself and follows from its contents.
func selfReferring(t *testing.T, root string) string {
	t.Helper()
	built := Nix.path("self")
	n := image.NewFile(0o444, image.Bytes(strings.Repeat("a", narBuffer-200)+built+" is twice in it: "+built))
	host := filepath.Join(root, built)
	contents, _ := image.ReadAll(n.Data)
	if err := os.WriteFile(host, contents, 0o444); err != nil {
		t.Fatal(err)
	}
	hash, size, err := HashNAR(n)
	if err != nil {
		t.Fatal(err)
	}
	nixStore(t, root, fmt.Sprintf("%s\n%s\n%d\n\n1\n%s\n", built, hash.Base16(), size, built), "--load-db")
	out := nixTool(t, "nix", root, "", "--extra-experimental-features", "nix-command ca-derivations", "--offline", "store", "make-content-addressed", "--json", built)
	_, made, _ := strings.Cut(out, built+`":"`)
	made, _, _ = strings.Cut(made, `"`)
	if Nix.CheckPath(made) != nil {
		t.Fatalf("nix store make-content-addressed says %s", out)
	}
	return made
}

// TestNixAddresses reads the content addresses that real Nix writes, computes the paths and
// the contents' hashes from them, and notices each change.
func TestNixAddresses(t *testing.T) {
	root, items := nixAddresses(t)
	methods := map[string]int{}
	for _, it := range items {
		ca, err := parseCA(it.CA)
		if err != nil || len(it.Notes) > 0 {
			t.Errorf("%s: %v; notes %q", it.Path, err, it.Notes)
			continue
		}
		methods[ca.method+" "+ca.hash.algorithm]++
		if it.CA != ca.String() {
			t.Errorf("parseCA(%s) = %s", it.CA, ca)
		}
		n, err := image.Scan(filepath.Join(root, it.Path), image.ScanOptions{Canonical: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := it.checkAddress(background, n); err != nil {
			t.Errorf("%s: %v", it.Path, err)
		}
		if other := image.NewFile(0o444, image.Bytes("others")); !ca.isNarHash(it) {
			if err := it.checkAddress(background, other); err == nil || !strings.Contains(err.Error(), "has the content address") {
				t.Errorf("%s with other contents: %v", it.Path, err)
			}
		}
		for what, change := range map[string]func(*Item){
			"hash": func(it *Item) {
				ca := ca
				ca.hash.sum = append([]byte{ca.hash.sum[0] ^ 1}, ca.hash.sum[1:]...)
				it.CA = ca.String()
			},
			"name":       func(it *Item) { it.Path += "x" },
			"references": func(it *Item) { it.References = append(it.References[:0:0], Nix.path("other")) },
			"method": func(it *Item) {
				if it.CA = "fixed:" + ca.hash.String(); ca.method == caFlat {
					it.CA = "fixed:r:" + ca.hash.String()
				}
			},
		} {
			changed := *it
			change(&changed)
			if err := changed.settleCA(Nix); err != nil || changed.CA != "" || len(changed.Notes) != 1 || !strings.Contains(changed.Notes[0], "path-info: "+changed.Path+": its content address ") {
				t.Errorf("%s with another %s: %v, content address %q, notes %q; want it left out", it.Path, what, err, changed.CA, changed.Notes)
			}
		}
	}
	for _, want := range []string{"text sha256", "flat md5", "flat sha1", "flat sha256", "flat sha512", "nar md5", "nar sha1", "nar sha256", "nar sha512"} {
		if methods[want] == 0 {
			t.Errorf("no path of %s is among the %d that Nix made", want, len(items))
		}
	}
}

// TestGitAddress compares with what Git says of the same tree.
func TestGitAddress(t *testing.T) {
	fstest.Judge(t, "git", "git")
	for algorithm, width := range map[string]int{"sha1": 40, "sha256": 64} {
		dir := t.TempDir()
		fstest.Run(t, "git", "-C", dir, "init", "-q", "--object-format="+algorithm)
		tree := filepath.Join(dir, "tree")
		for name, text := range map[string]string{"a/b": "1", "a.c": "2", "a0": "", "z/y/x": "3"} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Join(tree, "z/y/x"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("a/b", filepath.Join(tree, "link")); err != nil {
			t.Fatal(err)
		}
		fstest.Run(t, "git", "-C", dir, "--work-tree="+tree, "-c", "core.fileMode=true", "add", "-A", tree)
		sum, err := hex.DecodeString(strings.TrimSpace(string(fstest.Run(t, "git", "-C", dir, "write-tree"))))
		if err != nil || 2*len(sum) != width {
			t.Fatalf("git write-tree: %x, %v", sum, err)
		}
		it := &Item{Path: Nix.path("tree")}
		ca := contentAddress{caGit, Digest{algorithm, sum}}
		if it.Path, err = ca.pathOf(Nix, it); err != nil {
			t.Fatal(err)
		}
		it.CA = ca.String()
		n, err := image.Scan(tree, image.ScanOptions{Canonical: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := it.checkAddress(background, n); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		if err := it.settleCA(Nix); err != nil || it.CA != ca.String() || !strings.HasPrefix(it.CA, "fixed:git:"+algorithm+":") || len(it.Notes) > 0 {
			t.Errorf("%s: %v; %s %q", algorithm, err, it.CA, it.Notes)
		}
	}
}

func TestParseCA(t *testing.T) {
	sum := strings.Repeat("0", 52)
	for in, want := range map[string]string{
		"text:sha256:" + sum:                              "",
		"fixed:sha256:" + strings.Repeat("0", 64):         "",
		"fixed:r:sha256:" + strings.Repeat("A", 43) + "=": "",
		"fixed:git:sha1:" + strings.Repeat("0", 40):       "",
		"fixed:blake3:" + sum:                             "",
		"nonsense":                                        `content address "nonsense" is not of the form text:ALGORITHM:HASH or fixed:[r:|git:]ALGORITHM:HASH`,
		"fixed:":                                          "is not of the form",
		"fixed:r:" + sum:                                  "is not of the form",
		"FIXED:r:sha256:" + sum:                           "is not of the form",
		"source:sha256:" + sum:                            "is not of the form",
		"fixed:r:sha256-" + sum:                           "is not of the form",
		"fixed:r:sha256:" + sum + "0":                     "53 digits; 64 of base 16, 52 of base 32 or 44 of base 64 were expected",
		"fixed:r:sha3:" + sum:                             `hash algorithm "sha3" is not known`,
		"fixed:r:sha256:" + strings.Repeat("e", 52):       "is no sha256",
		"fixed:" + strings.Repeat("\x00", 20000):          `… (19906 more bytes) is not of the form`,
	} {
		ca, err := parseCA(in)
		if want == "" && err == nil {
			if back, err := parseCA(ca.String()); err != nil || back.String() != ca.String() || !back.hash.equal(ca.hash) {
				t.Errorf("parseCA(%s) = %s, %v", ca, back, err)
			}
			continue
		}
		if want == "" || err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 800 {
			t.Errorf("parseCA(%q) = %v; want %q", in, err, want)
		}
	}
}

// TestImpossibleAddresses leaves out what no store path can have been made from.
func TestImpossibleAddresses(t *testing.T) {
	sum := strings.Repeat("0", 52)
	self := Nix.path("self")
	for _, c := range []struct {
		ca   string
		refs []string
		want string
	}{
		{"text:md5:" + strings.Repeat("0", 32), nil, "is of md5, and a text is hashed by sha256"},
		{"text:sha256:" + sum, []string{self}, "which cannot refer to itself"},
		{"fixed:git:md5:" + strings.Repeat("0", 32), nil, "Git hashes by sha1 or sha256"},
		{"fixed:sha256:" + sum, []string{Nix.path("a")}, "is that of an item without references"},
		{"fixed:r:sha512:" + strings.Repeat("0", 128), []string{self}, "is that of an item without references"},
		{"fixed:r:sha256:" + sum, nil, "makes the path /nix/store/"},
	} {
		it := &Item{Path: self, CA: c.ca, References: c.refs}
		if err := it.settleCA(Nix); err != nil || it.CA != "" || len(it.Notes) != 1 || !strings.Contains(it.Notes[0], c.want) {
			t.Errorf("%s: %v, %q, notes %q; want %q", c.ca, err, it.CA, it.Notes, c.want)
		}
	}
	// The path is the one that the address makes, and the NAR is another.
	it := Nix.textItem(t, "x")
	it.CA, it.NarHash = "fixed:r:sha256:"+sum, Hash{1}
	ca, _ := parseCA(it.CA)
	it.Path, _ = ca.pathOf(Nix, it)
	if err := it.settleCA(Nix); err == nil || !strings.Contains(err.Error(), "they should be the same") {
		t.Errorf("with another NAR: %v", err)
	}
}

// FuzzAddress checks that what is read stays as it is, and that a path that is made from it
// takes no other.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"text:sha256:" + strings.Repeat("0", 52), "fixed:r:sha512:" + strings.Repeat("0", 128), "fixed:git:sha1:" + strings.Repeat("0", 40), "fixed:md5:" + strings.Repeat("A", 22) + "=="} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, self bool) {
		ca, err := parseCA(s)
		if err != nil {
			return
		}
		back, err := parseCA(ca.String())
		if err != nil || back.method != ca.method || !back.hash.equal(ca.hash) {
			t.Fatalf("parseCA(%q) = %v, and again %v, %v", s, ca, back, err)
		}
		it := &Item{Path: Nix.path("x"), CA: s}
		if self {
			it.References = []string{it.Path}
		}
		made, err := ca.pathOf(Nix, it)
		if err != nil {
			return
		}
		if it.Path == made || ca.mismatch(Nix, it) == nil {
			t.Fatalf("%s makes %s", s, made)
		}
		if it.Path = made; !self && ca.mismatch(Nix, it) != nil {
			t.Fatalf("%s: %v", s, ca.mismatch(Nix, it))
		}
	})
}

// TestContentsOfNoNAR has a content check read NARs that are cut off, or no NARs.
func TestContentsOfNoNAR(t *testing.T) {
	testenv.Slow(t)
	var nar bytes.Buffer
	if err := WriteNAR(&nar, odd(t)); err != nil {
		t.Fatal(err)
	}
	whole := nar.Bytes()
	for _, method := range []string{"text:sha256:", "fixed:git:sha256:"} {
		it := &Item{Path: Nix.path("x"), CA: method + strings.Repeat("0", 64)}
		for n := 0; n < len(whole); n += 97 {
			c := it.contentCheck()
			if _, err := c.Write(whole[:n]); err != nil {
				t.Fatal(err)
			}
			if err := c.Done(); err == nil || strings.Contains(err.Error(), "has the content address") {
				t.Errorf("%s, %d of %d bytes: %v", method, n, len(whole), err)
			}
			it.contentCheck().Stop()
		}
	}
}

// TestModulo compares the hash of a NAR without the path's own hash in it with the rule, however
// the NAR is cut, and bounds what is kept of one that is full of it.
func TestModulo(t *testing.T) {
	self := strings.Repeat("s", 32)
	for name, nar := range map[string]string{
		"none":     strings.Repeat("x", 100),
		"once":     "abc" + self,
		"far":      self + strings.Repeat("x", 300) + self + "end" + self + self,
		"overlaps": strings.Repeat("s", 32*5+7),
		"full":     strings.Repeat(self, 1000),
	} {
		want := sha256.New()
		places := ""
		for at := 0; ; at += len(self) {
			i := strings.Index(nar[at:], self)
			if i < 0 {
				break
			}
			at += i
			places += fmt.Sprintf("|%d", at)
		}
		fmt.Fprint(want, strings.ReplaceAll(nar, self, strings.Repeat("\x00", len(self))), places)
		for _, part := range []int{1, 31, 33, len(nar)} {
			m := &moduloWriter{to: sha256.New(), self: []byte(self)}
			for rest := nar; rest != ""; {
				n := min(part, len(rest))
				m.Write([]byte(rest[:n]))
				rest = rest[n:]
			}
			if got := m.sum(); !bytes.Equal(got, want.Sum(nil)) {
				t.Errorf("%s, in parts of %d bytes: the hash is %x; want %x", name, part, got, want.Sum(nil))
			}
			if most := len(nar)/16 + 8; len(m.places) > most {
				t.Errorf("%s: of %d bytes, %d are kept; want at most %d", name, len(nar), len(m.places), most)
			}
		}
	}
}
