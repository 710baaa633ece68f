package plan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/recipes"
	"ingot/tests/fstest"
)

// randomRecipe returns a recipe that is right: each kind of table, one to six
// partitions of all file systems, fitted or with room to spare, in any order.
func randomRecipe(r *rand.Rand) string {
	var b strings.Builder
	table := []string{"gpt", "mbr", "hybrid"}[r.IntN(3)]
	fmt.Fprintf(&b, "name: random\nseed: %q\nstore: {add: [{name: notes, source: notes}], deduplicate: %t}\ndisk:\n  table: %s\n", fmt.Sprint(r.Uint64()), r.IntN(2) == 0, table)
	if r.IntN(3) == 0 {
		fmt.Fprintf(&b, "  align: %s\n", []string{"4KiB", "64KiB", "4MiB"}[r.IntN(3)])
	}
	b.WriteString("  partitions:\n")
	n := 1 + r.IntN(6)
	store := r.IntN(n)
	for i := range n {
		fs := []string{"ext4", "fat", "swap", ""}[r.IntN(4)]
		if i == store {
			fs = "ext4"
		}
		fmt.Fprintf(&b, "    - {name: p%d, type: linux", i)
		if table == "hybrid" && i == 0 {
			b.WriteString(", mbr: true")
		}
		b.WriteString(randomFileSystem(r, fs, i))
		var contents []string
		if i == store {
			contents = append(contents, "store: true")
		}
		if (fs == "ext4" || fs == "fat") && r.IntN(2) == 0 {
			contents = append(contents, "from: notes")
		}
		if fs == "ext4" && r.IntN(2) == 0 {
			contents = append(contents, `files: [{path: /dev/x, device: "c 1:3"}, {path: /a, link: b}, {path: /d, directory: true, mode: 01777, gid: 100000}]`)
		}
		if len(contents) > 0 {
			fmt.Fprintf(&b, ", contents: {%s}", strings.Join(contents, ", "))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func randomFileSystem(r *rand.Rand, fs string, i int) string {
	exact := fmt.Sprintf("%dKiB", 4*(1+r.IntN(1000)))
	switch fs {
	case "":
		return ", size: " + exact
	case "swap":
		return fmt.Sprintf(", filesystem: swap, label: S%d, size: %dKiB", i, 64+4*r.IntN(1000))
	}
	s := fmt.Sprintf(", filesystem: %s, label: L%d, size: %s", fs, i,
		[]string{"fit", "fit+" + exact, fmt.Sprintf("%dMiB", 8+r.IntN(40)), fmt.Sprintf("%d", 8<<20+r.IntN(9999999))}[r.IntN(4)])
	if fs == "ext4" {
		s += fmt.Sprintf(", journal: %t, reserved: %d", r.IntN(2) == 0, r.IntN(6))
	}
	return s
}

// TestRandomRecipes plans recipes, writes them, and has others judge the disk and each
// file system on it.
func TestRandomRecipes(t *testing.T) {
	dir := t.TempDir()
	for i := range 30 {
		write(t, filepath.Join(dir, "notes", fmt.Sprintf("dir%d", i%4), fmt.Sprintf("Note %d.text", i)), strings.Repeat("x", i*i*40))
	}
	rounds := uint64(24)
	if testing.Short() {
		rounds = 3
	}
	for seed := range rounds {
		text := randomRecipe(rand.New(rand.NewPCG(seed, 1)))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r, err := recipes.Parse("test.yaml", dir, []byte(text), nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			p, err := New(t.Context(), r, Host{})
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if again, err := New(t.Context(), r, Host{}); err != nil || digestOf(t, again) != digestOf(t, p) {
				t.Errorf("planned again: %v, or another disk\n%s", err, text)
			}
			disk := filepath.Join(t.TempDir(), "disk")
			if _, err := p.Emit(t.Context(), disk, EmitOptions{WriteOptions: image.WriteOptions{NoSync: true}}); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			judgeDisk(t, r, p, disk)
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

func judgeDisk(t *testing.T, r *recipes.Recipe, p *Plan, disk string) {
	t.Helper()
	fstest.Run(t, fstest.Judge(t, "sfdisk", "fdisk"), "-V", disk)
	if r.Disk.Table == "gpt" {
		if out := fstest.Run(t, fstest.Judge(t, "sgdisk", "gdisk"), "-v", disk); !strings.Contains(out, "No problems found") {
			t.Errorf("sgdisk -v: %s", out)
		}
	}
	for i, d := range p.Disk.Partitions {
		tool, pkg := map[string]string{"ext4": "e2fsck", "fat": "fsck.fat"}[r.Disk.Partitions[i].Filesystem], "e2fsprogs, dosfstools"
		if tool == "" {
			continue
		}
		part := filepath.Join(t.TempDir(), d.Name)
		if err := cutOut(t.Context(), disk, part, d.Start, d.Size); err != nil {
			t.Fatal(err)
		}
		fstest.Run(t, fstest.Judge(t, tool, pkg), map[string]string{"e2fsck": "-fn", "fsck.fat": "-n"}[tool], part)
	}
}

// cutOut copies a range of a file into a file of its own.
func cutOut(ctx context.Context, from, to string, off, n int64) error {
	f, err := image.NewHostFile(from)
	if err != nil {
		return err
	}
	var b image.Builder
	b.AddExtent(image.Extent{Len: n, Src: f, SrcOff: off})
	m, err := b.Map(n)
	if err != nil {
		return err
	}
	if err := image.WriteRaw(ctx, m, to, image.WriteOptions{NoSync: true}); err != nil {
		return err
	}
	return os.Chmod(to, 0o600)
}
