package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image/fileformat"
	"ingot/tests/testenv"
)

// dataDisk is a recipe of a disk with a file.
const dataDisk = `name: data
disk:
  partitions:
    - {name: data, filesystem: ext4, size: 2MiB, contents: {files: [{path: /a, text: a}]}}
`

// liveDisk boots, as an ISO too.
const liveDisk = `name: live
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: root, filesystem: ext4, contents: {files: [{path: /boot/vmlinuz, text: kernel}]}}
bootloader: {grub: [bios], entries: [{title: one, kernel: /boot/vmlinuz}]}
`

// writesFor are the formats that a verb writes a file with a suffix in.
var writesFor = map[string][]string{
	"build":   {"raw", "qcow2", "vdi", "vhd", "iso", "ext4"}, // of this recipe; other file systems take a partition of theirs
	"convert": {"raw", "qcow2", "vdi", "vhd", "tar"},
}

// TestOutputSuffixes gives each suffix of the table to each verb that writes, in lower and in
// upper case: what the verb writes comes out as that, and all else is refused by name.
func TestOutputSuffixes(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("data.yaml", []byte(dataDisk), 0o644); err != nil {
		t.Fatal(err)
	}
	magic := map[string]string{"qcow2": "QFI\xfb", "vdi": "<<< Oracle VM VirtualBox Disk Image"}
	for _, f := range fileformat.All {
		for _, s := range f.Suffixes {
			for _, out := range []string{"x" + s, "X" + strings.ToUpper(s)} {
				for verb, writes := range writesFor {
					status, _, errout := ingot(verb, "data.yaml", "-q", "-o", out)
					data, err := os.ReadFile(out)
					os.Remove(out)
					os.Remove(out + ".manifest.json")
					switch {
					case slices.Contains(writes, f.Name):
						if status != 0 || !strings.HasPrefix(string(data), magic[f.Name]) {
							t.Errorf("%s -o %s: status %d: %s", verb, out, status, errout)
						}
					case verb == "build" && f.Volume != "": // which is asked for by that name
						if status != exitRecipe || err == nil {
							t.Errorf("%s -o %s: status %d: %s", verb, out, status, errout)
						}
					case status != exitUsage || err == nil || !strings.HasPrefix(errout, "ingot: "+verb+": "+out+": ") || !strings.Contains(errout, "\nhint: "):
						t.Errorf("%s -o %s: status %d: %s; want %d, and the name", verb, out, status, errout, exitUsage)
					}
				}
				if f.Name != "raw" && f.Name != "qcow2" {
					status, _, errout := ingot("exec", "--new-disk", out+":1MiB", "--dry-run", "true")
					if status != exitUsage || !strings.HasPrefix(errout, "ingot: exec --new-disk: "+out+": ") {
						t.Errorf("exec --new-disk %s:1MiB: status %d: %s", out, status, errout)
					}
				}
				if status, _, errout := ingot("serve", "data.yaml", "--overlay", out); status != exitUsage || !strings.Contains(errout, "serve: --overlay "+out+": ") {
					t.Errorf("serve --overlay %s: status %d: %s", out, status, errout)
				}
			}
		}
	}
}

