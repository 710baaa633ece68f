package storedb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"ingot/image"
	"ingot/tests/fstest"
)

// narOf returns the NAR of n.
func narOf(t testing.TB, n *image.Node) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteNAR(&b, n); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// target returns a folder to restore into, which is emptied at the end of the test
// whatever the permissions in it.
func target(t testing.TB) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(writable(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// TestRestore restores what WriteNAR, and Nix, write, and compares with Nix.
func TestRestore(t *testing.T) {
	tool := fstest.Judge(t, "nix-store", "nix-bin")
	all := odd(t)
	for name, n := range map[string]*image.Node{
		"all": all, "link": all.Child("link"), "program": all.Child("bin").Child("run"),
		"empty-file": image.NewFile(0o644, nil), "empty-dir": image.NewDir(0o755),
	} {
		t.Run(name, func(t *testing.T) {
			nar, root := narOf(t, n), target(t)
			for _, r := range []io.Reader{bytes.NewReader(nar), iotest.HalfReader(bytes.NewReader(nar))} {
				if size, err := Restore(r, root, "item", NARLimits{Size: int64(len(nar))}); err != nil || size != int64(len(nar)) {
					t.Fatalf("Restore = %d, %v; want %d", size, err, len(nar))
				}
				dump, err := exec.Command(tool, "--dump", filepath.Join(root.Name(), "item")).Output()
				if err != nil || !bytes.Equal(dump, nar) {
					t.Errorf("what was restored has another NAR of %d bytes (%v); want %d", len(dump), err, len(nar))
				}
				metadata(t, filepath.Join(root.Name(), "item"))
				if err := RemoveItem(root, "item"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := root.Lstat("item"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after RemoveItem: %v", err)
			}
		})
	}
}

// metadata checks modes and times of what was restored.
func metadata(t *testing.T, dir string) {
	t.Helper()
	n, err := image.Scan(dir, image.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(p string, n *image.Node) error {
		perm := n.Mode.Perm()
		switch {
		case n.Mtime != image.Epoch:
			t.Errorf("%q has the time %v", p, n.Mtime)
		case n.Mode.Type() != fs.ModeSymlink && perm != 0o444 && perm != 0o555 || n.IsDir() && perm != 0o555:
			t.Errorf("%q has the mode %v", p, n.Mode)
		}
		return nil
	}
	if !n.IsDir() {
		check("/", n)
		return
	}
	(&image.Tree{Root: n}).Walk(check)
}

// TestReadNAR reads files out of a NAR where it lies.
func TestReadNAR(t *testing.T) {
	nar := narOf(t, odd(t))
	file := filepath.Join(t.TempDir(), "nar")
	if err := os.WriteFile(file, nar, 0o644); err != nil {
		t.Fatal(err)
	}
	onDisk, err := image.NewHostFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []image.Blob{image.Bytes(nar), onDisk} {
		n, err := ReadNAR(b, NARLimits{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(narOf(t, n), nar) {
			t.Errorf("%T: what was read has another NAR", b)
		}
	}
	if _, err := ReadNAR(image.Bytes(nar[:len(nar)-1]), NARLimits{}); err == nil {
		t.Error("ReadNAR accepts a NAR that is cut short")
	}
}

// nar puts a NAR together of strings; a number is a length that no string follows.
func nar(parts ...any) string {
	b := narMagic
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b += narStrings(p)
		case uint64:
			b += string(binary.LittleEndian.AppendUint64(nil, p))
		case raw:
			b += string(p)
		case []any:
			b += nar(p...)[len(narMagic):]
		}
	}
	return b
}

type raw string

func narDir(entries ...any) []any { return []any{"(", "type", "directory", entries, ")"} }
func narLink(target string) []any { return []any{"(", "type", "symlink", "target", target, ")"} }
func narFile(contents any) []any  { return []any{"(", "type", "regular", "contents", contents, ")"} }
func narNamed(name string, node []any) []any {
	return []any{"entry", "(", "name", name, "node", node, ")"}
}

// TestHostileNARs refuses each with the byte where it goes wrong, on the disk and in
// memory, and writes nothing outside of the target.
func TestHostileNARs(t *testing.T) {
	deep := narFile("x")
	for range 600 {
		deep = narDir(narNamed("d", deep))
	}
	many := []any{}
	for i := range 30 {
		many = append(many, narNamed(fmt.Sprintf("%02d", i), narFile("")))
	}
	for _, c := range []struct{ name, nar, want string }{
		{"empty", "", "byte 0: ends too early"},
		{"no nar", "hello, this is no archive at all", "byte 0: a word of the format has 8367736964726416744 bytes, 13 is the limit"},
		{"other magic", narStrings("nix-archive-2"), `byte 0: "nix-archive-2" stands where "nix-archive-1" belongs`},
		{"nothing in it", narMagic, "byte 24: is not over after the 24 bytes"},
		{"unknown type", nar("(", "type", "fifo", ")"), `byte 56: type "fifo" is not regular, symlink or directory`},
		{"dot", nar(narDir(narNamed(".", narFile("x")))), `byte 128: "." is not a file name`},
		{"dot dot", nar(narDir(narNamed("..", narFile("x")))), `byte 128: ".." is not a file name`},
		{"empty name", nar(narDir(narNamed("", narFile("x")))), `byte 128: "" is not a file name`},
		{"slash", nar(narDir(narNamed("../../x", narFile("x")))), `byte 128: "../../x" is not a file name`},
		{"absolute", nar(narDir(narNamed("/etc/passwd", narFile("x")))), `byte 128: "/etc/passwd" is not a file name`},
		{"nul", nar(narDir(narNamed("a\x00b", narFile("x")))), `byte 128: "a\x00b" is not a file name`},
		{"long name", nar(narDir(narNamed(strings.Repeat("n", 256), narFile("x")))), "byte 128: name has 256 bytes, 255 is the limit"},
		{"twice", nar(narDir(narNamed("a", narFile("x")), narNamed("a", narFile("y")))), `: "a" stands twice in one directory`},
		{"unsorted", nar(narDir(narNamed("b", narFile("x")), narNamed("a", narFile("y")))), `: "a" stands after "b": entries must be sorted`},
		{"file below a symlink", nar(narDir(narNamed("a", narLink("/etc")), narNamed("a", narDir(narNamed("passwd", narFile("x")))))), `"a" stands twice in one directory`},
		{"link to nowhere", nar(narLink("")), `byte 88: "" cannot be the target of a symlink`},
		{"link with nul", nar(narLink("a\x00")), `cannot be the target of a symlink`},
		{"long link", nar(narLink(strings.Repeat("x", 4096))), "byte 88: target of a symlink has 4096 bytes, 4095 is the limit"},
		{"size beyond the end", nar("(", "type", "regular", "contents", uint64(1<<40)), "byte 88: contents of 1099511627776 bytes reach beyond the 96 bytes that the archive should have"},
		{"negative size", nar("(", "type", "regular", "contents", uint64(1)<<63), "byte 88: contents of 9223372036854775808 bytes reach beyond"},
		{"name beyond the end", nar("(", "type", "directory", "entry", "(", "name", uint64(1<<62)), "byte 128: name has 4611686018427387904 bytes, 255 is the limit"},
		{"executable with a value", nar("(", "type", "regular", "executable", "yes", "contents", "x", ")"), `"yes" stands where "" belongs`},
		{"executable twice", nar("(", "type", "regular", "executable", "", "executable", "", "contents", "x", ")"), `"executable" stands where "contents" belongs`},
		{"no contents", nar("(", "type", "regular", ")"), `")" stands where "contents" belongs`},
		{"two types", nar("(", "type", "regular", "type", "directory", ")"), `"type" stands where "contents" belongs`},
		{"padding", nar("(", "type", "regular", "contents", uint64(1), raw("x\x00\x00\x00\x00\x00\x00!"), ")"), "byte 97: padding is not zero"},
		{"garbage at the end", nar(narFile("x")) + "more", "goes on where the archive has ended"},
		{"two archives", nar(narFile("x")) + nar(narFile("x")), "goes on where the archive has ended"},
		{"cut short", nar(narFile(strings.Repeat("x", 3<<20)))[:2<<20], "contents of 3145728 bytes reach beyond"},
		{"deep", nar(deep), "directories lie more than 512 deep"},
		{"many", nar(narDir(many...)), "holds more than 20 files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			around := target(t)
			if err := around.Mkdir("in", 0o755); err != nil {
				t.Fatal(err)
			}
			root, err := around.OpenRoot("in")
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			limits := NARLimits{Size: int64(len(c.nar)), Entries: 20}
			if c.name == "deep" {
				limits.Entries = 0
			}
			_, err = Restore(strings.NewReader(c.nar), root, "item", limits)
			var at *NARError
			if !errors.As(err, &at) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Restore = %v\nwant %s", err, c.want)
			}
			if _, err := ReadNAR(image.Bytes(c.nar), limits); !errors.As(err, &at) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("ReadNAR = %v\nwant %s", err, c.want)
			}
			if err := RemoveItem(root, "item"); err != nil {
				t.Error(err)
			}
			left, err := fs.Glob(around.FS(), "*")
			if inside, _ := fs.Glob(root.FS(), "*"); err != nil || len(left) != 1 || len(inside) != 0 {
				t.Errorf("left behind: %v, %v", left, inside)
			}
		})
	}
	t.Run("without bounds", func(t *testing.T) {
		in := nar("(", "type", "regular", "contents", uint64(1<<40)) + "few bytes"
		_, err := Restore(strings.NewReader(in), target(t), "item", NARLimits{})
		if want := "byte 105: ends too early"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Restore = %v; want %s", err, want)
		}
	})
}

func TestRestoreErrors(t *testing.T) {
	root := target(t)
	if _, err := Restore(bytes.NewReader(nil), root, "../x", NARLimits{}); err == nil {
		t.Error("Restore takes a name that leads elsewhere")
	}
	in := narOf(t, odd(t))
	broken := errors.New("broken")
	_, err := Restore(io.MultiReader(bytes.NewReader(in[:len(in)/2]), iotest.ErrReader(broken)), root, "item", NARLimits{})
	if !errors.Is(err, broken) {
		t.Errorf("Restore = %v; want the reader's own error", err)
	}
	if err := RemoveItem(root, "item"); err != nil {
		t.Error(err)
	}
	elsewhere := t.TempDir()
	if err := root.Symlink(elsewhere, "item"); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(bytes.NewReader(in), root, "item", NARLimits{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Restore over a symlink = %v; want %v", err, fs.ErrExist)
	}
	if entries, _ := os.ReadDir(elsewhere); len(entries) > 0 {
		t.Error("Restore followed a symlink")
	}
	if err := RemoveItem(root, "item"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(elsewhere); err != nil {
		t.Errorf("RemoveItem followed a symlink: %v", err)
	}
}

// FuzzNAR holds the reader to what WriteNAR writes: whatever is accepted must be
// written in the same way.
func FuzzNAR(f *testing.F) {
	f.Add([]byte(nar(narFile("x"))))
	f.Add([]byte(nar(narDir(narNamed("a", narLink("b")), narNamed("b", narDir())))))
	f.Add([]byte(nar("(", "type", "regular", "executable", "", "contents", "#!", ")")))
	f.Add([]byte(nar("(", "type", "directory", "entry", "(", "name", uint64(1<<62))))
	f.Add([]byte(narMagic))
	f.Fuzz(func(t *testing.T, in []byte) {
		n, err := ReadNAR(image.Bytes(in), NARLimits{})
		var at *NARError
		if err != nil {
			if !errors.As(err, &at) || at.Off < 0 || at.Off > int64(len(in)) {
				t.Errorf("ReadNAR = %v; want an error at a byte", err)
			}
			return
		}
		if !bytes.Equal(narOf(t, n), in) {
			t.Errorf("ReadNAR accepts another spelling than WriteNAR's")
		}
	})
}
