package nixos

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ingot/tests/nixos/cases"
	"ingot/vm"
)

// forced are the cases that are booted all the same, with the scripted stage 1, which waits for a
// device for 20 seconds, or with systemd, whose wait the kernel's command line shortens.
var forced = map[string]bool{ // name: with systemd
	"root label":                        false,
	"root label, systemd in the initrd": true,
	"root UUID":                         true,
	"no such partition":                 true,
	"mount needed for boot":             true,
	"driver of the root":                false,
	"program that checks the root":      false,
	"driver of disks":                   true,
	"volume id, systemd in the initrd":  true,
	"form of the store":                 false,
}

// TestForced builds what lint refuses, and boots it: it fails as was foretold.
func TestForced(t *testing.T) {
	b := newBuilder(t)
	names := 0
	for _, c := range cases.All() {
		systemd, ok := forced[c.Name]
		if !ok {
			continue
		}
		names++
		file := b.wrong(t, c, systemd)
		t.Run(strings.ReplaceAll(c.Name, " ", "-"), func(t *testing.T) {
			parallel(t)
			disk := vm.Disk{Path: file}
			if strings.HasSuffix(file, ".iso") {
				disk.Bus = vm.CDROM
			}
			m, ctx := start(t, vm.Config{Disks: []vm.Disk{disk}})
			want := []string{regexp.QuoteMeta(c.Boot)}
			if systemd { // which shortens the path to 80 columns
				want = []string{"Timed out waiting for device", "Dependency failed for .*sysroot"}
			}
			if c.Name == "mount needed for boot" {
				want = append(want, "Dependency failed for .*sysroot-persist.mount")
			}
			if c.Finding == "fs-driver" {
				want = append(want, "unknown filesystem type 'ext4'|No such device")
			}
			for _, w := range want {
				if _, err := m.WaitFor(ctx, w); err != nil && !regexp.MustCompile(w).MatchString(m.Console()) { // it may have ended
					t.Fatalf("%v\n%s", err, m.Console())
				}
			}
			if strings.Contains(m.Console(), "ingot-test: up") {
				t.Errorf("it boots:\n%s", m.Console())
			}
		})
	}
	if names != len(forced) {
		t.Errorf("%d cases of %d", names, len(forced))
	}
}

// wrong has ingot refuse the system and the recipe of a case, or warn of them; and then build
// them. It returns the image.
func (b *builder) wrong(t *testing.T, c cases.Case, systemd bool) string {
	t.Helper()
	system := b.system(b.configOf(c.Config, systemd))
	dir := t.TempDir()
	text := cases.Recipe
	if c.Edit != nil {
		text = c.Edit.Replace(text)
	}
	text = strings.ReplaceAll(text, cases.Toplevel, system)
	text = strings.Replace(text, "{graph: graph, from: store}", fmt.Sprintf("{graph: %q, from: %q}", b.Graph(system), b.Dir), 1)
	recipe := filepath.Join(dir, "wrong.yaml")
	write(t, recipe, text, 0o644)
	image := filepath.Join(dir, "image.qcow2")
	if slices.Contains(c.Set, "output.format=iso") {
		image = filepath.Join(dir, "image.iso")
	}
	args := []string{"build", recipe, "-o", image, "--set", "bootloader.timeout=0"}
	for _, set := range c.Set {
		args = append(args, "--set", set)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	switch {
	case err == nil && !c.Warns:
		t.Errorf("%s: ingot does not refuse it:\n%s", c.Name, out)
	case err != nil && (c.Warns || exists(image)):
		t.Errorf("%s: %v, and the image is there: %v\n%s", c.Name, err, exists(image), out)
	case !strings.Contains(string(out), c.Finding):
		t.Errorf("%s: ingot says\n%s\nwant %s", c.Name, out, c.Finding)
	}
	if !c.Warns {
		ingot(t, append(args, "--set", "lint.ignore=["+c.Finding+"]")...)
	}
	return image
}

// configOf is the configuration of a case for a system that boots.
func (b *builder) configOf(c cases.Config, systemd bool) *Config {
	config := &Config{Label: "26.05.1", Systemd: systemd, Swaps: c.Swap, Params: append(slices.Clone(words), "boot.panic_on_fail", "systemd.default_device_timeout_sec=8")}
	for _, p := range c.Parameters {
		if strings.HasPrefix(p, "root=") && !systemd {
			config.Params = append(config.Params, p)
		}
	}
	for _, f := range c.FileSystems {
		if systemd && f.Device == "/iso/nix-store.squashfs" {
			f.Device = "/sysroot" + f.Device
		}
		if systemd && f.Type == "overlay" { // as nixos/modules/tasks/filesystems/overlayfs.nix has it
			options := []string{"x-systemd.requires-mounts-for=/sysroot/nix/.ro-store"}
			for _, o := range f.Options {
				options = append(options, strings.Replace(o, "=/", "=/sysroot/", 1))
			}
			f.Options = options
		}
		config.FileSystems = append(config.FileSystems, FileSystem{Point: f.Point, Device: f.Device, Type: f.Type, Options: f.Options, Needed: f.Early})
	}
	known := append(cases.Default().Modules, cases.Live("").Modules...)
	for _, m := range append(slices.Clone(loadable), c.Modules...) {
		lacks := slices.Contains(known, m) && !slices.Contains(c.Modules, m)
		if has, err := b.kernel.Has(m); err == nil && has && !lacks && !slices.Contains(config.Modules, m) {
			config.Modules = append(config.Modules, m)
		}
	}
	config.NoFsck = !slices.Contains(c.Programs, "fsck.ext4")
	return config
}
