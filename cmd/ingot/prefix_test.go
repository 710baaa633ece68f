package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/image/qcow2"
	"ingot/image/vdi"
	"ingot/image/vhd"
	"ingot/partition"
	"ingot/partition/erofs"
	"ingot/partition/ext4"
	"ingot/partition/fat"
)

// saidTwice returns what a message says twice over: a part before a colon that follows upon
// itself, by whatever layer each was put there.
func saidTwice(message string) string {
	for line := range strings.Lines(message) {
		parts := strings.Split(strings.TrimSpace(line), ": ")
		for i := 1; i < len(parts); i++ {
			if a, b := parts[i-1], parts[i]; strings.EqualFold(a, b) && a != "" {
				return a
			}
		}
	}
	return ""
}

// damagedVolumes are small volumes of all kinds that are read.
func damagedVolumes(t *testing.T) map[string][]byte {
	t.Helper()
	tree := image.NewTree()
	for name, n := range map[string]*image.Node{
		"/dir/file": image.NewFile(0o644, image.Bytes(strings.Repeat("data", 3000))), "/empty": image.NewFile(0o644, nil),
	} {
		if err := tree.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
	all := map[string][]byte{}
	add := func(name string, m *image.Map, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(name, err)
		}
		b, err := image.ReadAll(m)
		if err != nil {
			t.Fatal(name, err)
		}
		all[name] = b
	}
	volume := image.Volume{Size: image.Exactly(2 << 20)}
	e, err := ext4.FileSystem{}.Layout(tree, volume)
	add("x.ext4.img", e, err)
	f, err := fat.FileSystem{}.Layout(tree, volume)
	add("x.fat.img", f, err)
	m, err := erofs.FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
	add("x.erofs.img", m, err)
	m, err = iso9660.Layout(tree, iso9660.Options{Joliet: true})
	add("x.iso", m, err)
	for _, kind := range []partition.Kind{partition.GPT, partition.MBR} {
		table := partition.Table{Kind: kind, Partitions: []partition.Partition{{Name: "root", Type: "linux", Content: e}}}
		d, err := table.Layout()
		if err != nil {
			t.Fatal(err)
		}
		add(fmt.Sprintf("x.%v.img", kind), d.Map, nil)
		if kind == partition.GPT {
			m, err := qcow2.Layout(t.Context(), d.Map, image.WriteOptions{})
			add("x.qcow2", m, err)
			m, err = vdi.Layout(t.Context(), d.Map, image.Seed{}, image.WriteOptions{})
			add("x.vdi", m, err)
			m, err = vhd.Layout(d.Map, image.Seed{})
			add("x.vhd", m, err)
		}
	}
	return all
}

// TestNothingIsSaidTwice damages images of all kinds where their headers lie, and asks for
// what cannot be in recipes: no layer repeats what another has said.
func TestNothingIsSaidTwice(t *testing.T) {
	dir := t.TempDir()
	said := 0
	look := func(args ...string) {
		t.Helper()
		code, out, errout := ingot(args...)
		if code != 0 {
			said++
		}
		for _, text := range []string{out, errout} {
			if twice := saidTwice(text); twice != "" {
				t.Errorf("ingot %s says %q twice over:\n%s", strings.Join(args, " "), twice, text)
			}
		}
	}
	volumes := damagedVolumes(t)
	for _, name := range slices.Sorted(maps.Keys(volumes)) {
		whole := volumes[name]
		img := filepath.Join(dir, name)
		for _, at := range []int{0, 3, 4, 8, 11, 17, 20, 24, 32, 40, 58, 72, 510, 512, 520, 584, 1024, 1028, 1036, 1050, 1080, 1104, 1120, 32769, 32768 + 129, 32768 + 158, 34817, 36868, 4096, 4097, 8192, 12288} {
			if at >= len(whole) {
				continue
			}
			b := slices.Clone(whole)
			for i := range min(6, len(b)-at) {
				b[at+i] ^= 0xFF
			}
			write(t, img, b)
			look("check", img)
			look("convert", img, "-o", img+".tar", "-q")
		}
		for _, n := range []int{0, 100, 1500, 33000, len(whole) / 2} {
			write(t, img, whole[:min(n, len(whole))])
			look("check", img)
			look("convert", img, "-o", img+".tar", "-q")
		}
	}

	long := strings.Repeat("n", 300)
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, strings.Repeat("n", 255)), 0o755); err != nil {
		t.Fatal(err)
	}
	recipe := filepath.Join(dir, "x.yaml")
	build := func(text string, args ...string) {
		t.Helper()
		write(t, recipe, []byte("name: x\n"+text))
		look(append([]string{"build", recipe, "-o", filepath.Join(dir, "out"), "-q"}, args...)...)
	}
	for _, filesystem := range []string{"ext4", "fat", "swap", "btrfs", "nonsense"} {
		for _, keys := range []string{"label: " + long, "uuid: nonsense", "size: 1KiB", "size: nonsense", "contents: {from: folder}, size: 65KiB", "contents: {from: nowhere}", "inodes: 1, size: 1MiB, contents: {from: folder}"} {
			build("disk:\n  partitions:\n    - {name: p, filesystem: " + filesystem + ", " + keys + "}\n")
		}
	}
	for _, output := range []string{"{format: iso, volume-id: \"a b\"}", "{format: iso, volume-id: " + long + "}", "{format: iso, level: 99}", "{format: qcow2, compression: zstd, level: 99}", "nonsense", "{format: netboot}", "iso"} {
		build("disk:\n  partitions:\n    - {name: p, filesystem: ext4, contents: {from: folder}}\noutput: " + output + "\n")
	}
	if said < 50 {
		t.Errorf("%d commands failed; want most of them", said)
	}
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
