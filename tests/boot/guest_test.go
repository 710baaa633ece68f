package boot

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/storedb"
	"ingot/vm"
)

// inside is a recipe that needs nothing of the host but its own files, so that it can
// be built on another machine: with every file system, a closure whose hashes are not
// known, and what joins the store.
const inside = `name: inside
store:
  closures: [{graph: graph, from: store}]
  add: [{name: notes, source: notes}]
  deduplicate: true
disk:
  table: hybrid
  partitions:
    - {name: esp, type: esp, filesystem: fat, label: ESP, mbr: true, contents: {from: notes}}
    - {name: swap, filesystem: swap, size: 1MiB}
    - name: root
      filesystem: ext4
      label: inside
      size: fit+4MiB
      contents: {store: true, from: notes, files: [{path: /srv/one, source: notes/deep/one, mode: 0600, uid: 1000}]}
`

// live is a recipe of a live system. Its GRUB and its mksquashfs are this machine's; a
// guest has them, too.
const live = `name: live
disk:
  partitions:
    - name: root
      filesystem: ext4
      contents: {from: notes, files: [{path: /boot/kernel, text: kernel}, {path: /boot/initrd, text: initrd}]}
bootloader:
  grub: [bios, efi]
  entries: [{title: Live, kernel: /boot/kernel, initrd: [/boot/initrd]}]
`

// liveTools are the packages of what builds live.
const liveTools = "grub-common, grub-pc-bin, grub-efi-amd64-bin, squashfs-tools"

// outputs are what is built on both sides: a disk, and live systems in all shapes.
var outputs = []struct {
	recipe, name string
	settings     []string
}{
	{"inside.yaml", "inside.img", nil},
	{"live.yaml", "files.iso", []string{"output.format=iso"}},
	{"live.yaml", "erofs.iso", []string{"output.format=iso", "output.store=erofs"}},
	{"live.yaml", "squashfs.iso", []string{"output.format=iso", "output.store=squashfs", "output.level=1"}},
	{"live.yaml", "folder", []string{"output.format=netboot", "output.level=1"}},
}

// otherClock starts a machine 20 years ago.
var otherClock = []string{"-rtc", "base=2006-01-02T15:04:05"}

// insideInputs writes the recipe and what it names into a folder, and returns a disk
// that holds the same files.
func insideInputs(t *testing.T) (dir string, disk vm.Disk) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "inputs")
	files := map[string]string{"inside.yaml": inside, "live.yaml": live}
	var graph strings.Builder
	for i := range 8 {
		name := fmt.Sprintf("%032d-item", i)
		fmt.Fprintf(&graph, "/nix/store/%s\n\n1\n/nix/store/%032d-item\n", name, i/2)
		files["store/"+name+"/file"] = strings.Repeat(fmt.Sprint(i/2), 10000*i)
		files["notes/deep/"+[]string{"one", "two", "three", "É", "a name with spaces", "Z", ".hidden", "4"}[i]] = fmt.Sprint(i)
	}
	files["graph"] = graph.String()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf("name: inputs\ndisk: {partitions: [{name: inputs, filesystem: ext4, contents: {from: %q}}]}\n", dir)
	path, _ := build(t, text, "raw")
	return dir, vm.Disk{Path: path}
}

// databaseDigest registers the closure of the inputs in a root, its items in reversed
// order, and returns the digest of the database.
func databaseDigest(t *testing.T, ctx context.Context, dir string) string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "graph"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	items, err := storedb.Nix.ReadGraph(f.Name(), f)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(items)
	c, err := storedb.NewClosure(storedb.Nix, storedb.From(filepath.Join(dir, "store"), items))
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+w", root).Run() }) // a store is read-only
	if _, err := storedb.Register(ctx, root, c, storedb.RegisterOptions{Copy: true}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root, storedb.Nix.DatabasePath()))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// outputDigests builds one of the outputs here, and returns the digest of its file, or of
// each file where it is a folder.
func outputDigests(t *testing.T, ctx context.Context, recipe, name string, settings []string) []string {
	t.Helper()
	r, err := recipes.Load(recipe, settings)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(ctx, r, plan.Host{Path: filepath.SplitList(os.Getenv("PATH"))})
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), name)
	if _, err := p.Emit(ctx, out, plan.EmitOptions{}); err != nil {
		t.Fatal(err)
	}
	var sums []string
	err = filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(b)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// buildInside has the guest build the outputs from the disk vdb, and compares the digests
// of what it wrote with those of what is written here. So it does with the database of a
// root in which the guest registers the closure.
func buildInside(t *testing.T, ctx context.Context, m *vm.Machine, dir string) {
	t.Helper()
	inGuest := func(command string) string {
		t.Helper()
		out, status, err := m.Run(ctx, command)
		if err != nil || status != 0 {
			t.Fatalf("in the guest: %s: status %d, %v\n%s", command, status, err, out)
		}
		return out
	}
	if out := inGuest("mount -o ro /dev/vdb1 /mnt && date +%Y"); !strings.Contains(out, "2006") {
		t.Errorf("the guest's clock is not another one:\n%s", out)
	}
	for _, x := range outputs {
		out := inGuest(fmt.Sprintf("ingot build -q /mnt/%s -o /root/%s%s && find /root/%[2]s -type f | xargs sha256sum; rm -r /root/%[2]s",
			x.recipe, x.name, strings.Join(append([]string{""}, x.settings...), " --set ")))
		for _, want := range outputDigests(t, ctx, filepath.Join(dir, x.recipe), x.name, x.settings) {
			if !strings.Contains(out, want) {
				t.Errorf("%s of the guest has not the digest %s:\n%s", x.name, want, out)
			}
		}
	}
	out := inGuest("ingot register --root /root/registered --graph /mnt/graph --from /mnt/store --copy && sha256sum /root/registered/nix/var/nix/db/db.sqlite; umount /mnt")
	if want := databaseDigest(t, ctx, dir); !strings.Contains(out, want) {
		t.Errorf("the guest's database has not the digest %s:\n%s", want, out)
	}
}
