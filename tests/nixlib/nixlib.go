package nixlib

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
)

// Expressions returns a folder with ingot's expressions, and images.nix, whose attributes are images
// of a small system: built with ingot, and with GRUB and mksquashfs of Debian.
func Expressions(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+w", dir).Run() })
	root := testenv.Root(t)
	must(t, os.CopyFS(filepath.Join(dir, "nix"), os.DirFS(filepath.Join(root, "nix"))))
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join(root, "tests/nixlib/testdata"))))
	nixtest.Expression(t, filepath.Join(dir, "system"))
	in := filepath.Join(dir, "input")

	ingot := filepath.Join(in, "ingot/bin/ingot")
	build := exec.Command("make", "-s", "build", "OUT="+ingot)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	tools := filepath.Join(in, "busybox/bin")
	must(t, os.MkdirAll(tools, 0o755))
	must(t, nixtest.Tools(fstest.Judge(t, "busybox", "busybox-static"), tools))

	grub := fstest.Judge(t, "grub-mkimage", "grub-common")
	for name, platform := range map[string]string{"grub2": "i386-pc", "grub2_efi": "x86_64-efi"} {
		bundle(t, filepath.Join(in, name), grub)
		must(t, os.CopyFS(filepath.Join(in, name, "lib/grub", platform), os.DirFS("/usr/lib/grub/"+platform)))
		must(t, os.MkdirAll(filepath.Join(in, name, "share/grub"), 0o755))
		copyFile(t, "/usr/share/grub/unicode.pf2", filepath.Join(in, name, "share/grub/unicode.pf2"))
	}
	bundle(t, filepath.Join(in, "squashfsTools"), fstest.Judge(t, "mksquashfs", "squashfs-tools"))

	// QEMU looks for its firmware and its modules beside the program that runs, which is the
	// dynamic linker.
	qemu := filepath.Join(in, "qemu")
	bundle(t, qemu, fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86"))
	must(t, os.MkdirAll(filepath.Join(qemu, "share/qemu"), 0o755))
	for _, file := range []string{"/usr/share/seabios/bios-256k.bin", "/usr/share/seabios/vgabios-stdvga.bin", "/usr/share/qemu/kvmvapic.bin", "/usr/share/qemu/linuxboot_dma.bin"} {
		copyFile(t, file, filepath.Join(qemu, "share/qemu", filepath.Base(file)))
	}
	const modules = "lib/x86_64-linux-gnu/qemu"
	must(t, os.MkdirAll(filepath.Join(qemu, modules), 0o755))
	copyFile(t, "/usr/"+modules+"/accel-tcg-x86_64.so", filepath.Join(qemu, modules, "accel-tcg-x86_64.so"))
	return dir
}

