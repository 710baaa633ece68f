package guixtest

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed guix
var scripts embed.FS

// chroot returns the folder with Guix in it.
func chroot(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("INGOT_GUIX_CHROOT")
	if dir == "" {
		t.Skip("it takes a chroot with Guix: make test-guix makes one, and sets INGOT_GUIX_CHROOT to it")
	}
	if _, err := os.Stat(filepath.Join(dir, "usr/bin/guix-daemon")); err != nil {
		t.Fatalf("INGOT_GUIX_CHROOT: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Fatal("it takes root to enter a chroot: run as root")
	}
	return dir
}

// place is where a store is that Guix is given: the root, a folder or an image of an
// ext4 file system, which has /gnu and /var/guix in it; and a folder that Guix sees
// as /mnt, for what goes in and out.
type place struct{ root, shared string }

// newPlace returns a place for a root, with the scripts in its shared folder.
func newPlace(t testing.TB, root string) place {
	t.Helper()
	p := place{root, t.TempDir()}
	if err := p.fill(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p place) fill() error {
	return fs.WalkDir(scripts, "guix", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := scripts.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(p.shared, d.Name()), text, 0o644)
	})
}

// guix runs steps, which are lines of a shell, in the chroot with a daemon that serves
// the store. It returns what they printed, and, with what they complained of, that
// they failed.
func (p place) guix(chroot, steps string) (string, error) {
	if err := os.WriteFile(filepath.Join(p.shared, "steps.sh"), []byte(steps), 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child",
		"sh", filepath.Join(p.shared, "enter.sh"), chroot, p.root, p.shared)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s%s", steps, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String(), nil
}

// run is guix where failing ends the test.
func (p place) run(t testing.TB, steps string) string {
	t.Helper()
	out, err := p.guix(chroot(t), steps)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
