package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// containersOf makes files of all kinds that hold a disk, in the working directory, each with a
// name that says nothing of it, and returns what they are called.
func containersOf(t *testing.T, disk string) map[string]string {
	t.Helper()
	qemu := fstest.Judge(t, "qemu-img", "qemu-utils")
	says := map[string]string{}
	for name, x := range map[string]struct{ format, options, says string }{
		"sparse":     {"vmdk", "subformat=monolithicSparse", "a disk of VMware (vmdk)"},
		"stream":     {"vmdk", "subformat=streamOptimized", "a disk of VMware (vmdk)"},
		"descriptor": {"vmdk", "subformat=monolithicFlat", "a disk of VMware (vmdk)"},
		"hyperv":     {"vhdx", "subformat=dynamic", "a disk of Hyper-V (vhdx)"},
		"qed":        {"qed", "", "a disk of old versions of QEMU (qed)"},
		"qcow":       {"qcow", "", "a disk of old versions of QEMU (qcow)"},
		"parallels":  {"parallels", "", "a disk of Parallels (parallels)"},
	} {
		args := []string{"convert", "-f", "raw", "-O", x.format}
		if x.options != "" {
			args = append(args, "-o", x.options)
		}
		fstest.Run(t, qemu, append(args, disk, name)...)
		says[name] = "is " + x.says + ", which ingot does not read: `qemu-img convert -O qcow2`"
	}
	head, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	koly := append([]byte("koly\x00\x00\x00\x04"), make([]byte, 504)...)
	for name, text := range map[string]string{"dmg": string(head[:4096]) + string(koly), "cloop": "#!/bin/sh\n#V2.0 Format\nmodprobe cloop\n" + strings.Repeat("\x00", 4096)} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		says[name] = "(" + name + "), which ingot does not read: `qemu-img convert -O qcow2`"
	}
	for name, program := range map[string]string{"gzip": "gzip -c", "xz": "xz -c", "bzip2": "bzip2 -c", "zstd": "zstd -q -c", "tar": "tar -cf -"} {
		words := strings.Fields(program)
		fstest.Judge(t, words[0], words[0])
		fstest.Run(t, "sh", "-c", program+" "+disk+" >"+name)
		says[name] = "(" + name + "), which ingot does not read: `"
	}
	return says
}

// TestContainers gives files that hold a disk in a way that is not read, under names that say
// nothing, to all that read images: they are refused by what they are, and read as raw disks
// where a word says so.
func TestContainers(t *testing.T) {
	t.Setenv("INGOT_KERNEL", testenv.Kernel(t))
	t.Setenv("INGOT_GUEST", testenv.Guest(t))
	t.Chdir(t.TempDir())
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	for name, text := range map[string]string{"data.yaml": dataDisk, "script": "start\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, errout := ingot("build", "data.yaml", "-o", "data.img", "-q", "--no-manifest"); code != 0 {
		t.Fatal(errout)
	}
	for name, says := range containersOf(t, "data.img") {
		network := "machines: {a: {image: " + name + "}}\n"
		if err := os.WriteFile("network.yaml", []byte(network), 0o644); err != nil {
			t.Fatal(err)
		}
		verbs := [][]string{
			{"verify", "--digest", name}, {"check", name}, {"verify", "data.yaml", name}, {"convert", name, "-o", "out.img"}, {"serve", name, "--socket", "socket"},
			{"run", name, "--accel", "tcg"}, {"test", name, "--script", "script", "--accel", "tcg"}, {"network", "network.yaml", "--accel", "tcg"},
		}
		if strings.Contains(says, "qemu-img") {
			verbs = append(verbs, []string{"exec", "--accel", "tcg", "--disk", name, "true"})
		}
		for _, args := range verbs {
			if code, _, errout := ingot(args...); code == 0 || !strings.Contains(errout, says) || !strings.Contains(errout, name+":raw reads") {
				t.Errorf("%s: %d, %s; want %q", strings.Join(args, " "), code, errout, says)
			}
		}
		if code, out, errout := ingot("verify", "--digest", name+":raw"); code != 0 || !strings.HasPrefix(out, "sha256-1MiB:") {
			t.Errorf("digest %s:raw: %d, %s", name, code, errout)
		}
	}
	if _, err := os.Stat("out.img"); err == nil {
		t.Error("an image was written")
	}
}

