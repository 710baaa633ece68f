package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/recipes"
	"ingot/recipes/finish"
	"ingot/recipes/manifest"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
	"ingot/vm"
	"ingot/vm/helper"
)

// stepsOptions run the machine on this one, whose environment has the secrets of these tests.
func stepsOptions(t *testing.T, output io.Writer) finish.Options {
	t.Helper()
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	return finish.Options{
		Program: program(t), Path: filepath.SplitList(os.Getenv("PATH")), Temp: t.TempDir(),
		Getenv: func(name string) (string, bool) {
			value, ok := map[string]string{"PASSPHRASE": passphrase, "TOKEN": token}[name]
			return value, ok
		},
		Kernel: testenv.Kernel(t), Accel: vm.TCG, Output: output,
	}
}

const (
	passphrase = "correct horse, battery & staple"
	token      = "t0ken-of-the-test"
)

// finished plans a recipe and has its machine do all that takes one.
func finished(t *testing.T, text string, output io.Writer) (*plan.Plan, error) {
	t.Helper()
	o := stepsOptions(t, output)
	r, err := recipes.Parse("steps.yaml", t.TempDir(), []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(t.Context(), r, plan.Host{Program: o.Program, Path: o.Path, Temp: o.Temp})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, finish.Plan(t.Context(), p, o)
}

// emit writes a plan that is whole, and returns where.
func emit(t *testing.T, p *plan.Plan) (string, *manifest.Manifest) {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "disk.raw")
	m, err := p.Emit(t.Context(), disk, plan.EmitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return disk, m
}

// commands has a booted system run commands, and looks for what they should print.
func commands(t *testing.T, ctx context.Context, m *vm.Machine, want map[string]string) {
	t.Helper()
	for command, text := range want {
		got, status, err := m.Run(ctx, command)
		if err != nil {
			t.Fatal(err)
		}
		if status != 0 || !strings.Contains(got, text) {
			t.Errorf("%s: status %d, %q; want %q", command, status, got, text)
		}
	}
}

// TestBtrfsRoot boots a root on a btrfs that mkfs.btrfs has made, by GRUB's own reader of
// btrfs, and sees what the steps did.
func TestBtrfsRoot(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "mkfs.btrfs", "btrfs-progs")
	fstest.Judge(t, "getfattr", "attr")
	var output bytes.Buffer
	p, err := finished(t, fmt.Sprintf(`name: steps
system: {kernel: %q}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - name: root
      filesystem: btrfs
      label: steps
      size: fit+16MiB
      contents:
        store: true
        files:
          - {path: /srv/owned, text: "mine\n", uid: 1000, gid: 100, mode: 2750, xattrs: {user.note: remember}}
          - {path: /srv/console, device: "c 5:1"}
steps:
  - name: helper
    secrets: {TOKEN: {environment: TOKEN}}
    programs: [getfattr]
    script: |
      getfattr --absolute-names --only-values -n user.note /mnt/srv/owned > /mnt/etc/helper
      echo the token has ${#TOKEN} letters: $TOKEN
  - {name: root, in: root, environment: {WHERE: inside}, script: 'test -e /nix/store && echo $WHERE > /etc/root'}
  - {name: command, run: [mkdir, /mnt/srv/made]}
bootloader: {grub: [bios], timeout: 0, console: [ttyS0], arguments: [%s]}
`, testenv.Kernel(t), words), &output)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := output.String(), fmt.Sprintf("the token has %d letters: [secret]\n", len(token)); got != want {
		t.Errorf("the steps' output is %q; want %q", got, want)
	}
	disk, manifest := emit(t, p)
	if got := strings.Join(manifest.NotReproducible, "; "); got != `partition root (btrfs); step "helper"; step "root"; step "command"` {
		t.Errorf("the manifest says that not reproducible are: %s", got)
	}
	if h := manifest.Helper; h == nil || h.Kernel == "" || len(h.Tools) == 0 {
		t.Errorf("the manifest's helper = %+v; want a kernel and tools", h)
	}
	ctx, m := ready(t, disk, vm.BIOS)
	commands(t, ctx, m, map[string]string{
		"cat /etc/helper": "remember", "cat /etc/root": "inside", "ls -d /srv/made": "/srv/made",
		"mount | grep ' / '":                   "type btrfs (rw",
		"stat -c '%a %u %g %Y' /srv/owned":     "2750 1000 100 1",
		"stat -c '%F %t:%T' /srv/console":      "character special file 5:1",
		"ls -A / | grep -c lost || echo none":  "none",
		"stat -c '%Y' /nix/store/*-ingot-*":    "1",
		"test -d /dev/pts && echo still there": "still there",
	})
}