// TestOutputDisagrees names outputs that are another format by their names than by the recipe
// or by a flag.
func TestOutputDisagrees(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, format := range map[string]string{"raw.yaml": "raw", "qcow2.yaml": "qcow2", "left.yaml": ""} {
		text := dataDisk
		if format != "" {
			text += "output: " + format + "\n"
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const recipe, flag = "output.format of the recipe", "--format"
	for line, want := range map[string]string{
		"build qcow2.yaml -o q.img":                       "build: q.img: the suffix .img is that of the format raw, and the output is qcow2 by " + recipe + ": give --format raw, or another name",
		"build raw.yaml -o s.iso":                         "build: s.iso: the suffix .iso is that of the format iso, and the output is raw by " + recipe + ": give --format iso, or another name",
		"build raw.yaml -o x.QCOW2":                       "build: x.QCOW2: the suffix .QCOW2 is that of the format qcow2, and the output is raw by " + recipe + ": give --format qcow2, or another name",
		"build left.yaml -o x.qcow2 --format raw":         "build: x.qcow2: the suffix .qcow2 is that of the format qcow2, and the output is raw by " + flag + ": give --format qcow2, or another name",
		"build qcow2.yaml -o x.raw":                       "build: x.raw: the suffix .raw is that of the format raw, and the output is qcow2 by " + recipe + ": give --format raw, or another name",
		"build raw.yaml -o x.qcow":                        "build: x.qcow: the suffix .qcow is that of a disk of old versions of QEMU, which build does not write (it writes raw, qcow2, vdi, vhd, iso, netboot, kexec, ext4, fat, erofs and squashfs); write x.qcow2, and `qemu-img convert -O qcow x.qcow2 x.qcow` makes one of it",
		"build raw.yaml -o x.squashfs":                    "build: x.squashfs: the suffix .squashfs is that of the format squashfs, and the output is raw by " + recipe + ": give --format squashfs, or another name",
		"build raw.yaml -o x.btrfs":                       "build: x.btrfs: the suffix .btrfs is that of a file system without a partition table, which build does not write (it writes raw, qcow2, vdi, vhd, iso, netboot, kexec, ext4, fat, erofs and squashfs); give another name",
		"convert left.yaml -o x.erofs":                    "convert: x.erofs: the suffix .erofs is that of an EROFS file system, which convert does not write (it writes raw, qcow2, vdi, vhd, tar and docker); ingot build RECIPE --format erofs -o x.erofs does",
		"build raw.yaml -o x.vdi":                         "build: x.vdi: the suffix .vdi is that of the format vdi, and the output is raw by " + recipe + ": give --format vdi, or another name",
		"build raw.yaml -o x.tar":                         "build: x.tar: the suffix .tar is that of a tar archive, which build does not write (it writes raw, qcow2, vdi, vhd, iso, netboot, kexec, ext4, fat, erofs and squashfs); ingot convert raw.yaml -o x.tar does",
		"build raw.yaml -o x.img.XZ":                      "build: x.img.XZ: build does not make .xz files; ingot build raw.yaml -o - | xz > x.img.XZ does",
		"convert left.yaml -o x.iso":                      "convert: x.iso: the suffix .iso is that of an ISO 9660 image, which convert does not write (it writes raw, qcow2, vdi, vhd, tar and docker); ingot build RECIPE --format iso -o x.iso does",
		"convert left.yaml -o x.iso --format raw":         "convert: x.iso: the suffix .iso is that of an ISO 9660 image, which convert does not write",
		"convert left.yaml -o x.qcow2 --format raw":       "convert: x.qcow2: the suffix .qcow2 is that of the format qcow2, and the output is raw by --format: give --format qcow2, or another name",
		"convert left.yaml -o x.vmdk --format vdi":        "convert: x.vmdk: the suffix .vmdk is that of a disk of VMware, which convert does not write",
		"convert left.yaml -o x.img --format tar":         "convert: x.img: the suffix .img is that of the format raw, and the output is tar by --format: give --format raw, or another name",
		"build raw.yaml -o x.tar.gz":                      "build: x.tar.gz: build does not make .gz files; ingot convert raw.yaml -o - --format tar | gzip > x.tar.gz does",
		"build raw.yaml -o x.TGZ":                         "build: x.TGZ: build does not make .tgz files; ingot convert raw.yaml -o - --format tar | gzip > x.TGZ does",
		"build raw.yaml -o x.iso.zst":                     "build: x.iso.zst: build does not make .zst files; ingot build raw.yaml -o - --format iso | zstd > x.iso.zst does",
		"build qcow2.yaml -o x.img.bz2":                   "build: x.img.bz2: build does not make .bz2 files; ingot build qcow2.yaml -o - --format raw | bzip2 > x.img.bz2 does",
		"build raw.yaml -o x.vhd.gz":                      "build: x.vhd.gz: build does not make .gz files; ingot build raw.yaml -o - --format vhd | gzip > x.vhd.gz does",
		"build raw.yaml -o x.gz":                          "build: x.gz: build does not make .gz files; ingot build raw.yaml -o - | gzip > x.gz does",
		"build raw.yaml -o x.simg":                        "build: x.simg: the suffix .simg is that of a sparse image of Android, which build does not write (it writes raw, qcow2, vdi, vhd, iso, netboot, kexec, ext4, fat, erofs and squashfs); write x.img, and `img2simg x.img x.simg` makes one of it",
		"convert left.yaml -o x.img.gz":                   "convert: x.img.gz: convert does not make .gz files; ingot convert left.yaml -o - --format raw | gzip > x.img.gz does",
		"convert left.yaml -o x.txz":                      "convert: x.txz: convert does not make .txz files; ingot convert left.yaml -o - --format tar | xz > x.txz does",
		"convert left.yaml -o x.qcow2.gz":                 "convert: x.qcow2.gz: convert does not make .gz files; ingot convert left.yaml -o - --format qcow2 | gzip > x.qcow2.gz does",
		"convert left.yaml -o x.img --format docker":      "convert: x.img: the suffix .img is that of the format raw, and the output is docker by --format: give --format raw, or another name",
		"convert left.yaml -o x.iso --format iso":         "convert: --format: \"iso\" is none of raw, qcow2, vdi, vhd, tar, docker",
		"convert left.yaml -o x.disk":                     "convert: the name x.disk has no suffix of a format",
		"build left.yaml -o x.img --format qcow2":         "build: x.img: the suffix .img is that of the format raw, and the output is qcow2 by " + flag,
		"build qcow2.yaml -o q.img --format raw":          "",
		"build qcow2.yaml -o Q.QCOW2":                     "",
		"build raw.yaml -o x.disk":                        "",
		"build left.yaml -o X.Qcow2":                      "",
		"convert left.yaml -o x.tar --format docker":      "",
		"convert left.yaml -o x.disk --format vhd":        "",
		"convert left.yaml -o X.VPC":                      "",
		"build left.yaml -o X.VDI":                        "",
		"build left.yaml -o without --format=qcow2":       "",
		"convert left.yaml --format raw -o folder.iso/xy": "",
	} {
		if err := os.MkdirAll("folder.iso", 0o755); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadDir(".")
		status, _, errout := ingot(append(strings.Fields(line), "-q")...)
		switch {
		case want == "" && status != 0:
			t.Errorf("%s: status %d: %s", line, status, errout)
		case want != "" && (status != exitUsage || !strings.HasPrefix(errout, "ingot: "+want)):
			t.Errorf("%s: status %d: %s; want %d: %s", line, status, errout, exitUsage, want)
		}
		if after, _ := os.ReadDir("."); want != "" && len(after) != len(before) {
			t.Errorf("%s: leaves a file", line)
		}
	}
}

// TestConvertISO copies an ISO under the name of one.
func TestConvertISO(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("live.yaml", []byte(liveDisk), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"build", "live.yaml", "-q", "-o", "Whole.ISO"}, {"convert", "Whole.ISO", "-q", "-o", "copy.iso"}} {
		if status, _, errout := ingot(args...); status != 0 {
			t.Fatalf("%s: status %d: %s", args, status, errout)
		}
	}
	want, err := os.ReadFile("Whole.ISO")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("copy.iso"); err != nil || string(got) != string(want) {
		t.Errorf("copy.iso has %d bytes, %v; want the %d of the source", len(got), err, len(want))
	}
}

// TestDevices writes to where no file can be put: nothing is made, and the way is said.
func TestDevices(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("data.yaml", []byte(dataDisk), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/no-such-disk", "stick"); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"build data.yaml -o /dev/no-such-disk":                "/dev/no-such-disk: is not there, and no file is made in /dev, which shows devices\n",
		"build data.yaml -o stick":                            "/dev/no-such-disk: is not there, and no file is made in /dev",
		"build data.yaml -o /sys/x":                           "/sys/x: is not there, and no file is made in /sys",
		"convert data.yaml --format raw -o /dev/no-such-disk": "/dev/no-such-disk: is not there, and no file is made in /dev",
		"build data.yaml -o /dev/null":                        "/dev/null: is a character device, and only a regular file can be replaced\nhint: ingot build data.yaml -o - writes to standard output\n",
		"build data.yaml --set name=other -o /dev/null":       "/dev/null: is a character device, and only a regular file can be replaced\nhint: the same command with -o - writes to standard output\n",
		"build data.yaml -o /dev/stdout":                      "/dev/stdout: is an open file of a process, and only a regular file can be replaced\nhint: ingot build data.yaml -o - writes to standard output\n",
		"convert data.yaml -o /dev/fd/1 --format vdi":         "/dev/fd/1: is an open file of a process, and only",
		"exec -o /dev/no-such-disk true":                      "--output: /dev/no-such-disk: is not there, and no file is made in /dev",
		"exec -o /dev/no-such-folder/ true":                   "--output: /dev/no-such-folder: is not there, and no file is made in /dev",
		"exec --new-disk /dev/no-such-disk:1MiB true":         "--new-disk: /dev/no-such-disk: is not there, and no file is made in /dev",
		"exec -o - true":                                      "exec: --output -: standard output is the command's own; ./- is a file of that name",
		"serve data.yaml --overlay /dev/no-such-disk":         "--overlay: /dev/no-such-disk: is not there, and no file is made in /dev",
	} {
		status, _, errout := ingot(strings.Fields(line)...)
		if status == 0 || !strings.HasPrefix(errout, "ingot: "+want) {
			t.Errorf("%s: status %d: %s; want %s", line, status, errout, want)
		}
	}
	if made, _ := filepath.Glob("/dev/no-such*"); len(made) > 0 {
		t.Errorf("%s: was made", made)
	}
}

// isoOnly is right as an ISO and no disk: a disk needs a partition for each firmware.
const isoOnly = `name: live
disk: {partitions: [{name: root, filesystem: ext4, contents: {files: [{path: /boot/vmlinuz, text: kernel}]}}]}
bootloader: {grub: [bios], entries: [{title: one, kernel: /boot/vmlinuz}]}
`

// TestNameSaysFormat: the suffix of an output's name is as good as --format, from the first look
// at the recipe on.
func TestNameSaysFormat(t *testing.T) {
	testenv.Judge(t, "grub-mkimage", "grub-common")
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"plain": isoOnly, "long": isoOnly + "output: {volume: LIVE}\n", "null": isoOnly + "output:\n"} {
		if err := os.WriteFile(name+".yaml", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if status, _, errout := ingot("plan", name+".yaml"); status != exitRecipe || !strings.Contains(errout, "no partition has type: bios-boot") && name == "plain" {
			t.Errorf("%s: as a disk: status %d: %s", name, status, errout)
		}
		wantStatus, want, wantErr := ingot("build", name+".yaml", "-q", "--format", "iso", "-o", "flag.iso")
		status, got, errout := ingot("build", name+".yaml", "-q", "-o", "name.iso")
		if status != wantStatus || got != want || errout != wantErr || status != 0 {
			t.Errorf("%s: by the name: status %d: %s%s; by the flag: %d: %s%s", name, status, got, errout, wantStatus, want, wantErr)
		}
		byFlag, err := os.ReadFile("flag.iso")
		byName, err2 := os.ReadFile("name.iso")
		if status == 0 && (err != nil || err2 != nil || string(byFlag) != string(byName)) {
			t.Errorf("%s: the two ISOs differ, or %v, %v", name, err, err2)
		}
	}
	// What the recipe says still counts, wherever it says so.
	if err := os.WriteFile("raw.yaml", []byte(dataDisk+"output: raw\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, errout := ingot("build", "raw.yaml", "-o", "x.iso"); status != exitUsage || !strings.Contains(errout, "the output is raw by output.format of the recipe") {
		t.Errorf("output: raw: status %d: %s", status, errout)
	}
	if status, _, errout := ingot("build", "raw.yaml", "-o", "x.iso", "--set", "output=qcow2"); status != exitUsage || !strings.Contains(errout, "the output is qcow2") {
		t.Errorf("--set output: status %d: %s", status, errout)
	}
}
