package tools

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// TestPrograms runs a program out of the tree alone, by its own dynamic linker.
func TestPrograms(t *testing.T) {
	fstest.Judge(t, "mkfs.xfs", "xfsprogs")
	set, err := Programs("", "", nil, "mkfs.xfs", "mke2fs")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	linker, link := "", ""
	err = set.Tree.Walk(func(name string, n *image.Node) error {
		at := filepath.Join(dir, name)
		switch {
		case n.IsDir():
			return os.MkdirAll(at, 0o755)
		case n.Link != "":
			if strings.HasPrefix(filepath.Base(name), "ld-linux") {
				link = name
			}
			return nil
		}
		if strings.HasPrefix(filepath.Base(name), "ld-linux") {
			linker = at
		}
		data, err := image.ReadAll(n.Data)
		if err != nil {
			return err
		}
		return os.WriteFile(at, data, 0o755)
	})
	if err != nil {
		t.Fatal(err)
	}
	if linker == "" || link == "" {
		t.Fatalf("the tree has the linker at %q, and a link to it at %q", linker, link)
	}
	library := ""
	for _, pattern := range []string{"usr/lib/*-linux-*", "usr/lib64", "usr/lib"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		library += strings.Join(append(found, ""), ":")
	}
	for program, want := range map[string]string{"mkfs.xfs": "mkfs.xfs version", "mke2fs": "mke2fs 1."} {
		out, err := exec.Command(linker, "--library-path", library, "--inhibit-cache", filepath.Join(dir, "usr/sbin", program), "-V").CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s -V = %s, %v; want %q", program, out, err, want)
		}
	}
	if len(set.Packages) < 3 {
		t.Errorf("packages are %v; want those of the programs and of their libraries", set.Packages)
	}
}

func TestProgramsMissing(t *testing.T) {
	_, err := Programs(t.TempDir(), "", []string{"/opt/bin"}, "mkfs.btrfs")
	if err == nil || !strings.Contains(err.Error(), "/opt/bin") || !strings.HasSuffix(err.Error(), "apt-get install btrfs-progs") {
		t.Errorf("Programs = %v; want one that names the folders and the package", err)
	}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "tool"), []byte("#!/usr/bin/perl\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Programs(root, "", []string{"/"}, "tool"); err == nil || !strings.Contains(err.Error(), "script for /usr/bin/perl") {
		t.Errorf("Programs of a script = %v", err)
	}
}
