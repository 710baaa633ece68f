package ext4

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
)

// judge returns the command of an independent tool. Where it is missing the test is
// skipped, or fails where CI is set.
func judge(t testing.TB, name, debianPackage string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil { // an ordinary user's PATH may lack it
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is missing; the package %s brings it", name, debianPackage)
	}
	if err != nil {
		t.Skipf("%s is missing; the package %s brings it", name, debianPackage)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	return cmd
}

// output runs a judge that must not complain and returns what it prints.
func output(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, tail(string(out)), tail(stderr.String()))
	}
	return string(out)
}

func tail(s string) string { return s[max(0, len(s)-3000):] }

// writeSparse writes m into a file of the test's own.
func writeSparse(t testing.TB, m *image.Map) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ext4.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(m.Size()); err != nil {
		t.Fatal(err)
	}
	for l := range m.Leaves(0, m.Size()) {
		if _, err := io.Copy(io.NewOffsetWriter(f, l.Off), io.NewSectionReader(l.Src, l.SrcOff, l.Len)); err != nil {
			t.Fatalf("%s: %v", l.Describe(), err)
		}
	}
	return path
}

// fsck asserts that e2fsck has nothing to say about the file system at path.
func fsck(t testing.TB, path string) {
	t.Helper()
	cmd := judge(t, "e2fsck", "e2fsprogs", "-fn", path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, tail(string(out)))
	}
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "Pass ") && !strings.HasPrefix(line, "e2fsck ") && !strings.Contains(line, " blocks\n") {
			t.Fatalf("e2fsck says:\n%s", tail(string(out)))
		}
	}
}

// lay lays t out, writes it, and has e2fsck look at it.
func lay(t testing.TB, f FileSystem, tree *image.Tree, v image.Volume) (string, *image.Map) {
	t.Helper()
	m, err := f.Layout(tree, v)
	if err != nil {
		t.Fatal(err)
	}
	path := writeSparse(t, m)
	fsck(t, path)
	return path, m
}

// debugfs runs one command of debugfs.
func debugfs(t testing.TB, path, command string) string {
	t.Helper()
	return output(t, judge(t, "debugfs", "e2fsprogs", "-R", command, path))
}
