package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/ext4"
	"ingot/tests/fstest"
)

// sparseImage writes an ext4 of one file of holes and returns its name.
func sparseImage(t *testing.T, size int64) string {
	t.Helper()
	tree := image.NewTree()
	if err := tree.Put("/holes", image.NewFile(0o644, image.Hole(size))); err != nil {
		t.Fatal(err)
	}
	return writeTree(t, tree)
}

func writeTree(t *testing.T, tree *image.Tree) string {
	t.Helper()
	m, err := ext4.FileSystem{}.Layout(tree, image.Volume{Size: image.Exactly(4 << 20)})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "sparse.img")
	if err := image.WriteRaw(context.Background(), m, name, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestHolesAreCounted: what would write or hash far more zeros than an image holds bytes is
// refused, with the numbers and the flag, before anything is read.
func TestHolesAreCounted(t *testing.T) {
	const most = 16<<40 - 4096 // bytes of a file
	img := sparseImage(t, most)
	out := filepath.Join(t.TempDir(), "out")
	for _, args := range [][]string{{"-o", out, "--format", "docker"}, {"-o", "-", "--format", "docker"}, {"-o", out, "--format", "tar"}, {"-o", "-", "--format", "tar"}} {
		var code int
		var errout string
		allocated := fstest.Allocated(func() { code, _, errout = ingot(append([]string{"convert", img, "-q"}, args...)...) })
		for _, want := range []string{
			"the image: an archive of the files would have 15.9 TiB, most of them zeros of holes: the source holds ", "and 16 GiB is the limit\n", "hint: raise the limit with --max-size\n",
		} {
			if code != exitFailed || !strings.Contains(errout, want) {
				t.Errorf("convert %v: %d\n%s; want %q", args, code, errout, want)
			}
		}
		if allocated > 64<<20 {
			t.Errorf("convert %v allocates %d bytes", args, allocated)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("an output was written")
	}

	small := sparseImage(t, 32<<20)
	for limit, want := range map[string]int{"16MiB": exitFailed, "33MiB": 0, "": 0, "none": exitUsage, "-1": exitUsage} {
		args := []string{"convert", small, "-q", "-o", out, "--format", "docker"}
		if limit != "" {
			args = append(args, "--max-size", limit)
		}
		if code, _, errout := ingot(args...); code != want {
			t.Errorf("--max-size %q: %d\n%s; want %d", limit, code, errout, want)
		}
	}

	// An image without holes: the limit is too small for what it really holds.
	tree := &image.Tree{Root: image.NewDir(0o755)}
	tree.Root.Add("full", image.NewFile(0o644, image.Bytes(strings.Repeat("x", 1<<20))))
	code, _, errout := ingot("convert", writeTree(t, tree), "-q", "-o", out, "--format", "tar", "--max-size", "64KiB")
	if want := "an archive of the files would have 1 MiB, the source holds "; code != exitFailed || !strings.Contains(errout, want) {
		t.Errorf("--max-size below what is held: %d\n%s; want %q", code, errout, want)
	}

	// A disk that is nearly all holes, on its way down a pipe.
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(disk, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 5<<20); err != nil {
		t.Fatal(err)
	}
	if code, _, errout := ingot("convert", disk, "-q", "-o", "-", "--format", "raw", "--max-size", "4MiB"); code != exitFailed || !strings.Contains(errout, "as raw, the disk would have 5 MiB") {
		t.Errorf("convert to a pipe: %d\n%s; want that it is too large", code, errout)
	}
	if code, out, errout := ingot("convert", disk, "-q", "-o", "-", "--format", "raw"); code != 0 || len(out) != 5<<20 {
		t.Errorf("convert to a pipe: %d, %d bytes\n%s", code, len(out), errout)
	}
}

// TestLimitsOfNothing: a limit that limits nothing is a mistake on the command line, found
// before anything is read.
func TestLimitsOfNothing(t *testing.T) {
	for _, x := range []struct{ line, want string }{
		{"check --root none --max-size 1G", "check: --max-size is for disk images and ISOs, and none is a root"},
		{"convert none.img -o x.img --max-size 1G", "convert: --max-size is for tar, docker and -o -"},
		{"convert none.img -o x --format vhd --max-size 1G", "convert: --max-size is for tar, docker and -o -"},
		{"exec --output x --output-limit 0 true", `exec: --output-limit: "0": must be at least 1`},
		{"exec --output-limit 1G true", "exec: --output-limit needs --output, --xchg or --share"},
		{"exec --output-files 7 true", "exec: --output-files needs --output, --xchg or --share"},
	} {
		if code, _, errout := ingot(strings.Fields(x.line)...); code != exitUsage || !strings.Contains(errout, x.want) {
			t.Errorf("%s: %d\n%s; want %d, %s", x.line, code, errout, exitUsage, x.want)
		}
	}
}

// TestCheckCountsHoles: so it is with what check hashes.
func TestCheckCountsHoles(t *testing.T) {
	tree, err := identified(t, checkedImage(t, "raw")).Volumes[1].Tree()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tree.Lookup("/nix/store").Entries() {
		if n := e.Node.Child("one"); n != nil {
			n.Data = image.Hole(1 << 40)
		}
	}
	img := writeTree(t, tree)
	code, _, errout := ingot("check", img, "-q")
	for _, want := range []string{"what is hashed of the store would have 1.0 TiB, ", "and 16 GiB is the limit", "hint: raise the limit with --max-size, or leave out with --no-contents"} {
		if code != exitTrouble || !strings.Contains(errout, want) {
			t.Errorf("check: %d\n%s; want %q", code, errout, want)
		}
	}
	if code, _, errout := ingot("check", img, "-q", "--no-contents"); code > exitFindings {
		t.Errorf("check --no-contents: %d\n%s", code, errout)
	}
}

// TestLimitsAreSizes: a limit that is no size is refused before anything is opened.
func TestLimitsAreSizes(t *testing.T) {
	for _, x := range []struct {
		args []string
		want string
	}{
		{[]string{"check", "nonesuch", "--max-database", "much"}, `--max-database "much": must be a size such as 8GiB`},
		{[]string{"check", "nonesuch", "--max-database", "0"}, `--max-database "0": must be a size such as 8GiB`},
		{[]string{"check", "nonesuch", "--max-size", "0"}, `--max-size "0": must be a size such as 100GiB`},
		{[]string{"convert", "nonesuch", "-o", "x.tar", "--max-size", "much"}, `--max-size "much": must be a size such as 100GiB`},
	} {
		if code, _, errout := ingot(x.args...); code != exitUsage || !strings.HasPrefix(errout, "ingot: "+x.want+"\n") {
			t.Errorf("%q: %d\n%s; want %d, %s", x.args, code, errout, exitUsage, x.want)
		}
	}
	img := checkedImage(t, "raw")
	if code, _, errout := ingot("check", img, "--max-database", "4KiB"); code != exitTrouble || !strings.Contains(errout, "hint: raise the limit with --max-database\n") {
		t.Errorf("check of a database above the limit: %d\n%s", code, errout)
	}
	if code, out, errout := ingot("check", img, "--max-database", "1MiB"); code != 0 {
		t.Errorf("check of a database below it: %d\n%s%s", code, out, errout)
	}
}