// TestReadsWhatItWrites: each format of a disk that convert writes is one that it reads, by its
// suffix or by a word, and so do the other verbs.
func TestReadsWhatItWrites(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if err := os.WriteFile("data.yaml", []byte(dataDisk), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errout := ingot("build", "data.yaml", "-o", "data.img", "-q", "--no-manifest"); code != 0 {
		t.Fatal(errout)
	}
	_, digest, _ := ingot("verify", "--digest", "data.img")
	sum := strings.Fields(digest)[0]
	for _, format := range []string{"raw", "qcow2", "vdi", "vhd"} {
		name := "copy." + format
		if code, _, errout := ingot("convert", "data.img", "-o", name, "-q"); code != 0 {
			t.Fatal(errout)
		}
		if err := os.Link(name, format); err != nil { // whose name says nothing
			t.Fatal(err)
		}
		for _, img := range []string{name, format + ":" + format} {
			if _, out, errout := ingot("verify", "--digest", img); !strings.HasPrefix(out, sum+" ") {
				t.Errorf("digest %s: %s%s; want %s", img, out, errout, sum)
			}
			if code, _, errout := ingot("verify", "data.yaml", img, "-q"); code != 0 {
				t.Errorf("verify %s: %d, %s", img, code, errout)
			}
			if code, _, errout := ingot("check", img); code != exitTrouble || !strings.Contains(errout, "partition 1 (data) has ext4") {
				t.Errorf("check %s: %d, %s", img, code, errout)
			}
			if code, _, errout := ingot("run", img, "--dry-run"); code != 0 {
				t.Errorf("run %s: %d, %s", img, code, errout)
			}
		}
		if format == "raw" {
			continue
		}
		want := "its bytes are those of a " + format + ": " + format + ":raw or " + format + ":" + format + " says which it is"
		if code, _, errout := ingot("verify", "--digest", format); code == 0 || !strings.Contains(errout, want) {
			t.Errorf("digest %s: %d, %s; want %q", format, code, errout, want)
		}
	}
}

// TestWrongKind gives recipes, folders and empty files to what reads images, and images and
// folders to what reads recipes: each is told what it is, and what takes it.
func TestWrongKind(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"data.yaml": dataDisk, "zero.img": "", "short.img": "\x00\x01", "text.img": "a text\n", "tall": strings.Repeat("text\n", 1000)} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll("result/iso", 0o755); err != nil {
		t.Fatal(err)
	}
	if code, _, errout := ingot("build", "data.yaml", "-o", "result/iso/n.img", "-q", "--no-manifest"); code != 0 {
		t.Fatal(errout)
	}
	// Of which only the magic is there, as of one that is cut, and a text of no recipe.
	if err := errors.Join(os.WriteFile("broken.qcow2", []byte("QFI\xfb\x00\x00\x00\x03"+strings.Repeat("\x00", 504)), 0o644), os.WriteFile("data.img.txt", []byte(strings.Repeat("text ", 200)), 0o644)); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join("result", "big.iso")
	if code, _, errout := ingot("build", "data.yaml", "-o", "big", "-q", "--no-manifest", "--set", "disk.partitions.data.size=40MiB"); code != 0 {
		t.Fatal(errout)
	}
	if err := os.Rename("big", big); err != nil {
		t.Fatal(err)
	}
	folder := "result: is a folder, not an image; in it there is result/big.iso, result/iso/n.img"
	for name, want := range map[string]string{
		"data.yaml": "data.yaml: is no image of a disk: it is a text\nhint: of a recipe, plan shows",
		"tall":      "tall: is no image of a disk: it is a text\n", "text.img": "text.img: is no image of a disk: it is a text\n",
		"/bin/true": "/bin/true: is no image of a disk: it is an ELF program\nhint: /bin/true:raw reads it as a raw disk\n",
		"zero.img":  "zero.img: is empty, and no image of a disk", "short.img": "short.img: has 2 bytes, too few for an image of a disk, which has sectors of 512",
		"result": folder,
	} {
		for _, args := range [][]string{{"verify", "--digest", name}, {"check", name}, {"verify", "data.yaml", name}, {"convert", name, "-o", "out.img"}, {"serve", name, "--once", "--socket", "s"}} {
			if (args[0] == "convert" || args[0] == "serve") && (name == "data.yaml" || name == "tall") {
				continue // which take recipes
			}
			if code, out, errout := ingot(args...); code == 0 || out != "" || !strings.Contains(errout, want) {
				t.Errorf("%s: %d, %s%s; want %q", strings.Join(args, " "), code, out, errout, want)
			}
		}
	}
	for name, want := range map[string]string{
		"result/iso/n.img": "is a raw image with gpt of 1 partition, not a recipe: " + imageVerbs,
		big:                "is a raw image with gpt of 1 partition, not a recipe: " + imageVerbs,
	} {
		for _, args := range [][]string{{"plan", name}, {"build", name, "-o", "out.img"}, {"verify", name, "data.yaml"}, {"verify", name, name}} {
			if code, _, errout := ingot(args...); code != exitUsage || !strings.HasPrefix(errout, "ingot: "+args[0]+": "+name+": "+want) {
				t.Errorf("%s: %d, %s; want %d, %q", strings.Join(args, " "), code, errout, exitUsage, want)
			}
		}
	}
	if code, _, errout := ingot("verify", "result", "result"); code == 0 || !strings.Contains(errout, folder) {
		t.Errorf("verify result result: %d, %s; want %s", code, errout, folder)
	}
	if code, _, errout := ingot("plan", "result"); code != 0 { // a folder of files like any other
		t.Errorf("plan result: %d, %s", code, errout)
	}
	for _, line := range []string{"network result", "network " + big, "network result/iso/n.img", "network broken.qcow2", "plan broken.qcow2", "build broken.qcow2 -o out.img"} {
		args := strings.Fields(line)
		want := fmt.Sprintf("ingot: %s: ", args[0])
		if code, _, errout := ingot(args...); code != exitUsage || !strings.HasPrefix(errout, want) || !strings.Contains(errout, args[1]+": ") {
			t.Errorf("%s: %d, %s; want %d, %q", line, code, errout, exitUsage, want)
		}
	}
	if code, _, errout := ingot("run", "/bin/true", "--dry-run"); code != exitFailed || !strings.Contains(errout, " is no image of a disk: it is ") {
		t.Errorf("run /bin/true: %d, %s; want %d", code, errout, exitFailed)
	}
	if code, _, errout := ingot("run", "data.img.txt", "--dry-run"); code != exitRecipe || !strings.Contains(errout, "not a recipe: it is a single text") {
		t.Errorf("run data.img.txt: %d, %s; want %d", code, errout, exitRecipe)
	}
	if _, err := os.Stat("out.img"); err == nil {
		t.Error("an image was written")
	}
	if code, out, errout := ingot("verify", "--digest", "data.yaml:raw", "short.img:raw"); code != 0 || strings.Count(out, "sha256-1MiB:") != 2 {
		t.Errorf("digest of texts as raw disks: %d, %s%s", code, out, errout)
	}
}