// TestEncryptedRoot boots a root on XFS in a LUKS container: by a passphrase that is
// typed, and by a key file on another partition.
func TestEncryptedRoot(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "mkfs.xfs", "xfsprogs")
	fstest.Judge(t, "cryptsetup", "cryptsetup-bin")
	key := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(key, []byte(passphrase+"\n"), 0o600))
	p, err := finished(t, fmt.Sprintf(`name: vault
system: {kernel: %q}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: boot, filesystem: ext4, label: boot, mount: /boot, size: fit+8MiB}
    - name: root
      filesystem: xfs
      encrypt: luks
      passphrase: {environment: PASSPHRASE}
      contents: {store: true}
steps:
  - {name: boot, script: 'ls /mnt/boot/kernels > /mnt/etc/kernels'}
bootloader: {grub: [bios], timeout: 0, console: [ttyS0], arguments: [%s]}
`, testenv.Kernel(t), words), nil)
	if err != nil {
		t.Fatal(err)
	}
	disk, _ := emit(t, p)
	at := rootOf(t, p.Disk)
	dump := fstest.Run(t, "sh", "-c", fmt.Sprintf("dd if=%s bs=1M skip=%d count=16 status=none > %s.luks && cryptsetup luksDump %[1]s.luks", disk, at.Start>>20, disk))
	for _, want := range []string{"Version:       \t2", "argon2id", "Memory:     65536", "aes-xts-plain64"} {
		if !strings.Contains(string(dump), want) {
			t.Errorf("cryptsetup luksDump does not say %q:\n%s", want, dump)
		}
	}
	holds(t, disk, passphrase)
	holds(t, manifest.Path(disk), passphrase)
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	typed := boot(t, disk, vm.BIOS)
	for _, try := range []string{"wrong", passphrase} {
		if _, err := typed.WaitFor(ctx, `ingot: passphrase of /dev/vda3: `); err != nil {
			t.Fatal(err)
		}
		must(t, typed.Send(try))
	}
	unlocked(t, ctx, typed)
	if strings.Contains(typed.Console(), passphrase) || !strings.Contains(typed.Console(), "wrong passphrase or key") {
		t.Errorf("the console shows the passphrase, or not that the first was wrong:\n%s", typed.Console())
	}

	keys := ext4Disk(t, "keys.img", "keys", 16, filepath.Dir(key))
	d, err := p.Direct()
	if err != nil {
		t.Fatal(err)
	}
	byKey, err := vm.Start(t.Context(), vm.Config{
		Kernel: d.Kernel, Initrd: d.Initrd[0], Append: strings.Join(append(d.Arguments, "console=ttyS0", "ingot.luks.key=LABEL=keys:/key"), " "),
		Disks: []vm.Disk{{Path: disk}, {Path: keys}}, Args: otherClock,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(byKey.Kill)
	unlocked(t, ctx, byKey)
	if strings.Contains(byKey.Console(), "passphrase of") {
		t.Errorf("the passphrase is asked for in spite of the key:\n%s", byKey.Console())
	}
}

// unlocked waits for the system in the container, and looks at it.
func unlocked(t *testing.T, ctx context.Context, m *vm.Machine) {
	t.Helper()
	if _, err := m.WaitFor(ctx, `ingot: ready on ttyS0`); err != nil {
		t.Fatal(err)
	}
	commands(t, ctx, m, map[string]string{"mount | grep ' / '": "type xfs (rw", "cat /etc/kernels": "-vmlinuz"})
	m.Kill()
}

// holds complains if a file holds a secret.
func holds(t *testing.T, file, secret string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte(secret)) {
		t.Errorf("%s holds the secret", file)
	}
}

