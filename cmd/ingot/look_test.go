package main

import (
	"os/exec"
	"testing"

	"ingot/tests/fstest"
)

// TestExecLooksIntoImage mounts the file systems of an image in a machine, changes one,
// and finds that again; and it loads a module that nothing else needs.
func TestExecLooksIntoImage(t *testing.T) {
	s := newWorkplace(t)
	s.file("data.yaml", `name: data
disk:
  partitions:
    - {name: esp, filesystem: fat, size: 34MiB, contents: {files: [{path: /readme.txt, text: "read me\n"}]}}
    - {name: data, filesystem: ext4, size: 8MiB, contents: {files: [{path: /note, text: "a note\n"}]}}
`)
	build := exec.Command("ingot", "build", "data.yaml", "-o", "data.img", "-q")
	build.Dir, build.Env = s.dir, s.env
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	const script = `set -e
mkdir /mnt/a /mnt/b
mount -o ro /dev/vda1 /mnt/a
mount /dev/vda2 /mnt/b
cat /mnt/a/readme.txt /mnt/b/note
echo changed > /mnt/b/note
umount /mnt/b
modprobe dummy
grep -c '^dummy ' /proc/modules`
	stdout, stderr, status := s.run("", "--disk", "data.img", "--module", "vfat", "--module", "ext4", "--module", "dummy", script)
	if want := "read me\na note\n1\n"; stdout != want || status != 0 {
		t.Fatalf("printed %q, status %d; want %q\n%s", stdout, status, want, stderr)
	}
	look := exec.Command("sh", "-c", "ingot convert data.img --partition data -o - --format tar -q | tar -xO note")
	look.Dir, look.Env = s.dir, s.env
	if out, err := look.CombinedOutput(); string(out) != "changed\n" || err != nil {
		t.Errorf("afterwards the note holds %q, %v", out, err)
	}
}

// TestExecOpensLUKS encrypts a disk with this machine's cryptsetup, which the guest has for
// it, and opens it again.
func TestExecOpensLUKS(t *testing.T) {
	fstest.Judge(t, "cryptsetup", "cryptsetup-bin")
	s := newWorkplace(t)
	const script = `set -e
echo secret > key
cryptsetup luksFormat --batch-mode --type=luks2 --pbkdf=pbkdf2 --pbkdf-force-iterations=1000 --key-file=key /dev/vda
cryptsetup open --key-file=key /dev/vda plain
echo hidden > /dev/mapper/plain
cryptsetup close plain
cryptsetup open --key-file=key /dev/vda plain
head -n 1 /dev/mapper/plain`
	stdout, stderr, status := s.run("", "--memory", "1G", "--new-disk", "locked.img:32MiB", "--program", "cryptsetup", script)
	if stdout != "hidden\n" || status != 0 {
		t.Errorf("printed %q, status %d; want hidden\n%s", stdout, status, stderr)
	}
}