// bundle copies programs, with the libraries that they load, to libexec and lib of a folder.
func bundle(t testing.TB, dir string, programs ...string) {
	t.Helper()
	for _, sub := range []string{"lib", "libexec"} {
		must(t, os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}
	// glibc loads this one when a thread ends.
	copyFile(t, "/lib/x86_64-linux-gnu/libgcc_s.so.1", filepath.Join(dir, "lib/libgcc_s.so.1"))
	library := regexp.MustCompile(`(/\S+) \(0x`)
	for _, program := range programs {
		copyFile(t, program, filepath.Join(dir, "libexec", filepath.Base(program)))
		for _, m := range library.FindAllStringSubmatch(fstest.Run(t, "ldd", program), -1) {
			name := filepath.Base(m[1])
			if strings.HasPrefix(name, "ld-linux") {
				name = "ld.so"
			}
			copyFile(t, m[1], filepath.Join(dir, "lib", name))
		}
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err, os.WriteFile(to, data, 0o755))
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A machine is a Nix with a store of its own.
type machine struct {
	t      testing.TB
	dir    string // with the expressions, and the store in the folder nix
	chroot string // with another Nix than this machine's; empty without
}

// newMachine returns this machine's Nix, as the user of the test.
func newMachine(t testing.TB) machine {
	t.Helper()
	if out, err := exec.Command("unshare", "--map-root-user", "--mount", "true").CombinedOutput(); err != nil {
		testenv.Missing(t, fmt.Sprintf("a sandbox of Nix takes namespaces, which are not permitted here: %s", bytes.TrimSpace(out)))
	}
	return machine{t: t, dir: Expressions(t)}
}

// newChroot returns the Nix in the chroot that tests/setup/nix makes, with users to build as.
func newChroot(t testing.TB) machine {
	t.Helper()
	chroot := os.Getenv("INGOT_NIX_CHROOT")
	if chroot == "" {
		t.Skip("it takes a chroot with Nix: make test-nix makes one, and sets INGOT_NIX_CHROOT to it")
	}
	if _, err := os.Stat(filepath.Join(chroot, "usr/bin/nix-build")); err != nil {
		t.Fatalf("INGOT_NIX_CHROOT: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Fatal("it takes root to enter a chroot: run as root")
	}
	return machine{t: t, dir: Expressions(t), chroot: chroot}
}

// command is a program of Nix that works on the store. In its arguments, the folder with the
// expressions is called DIR.
func (m machine) command(program string, args ...string) *exec.Cmd {
	dir, store := m.dir, []string{"--store", m.dir}
	if m.chroot != "" {
		dir, store = "/mnt", nil
	}
	if program == "nix" { // whose options come behind its subcommand, too
		args = slices.Concat(args, store)
	} else {
		args = slices.Concat(store, args)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", dir)
	}
	if m.chroot == "" {
		return nixtest.Command(fstest.Judge(m.t, program, "nix-bin"), args...)
	}
	cmd := nixtest.Command("unshare", append([]string{"--mount", "--pid", "--net", "--fork", "--kill-child",
		"sh", filepath.Join(m.dir, "enter.sh"), m.chroot, m.dir, program}, args...)...)
	cmd.Env = append(cmd.Env, "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/root", strings.Join([]string{
		"NIX_CONFIG=substitute = false", "build-users-group = nixbld", "sandbox = true", "sandbox-fallback = false",
		"experimental-features = nix-command flakes", "auto-optimise-store = false",
	}, "\n"))
	return cmd
}

// run runs a program of Nix.
func (m machine) run(program string, args ...string) (string, error) {
	cmd := m.command(program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, stderr.Bytes())
	}
	return stdout.String(), nil
}

// build builds an attribute of images.nix and returns where its output lies.
func (m machine) build(attribute string, args ...string) (string, error) {
	out, err := m.run("nix-build", append([]string{"--no-out-link", "--option", "sandbox-fallback", "false", "DIR/images.nix", "-A", attribute}, args...)...)
	return filepath.Join(m.dir, strings.TrimSpace(out)), err
}

// fails builds an attribute of images.nix whose builder fails, and returns what was said.
func (m machine) fails(attribute string) string {
	m.t.Helper()
	out, err := m.run("nix-instantiate", "--eval", "-E", "(import DIR/images.nix)."+attribute+".outPath")
	if err != nil {
		m.t.Fatal(err)
	}
	// Nix 2.8 leaves what a builder has made for a look at it: at this path, whatever --store says.
	left := strings.Trim(strings.TrimSpace(out), `"`)
	_, before := os.Lstat(left)
	built, err := m.build(attribute)
	if errors.Is(before, fs.ErrNotExist) && m.chroot == "" && strings.HasPrefix(left, "/nix/store/") {
		if err := os.RemoveAll(left); err != nil {
			m.t.Error(err)
		}
	}
	if err == nil {
		m.t.Errorf("%s is built, at %s; want an error", attribute, built)
		return ""
	}
	return err.Error()
}

// files lists the names in a folder, and those in its folders.
func files(t testing.TB, dir string) (list []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, err = filepath.Rel(dir, name)
			list = append(list, name)
		}
		return err
	}))
	return list
}
