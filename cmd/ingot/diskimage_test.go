package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/inspect"
	"ingot/partition/erofs"
)

// identified opens an image and identifies what is in it.
func identified(t *testing.T, name string) *inspect.Image {
	t.Helper()
	d, err := inspect.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Identify(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// checkedISOs writes the store of checkedImage as ISOs and returns their folder: plain.iso
// with the files, erofs.iso and squashfs.iso with one file that holds them, and root.erofs.
func checkedISOs(t *testing.T) string {
	t.Helper()
	d := identified(t, checkedImage(t, "raw"))
	root, err := d.Volumes[1].Tree()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lives, err := erofs.FileSystem{}.Layout(root, image.Volume{Size: image.Fit(0)})
	if err != nil {
		t.Fatal(err)
	}
	trees := map[string]*image.Tree{"plain": root}
	for name, data := range map[string]image.Blob{"erofs": lives, "squashfs": image.Bytes("hsqs" + strings.Repeat("\x00", 4096))} {
		trees[name] = image.NewTree()
		if err := trees[name].Put("/root."+name, image.NewFile(0o444, data)); err != nil {
			t.Fatal(err)
		}
	}
	maps := map[string]*image.Map{"root.erofs": lives}
	for name, tree := range trees {
		if maps[name+".iso"], err = iso9660.Layout(tree, iso9660.Options{VolumeID: "CHECKED"}); err != nil {
			t.Fatal(err)
		}
	}
	for name, m := range maps {
		if err := image.WriteRaw(context.Background(), m, filepath.Join(dir, name), image.WriteOptions{NoSync: true}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestCheckOfAnISO reads stores out of ISOs, and finds a byte of them that is wrong.
func TestCheckOfAnISO(t *testing.T) {
	dir := checkedISOs(t)
	for name, where := range map[string]string{
		"plain.iso": "the image, iso9660 (Rock Ridge)", "erofs.iso": "/root.erofs in the image, erofs", "root.erofs": "the image, erofs",
	} {
		img := filepath.Join(dir, name)
		code, out, errout := ingot("check", img)
		if want := where + ": nix store: 1 path registered, 1 there, "; code != 0 || !strings.HasPrefix(out, want) || errout != "" {
			t.Errorf("check %s: %d\n%s%s; want %s", name, code, out, errout, want)
		}
		text, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		text[bytes.Index(text, []byte(marker))] ^= 1
		if err := os.WriteFile(img, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if code, out, errout := ingot("check", img); code != exitFindings || !strings.HasPrefix(out, "hash ") || !strings.Contains(errout, "1 finding: 1 hash") {
			t.Errorf("check %s, damaged: %d\n%s%s", name, code, out, errout)
		}
	}
	code, out, errout := ingot("check", filepath.Join(dir, "squashfs.iso"))
	want := "holds no store: the image has iso9660 (Rock Ridge); /root.squashfs in the image has squashfs, which is not read: a store is read in ext4, ISO 9660, EROFS or FAT\n"
	if code != exitTrouble || out != "" || !strings.HasSuffix(errout, want) {
		t.Errorf("check of a squashfs: %d\n%s%s; want %s", code, out, errout, want)
	}
}

// TestConvertOfAnISO takes the files out of ISOs.
func TestConvertOfAnISO(t *testing.T) {
	dir := checkedISOs(t)
	for name, args := range map[string][]string{
		"plain.iso": nil, "erofs.iso": nil, "root.erofs": nil,
		"squashfs.iso": {"--partition", "/"},
	} {
		tarball := filepath.Join(dir, name+".tar")
		if code, _, errout := ingot(append([]string{"convert", filepath.Join(dir, name), "-q", "-o", tarball}, args...)...); code != 0 {
			t.Fatalf("convert %s: %d\n%s", name, code, errout)
		}
		text, err := os.ReadFile(tarball)
		if err != nil {
			t.Fatal(err)
		}
		want := marker
		if args != nil {
			want = "root.squashfs\x00"
		}
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the files of %s lack %q", name, want)
		}
	}
	code, _, errout := ingot("convert", filepath.Join(dir, "squashfs.iso"), "--partition", "/root.squashfs", "-o", filepath.Join(dir, "x.tar"))
	if want := "/root.squashfs in the image: holds a file system that ingot does not read (squashfs): it reads ext4, ISO 9660, EROFS or FAT\n"; code == 0 || !strings.HasSuffix(errout, want) {
		t.Errorf("convert of a squashfs: %d\n%s; want %s", code, errout, want)
	}
}

// TestOverlappingPartitions: a table that names one file system many times has it read a
// few times.
func TestOverlappingPartitions(t *testing.T) {
	img := checkedImage(t, "raw")
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	const entry, array = 128, 128 * 128
	for _, at := range []int{512, len(b) - 512} { // the GPT and its backup
		h := b[at : at+92]
		entries := b[le.Uint64(h[72:])*512:][:array]
		for i := 2; i < 128; i++ {
			copy(entries[i*entry:], entries[entry:2*entry])
		}
		le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
		clear(h[16:20])
		le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	}
	if err := os.WriteFile(img, b, 0o644); err != nil {
		t.Fatal(err)
	}
	d := identified(t, img)
	read, refused := 0, 0
	for _, v := range d.Volumes {
		switch _, err := v.Tree(); {
		case err == nil:
			read++
		case strings.Contains(err.Error(), "lie over each other, and have more than 16 times the disk's"):
			refused++
		}
	}
	if read < 3 || refused == 0 || read+refused != 128 {
		t.Errorf("of %d partitions, %d are read and %d refused", len(d.Volumes), read, refused)
	}
}