// plainDisk is a recipe without anything to boot.
const plainDisk = `name: plain
disk:
  partitions:
    - {name: data, filesystem: %s, mount: /, size: 320MiB%s, contents: {files: [{path: /file, text: "here\n"}]}}
`

// TestStepFails: there is no image, and the error has what the step said last, but for
// its secrets.
func TestStepFails(t *testing.T) {
	parallel(t)
	p, err := finished(t, fmt.Sprintf(plainDisk, "ext4", "")+`steps:
  - name: breaks
    secrets: {TOKEN: {environment: TOKEN}}
    script: |
      cat /mnt/file
      echo "cannot log in with $TOKEN" >&2
      (exit 3)
      echo never
`, nil)
	if err == nil {
		t.Fatal("Finish: no error")
	}
	for _, want := range []string{`step "breaks": exit status 3; it said:`, "here", "cannot log in with [secret]"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Plan = %v; want %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "never") || strings.Contains(err.Error(), token) {
		t.Errorf("Plan = %v; the script goes on, or the secret shows", err)
	}
	dir := t.TempDir()
	if _, err := p.Emit(t.Context(), filepath.Join(dir, "disk"), plan.EmitOptions{}); err == nil || !strings.Contains(err.Error(), `step "breaks"`) {
		t.Errorf("Emit of what is not whole = %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestStepsRefused: what is missing is found before a machine starts.
func TestStepsRefused(t *testing.T) {
	parallel(t)
	bin := t.TempDir()
	true_, err := filepath.EvalSymlinks("/bin/true")
	must(t, err)
	must(t, os.Symlink(true_, filepath.Join(bin, "mkfs.f2fs")))
	for _, x := range []struct {
		name, text, want string
		change           func(*finish.Options)
	}{
		{"no machine", fmt.Sprintf(plainDisk, "xfs", ""), "which is refused: partition data (xfs)", func(o *finish.Options) { o.Refuse = true }},
		{"driver", fmt.Sprintf(plainDisk, "f2fs", ""), "lacks drivers that this machine needs, built in or as modules: f2fs", func(o *finish.Options) { o.Path = []string{bin} }},
		{"secret", fmt.Sprintf(plainDisk, "ext4", ", encrypt: luks, passphrase: {environment: NONE}"), "steps.yaml:4:89: disk.partitions[0].passphrase: the variable NONE, which has the secret, is not set", nil},
		{"secret file", fmt.Sprintf(plainDisk, "ext4", ", encrypt: luks, passphrase: {file: /dev/null}"), "/dev/null holds no secret: it is empty", nil},
		{"program", fmt.Sprintf(plainDisk, "ext4", "") + "steps: [{name: a, script: 'true', programs: [no-such-tool]}]", "no-such-tool is not on this machine (looked for in ", nil},
		{"kernel", fmt.Sprintf(plainDisk, "xfs", ""), "partition data (xfs) takes a virtual machine: kernel: /no/kernel: no such file or directory", func(o *finish.Options) { o.Kernel = "/no/kernel" }},
	} {
		t.Run(x.name, func(t *testing.T) {
			o := stepsOptions(t, nil)
			if x.change != nil {
				x.change(&o)
			}
			r, err := recipes.Parse("steps.yaml", t.TempDir(), []byte(x.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.New(t.Context(), r, plan.Host{Program: o.Program, Path: o.Path, Temp: o.Temp})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			err = finish.Plan(t.Context(), p, o)
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("Plan = %v; want %q", err, x.want)
			}
			var drivers *helper.MissingDriversError
			if x.name == "driver" && !errors.As(err, &drivers) {
				t.Errorf("Plan = %T; want one that names drivers", err)
			}
		})
	}
}