// TestConvertDoesNotGuess: files are taken out of a disk only where it is clear which are
// meant, and what is left out is told.
func TestConvertDoesNotGuess(t *testing.T) {
	t.Chdir(t.TempDir())
	disk := strings.Replace(dataDisk, "partitions:\n", "partitions:\n    - {name: \"1\", type: esp, filesystem: fat, size: 4MiB, contents: {files: [{path: /esp, text: a}]}}\n", 1)
	if err := os.WriteFile("two.yaml", []byte(strings.Replace(disk, "size: 2MiB", "size: 128MiB", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errout := ingot("build", "two.yaml", "-o", "two.img", "-q", "--no-manifest"); code != 0 {
		t.Fatal(errout)
	}
	for _, x := range []struct{ args, want string }{
		{"--partition name=1", ""}, {"--partition number=1", ""}, {"--partition data", ""}, {"--partition 2 --filesystem ext4", ""},
		{"", `two.img: which partition's files are meant is not clear: there are partition 1 (1): fat; partition 2 (data): ext4; --partition names one`},
		{"--partition 3", `--partition 3: no partition has the name or the number "3": there are partition 1 (1), partition 2 (data)`},
		{"--partition 2 --filesystem fat", "--filesystem fat: partition 2 (data): nothing in it looks like fat: it can be read as ext4"},
		{"--filesystem xfs", "--filesystem: \"xfs\" is none of ext4, iso9660, erofs, fat"},
	} {
		code, _, errout := ingot(append([]string{"convert", "two.img", "-o", "x.tar", "-q"}, strings.Fields(x.args)...)...)
		if (code == 0) != (x.want == "") || !strings.Contains(errout, x.want) {
			t.Errorf("convert %s: %d, %s; want %q", x.args, code, errout, x.want)
		}
		if _, err := os.Stat("x.tar"); (err == nil) != (code == 0) {
			t.Errorf("convert %s: x.tar: %v", x.args, err)
		}
		os.Remove("x.tar")
	}
	if code, _, errout := ingot("convert", "two.img", "-o", "x.img", "--filesystem", "fat"); code != exitUsage || !strings.Contains(errout, "--filesystem is for tar and docker") {
		t.Errorf("convert -o x.img --filesystem: %d, %s", code, errout)
	}
	btrfs := filepath.Join(t.TempDir(), "btrfs")
	if err := os.WriteFile(btrfs, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(btrfs, 128<<20); err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, fstest.Judge(t, "mkfs.btrfs", "btrfs-progs"), "-q", btrfs)
	d := identified(t, "two.img")
	fstest.Run(t, "dd", "if="+btrfs, "of=two.img", "bs=64k", "conv=notrunc", "oflag=seek_bytes", "seek="+strconv.FormatInt(d.Volumes[1].Start, 10))
	want := "there are partition 1 (1): fat; partition 2 (data): btrfs"
	if code, _, errout := ingot("convert", "two.img", "-o", "x.tar"); code == 0 || !strings.Contains(errout, want) {
		t.Errorf("convert of a disk with btrfs: %d, %s; want %q", code, errout, want)
	}
	if code, _, errout := ingot("convert", "two.img", "-o", "x.tar", "--partition", "data"); code == 0 || !strings.Contains(errout, "partition 2 (data): holds a file system that ingot does not read (btrfs)") {
		t.Errorf("convert of btrfs: %d, %s", code, errout)
	}
}

// TestLeftOut: a store decides which files are meant, and the others are told.
func TestLeftOut(t *testing.T) {
	out := filepath.Join(t.TempDir(), "x.tar")
	img := checkedImage(t, "raw")
	code, _, errout := ingot("convert", img, "-o", out)
	if want := "ingot writes only the files of partition 2 (root), not those of partition 1 (esp) (fat)\n"; code != 0 || !strings.HasPrefix(errout, want) {
		t.Errorf("convert: %d, %s; want %q", code, errout, want)
	}
}
