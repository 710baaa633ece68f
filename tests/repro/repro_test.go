// Package repro tests that an image depends only on its recipe and its closure: the same program
// builds the same bytes for another user, in another folder, time zone, locale and umask, on another
// number of processors, and from folders with another order of entries.
package repro

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ingot/tests/testenv"
)

const recipe = `name: repro
system: {kernel: kernel, modules: []}
store:
  closures:
    - {graph: graph, from: store}
  add:
    - {name: notes, source: notes}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: esp, type: esp, filesystem: fat, label: ESP}
    - {name: swap, filesystem: swap, size: 8MiB}
    - name: root
      filesystem: ext4
      label: root
      size: fit+16MiB
      contents:
        store: true
        from: overlay
        files:
          - {path: /etc/motd, text: "hello\n"}
bootloader: {grub: [bios, efi], console: [ttyS0]}
`

// inputs writes the recipe with all that it names into dir, entries in the given
// order.
func inputs(t *testing.T, dir string, reverse bool) {
	t.Helper()
	files := map[string]string{"repro.yaml": recipe}
	var graph strings.Builder
	for i := range 20 {
		name := fmt.Sprintf("%032d-item%d", i, i)
		fmt.Fprintf(&graph, "/nix/store/%s\n\n1\n/nix/store/%s\n", name, name)
		for j := range 15 {
			files[fmt.Sprintf("store/%s/share/file%d", name, j)] = strings.Repeat(fmt.Sprintf("%d %d\n", i, j), 1+i*j*20)
		}
	}
	files["graph"] = graph.String()
	for i := range 40 {
		files[fmt.Sprintf("notes/note%d", i)] = fmt.Sprint(i)
		files[fmt.Sprintf("overlay/srv/data%d", i)] = strings.Repeat("x", 100*i)
	}
	names := slices.Collect(func(yield func(string) bool) {
		for name := range files {
			if !yield(name) {
				return
			}
		}
	})
	slices.Sort(names)
	if reverse {
		slices.Reverse(names)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(testenv.Kernel(t), filepath.Join(dir, "kernel")); err != nil {
		t.Fatal(err)
	}
}

type setting struct {
	name    string
	reverse bool
	umask   string
	user    uint32 // 0: whoever runs the test
	env     []string
	format  string
	args    []string
}

// build builds the recipe under a setting and returns the digest of the disk.
func build(t *testing.T, program string, s setting) string {
	t.Helper()
	dir := testenv.Shared(t)
	in, out := filepath.Join(dir, strings.Repeat("deep/", len(s.name)%4)+"in"), filepath.Join(dir, "out")
	inputs(t, in, s.reverse)
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	if s.user != 0 {
		if err := os.Chown(out, int(s.user), int(s.user)); err != nil {
			t.Fatal(err)
		}
	}
	image := filepath.Join(out, "disk")
	args := append([]string{"build", filepath.Join(in, "repro.yaml"), "-o", image, "-q", "--no-sync", "--format", s.format}, s.args...)
	cmd := exec.Command("sh", append([]string{"-c", `umask "$0"; exec "$@"`, s.umask, program}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, s.env...)
	cmd.Dir = out
	if s.user != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.user, Gid: s.user}}
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", s.name, err, output)
	}
	if s.format == "qcow2" {
		raw := image + ".raw"
		if output, err := exec.Command("qemu-img", "convert", "-O", "raw", image, raw).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img: %v\n%s", err, output)
		}
		image = raw
	}
	if s.format == "netboot" {
		return folderDigest(t, image)
	}
	return digest(t, image)
}

// live are the outputs of live systems. Level 1 of the compression shows as
// much as level 19, sooner.
var live = []struct {
	format string
	args   []string
}{
	{"iso", nil},
	{"iso", []string{"--set", "output.store=erofs"}},
	{"iso", []string{"--set", "output={store: squashfs, level: 1, joliet: true}"}},
	{"netboot", []string{"--set", "output={level: 1}"}},
	{"netboot", []string{"--set", "output.store=erofs"}},
}

func TestOneDigestLive(t *testing.T) {
	if _, err := exec.LookPath("mksquashfs"); err != nil {
		testenv.Missing(t, "mksquashfs is missing: apt-get install squashfs-tools")
	}
	ingot := program(t)
	for _, x := range live {
		t.Run(strings.Join(append([]string{x.format}, x.args...), " "), func(t *testing.T) {
			settings := []setting{
				{name: "plain", umask: "022"},
				{name: "clock and zone", umask: "022", env: []string{"TZ=Pacific/Kiritimati", "LC_ALL=tr_TR.UTF-8", "SOURCE_DATE_EPOCH=1700000000", "GOMAXPROCS=1"}},
				{name: "umask", umask: "077", reverse: true, env: []string{"GOMAXPROCS=7", "HOME=/nonexistent"}},
			}
			if os.Geteuid() == 0 {
				settings = append(settings, setting{name: "nobody", umask: "027", user: 65534})
			}
			var want string
			for _, s := range settings {
				s.format, s.args = x.format, x.args
				switch got := build(t, ingot, s); {
				case want == "":
					want = got
				case got != want:
					t.Errorf("%s: digest = %s; want %s", s.name, got, want)
				}
			}
		})
	}
}

// folderDigest returns the digest of the names and the contents of a folder's files.
func folderDigest(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for _, e := range entries {
		fmt.Fprintln(h, e.Name(), digest(t, filepath.Join(dir, e.Name())))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func digest(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// program builds ingot where every user can run it.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(testenv.Shared(t), "ingot")
	cmd := exec.Command("make", "-s", "build", "OUT="+path)
	cmd.Dir = testenv.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, bytes.TrimSpace(out))
	}
	return path
}

func TestOneDigest(t *testing.T) {
	ingot := program(t)
	plain := setting{name: "plain", umask: "022", format: "raw"}
	want := build(t, ingot, plain)
	settings := []setting{
		{name: "again", umask: "022", format: "raw"},
		{name: "time zone and locale", umask: "022", format: "raw", env: []string{"TZ=Pacific/Kiritimati", "LC_ALL=tr_TR.UTF-8", "LANG=tr_TR", "SOURCE_DATE_EPOCH=1700000000", "TMPDIR=/nowhere"}},
		{name: "umask", umask: "077", format: "raw"},
		{name: "one processor", umask: "022", format: "raw", env: []string{"GOMAXPROCS=1"}},
		{name: "many processors", umask: "022", format: "raw", env: []string{"GOMAXPROCS=7", "HOME=/nonexistent", "USER=someone"}},
		{name: "reversed folders", umask: "022", format: "raw", reverse: true},
		{name: "qcow2", umask: "022", format: "qcow2"},
	}
	if os.Geteuid() == 0 {
		settings = append(settings, setting{name: "nobody", umask: "027", format: "raw", user: 65534})
	}
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			if got := build(t, ingot, s); got != want {
				t.Errorf("digest = %s; want %s", got, want)
			}
		})
	}
	t.Run("another seed", func(t *testing.T) {
		s := plain
		s.args = []string{"--set", "seed=other"}
		if got := build(t, ingot, s); got == want {
			t.Error("a recipe with another seed gives the same disk")
		}
	})
}
