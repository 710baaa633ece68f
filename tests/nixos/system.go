package nixos

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Config says what a system is to be, as a NixOS configuration does.
type Config struct {
	Label           string // config.system.nixos.label
	Systemd         bool   // boot.initrd.systemd.enable
	FileSystems     []FileSystem
	Swaps           []string // devices
	Params          []string // boot.kernelParams
	Specialisations map[string]*Config
	GRUB            string   // boot.loader.grub.device; no switch-to-configuration if empty
	Modules         []string // boot.initrd.availableKernelModules; default: loadable
	PostBoot        string   // boot.postBootCommands
	Secrets         bool     // boot.initrd.secrets are set
	NoFsck          bool     // stage 1 has no program that checks ext4
}

func (c *Config) modules() []string {
	if c.Modules != nil {
		return c.Modules
	}
	return loadable
}

// params are the kernel's arguments: systemd/initrd.nix adds root=fstab.
func (c *Config) params() []string {
	list := slices.Clone(c.Params)
	if c.Systemd {
		list = append(list, "root=fstab")
	}
	return append(list, "loglevel=4")
}

// system makes a toplevel: top-level.nix, kernel.nix, activatable-system.nix, bootspec.nix.
func (b *builder) system(c *Config) string {
	b.t.Helper()
	special := map[string]string{}
	for name, config := range c.Specialisations {
		special[name] = b.system(config)
	}
	initrd := b.scripted
	if c.Systemd {
		initrd = b.systemd
	}
	archive := initrd(c)
	etc := b.etc(c)
	sw := b.path()
	post := b.text("local-cmds", "#! "+b.shell+"/bin/sh\n"+c.PostBoot, 0o555)
	name := "nixos-system-ingot-test-" + c.Label
	key := fmt.Sprint(archive, etc, sw, post, sorted(special), c.params(), c.GRUB, c.Secrets, b.script("stage-2.sh"), b.script("activate.sh"), b.script("switch.sh"), b.script("install-grub.sh"))
	return b.add(name, key, func(out, dir string) {
		values := map[string]string{"systemConfig": out, "postBootCommands": post, "earlyMountScript": b.text("mounts.sh", b.script("early-mount.sh"), 0o444)}
		stage2 := b.filled("stage-2.sh", values)
		if c.Systemd {
			copyFile(b.t, filepath.Join(b.at(b.init), "lib/systemd/systemd"), filepath.Join(dir, "init"), 0o555)
			write(b.t, filepath.Join(dir, "prepare-root"), stage2, 0o555)
		} else {
			write(b.t, filepath.Join(dir, "init"), stage2, 0o555)
		}
		link(b.t, etc+"/etc", filepath.Join(dir, "etc"))
		link(b.t, sw, filepath.Join(dir, "sw"))
		link(b.t, b.init, filepath.Join(dir, "systemd"))
		write(b.t, filepath.Join(dir, "init-interface-version"), "systemd 2", 0o444)
		write(b.t, filepath.Join(dir, "nixos-version"), c.Label, 0o444)
		write(b.t, filepath.Join(dir, "system"), "x86_64-linux", 0o444)
		write(b.t, filepath.Join(dir, "extra-dependencies"), "", 0o444)
		link(b.t, b.linux+"/bzImage", filepath.Join(dir, "kernel"))
		link(b.t, b.modules, filepath.Join(dir, "kernel-modules"))
		link(b.t, archive+"/initrd", filepath.Join(dir, "initrd"))
		write(b.t, filepath.Join(dir, "kernel-params"), strings.Join(c.params(), " "), 0o444)
		for name, system := range special {
			link(b.t, system, filepath.Join(dir, "specialisation", name))
		}
		if len(special) == 0 {
			check(b.t, os.MkdirAll(filepath.Join(dir, "specialisation"), 0o755))
		}
		write(b.t, filepath.Join(dir, "activate"), b.filled("activate.sh", values), 0o555)
		if c.Secrets {
			write(b.t, filepath.Join(dir, "append-initrd-secrets"), "#! "+b.shell+"/bin/sh\nexit 0\n", 0o555)
		}
		if c.GRUB != "" {
			installer := b.text("install-grub.sh", b.filled("install-grub.sh", map[string]string{"devices": c.GRUB, "timeout": "0", "grubVersion": "2.12"}), 0o555)
			values["installBootLoader"] = installer
			write(b.t, filepath.Join(dir, "bin/switch-to-configuration"), b.filled("switch.sh", values), 0o555)
		}
		b.bootspec(c, out, dir, archive, special)
	})
}

// document is the bootspec of RFC 125.
type document struct {
	V1       v1                  `json:"org.nixos.bootspec.v1"`
	Children map[string]document `json:"org.nixos.specialisation.v1,omitempty"`
	Boot     map[string]string   `json:"org.nixos.systemd-boot,omitempty"`
}

type v1 struct {
	Init     string   `json:"init"`
	Initrd   string   `json:"initrd"`
	Secrets  string   `json:"initrdSecrets,omitempty"`
	Kernel   string   `json:"kernel"`
	Params   []string `json:"kernelParams"`
	Label    string   `json:"label"`
	System   string   `json:"system"`
	Toplevel string   `json:"toplevel"`
}

// bootspec writes boot.json, with those of the specialisations within.
func (b *builder) bootspec(c *Config, out, dir, archive string, special map[string]string) {
	b.t.Helper()
	data, err := json.Marshal(b.document(c, out, archive, special))
	check(b.t, err)
	write(b.t, filepath.Join(dir, "boot.json"), string(data), 0o444)
}

func (b *builder) document(c *Config, out, archive string, special map[string]string) document {
	b.t.Helper()
	d := document{Children: map[string]document{}, Boot: map[string]string{"sortKey": "nixos"}, V1: v1{
		Init: out + "/init", Initrd: archive + "/initrd", Kernel: b.linux + "/bzImage", Params: c.params(),
		Label:  fmt.Sprintf("NixOS Yarara %s (Linux %s)", c.Label, b.kernel.Release),
		System: "x86_64-linux", Toplevel: out,
	}}
	if c.Secrets {
		d.V1.Secrets = out + "/append-initrd-secrets"
	}
	for _, name := range slices.Sorted(maps.Keys(special)) {
		config := c.Specialisations[name]
		initrd := b.scripted
		if config.Systemd {
			initrd = b.systemd
		}
		d.Children[name] = b.document(config, special[name], initrd(config), nil)
	}
	return d
}

// etc makes the item that /etc's links lead to.
func (b *builder) etc(c *Config) string {
	b.t.Helper()
	text := fstab(c.FileSystems)
	for _, device := range c.Swaps {
		text += device + " none swap defaults 0 0\n"
	}
	release := "ID=nixos\nNAME=NixOS\nVERSION_ID=\"26.05\"\nPRETTY_NAME=\"NixOS 26.05 (Yarara)\"\n"
	nix := "build-users-group =\nsandbox = false\nsubstitute = false\nexperimental-features = nix-command\n"
	return b.add("etc", text+release+nix, func(_, dir string) {
		write(b.t, filepath.Join(dir, "etc/fstab"), text, 0o444)
		write(b.t, filepath.Join(dir, "etc/os-release"), release, 0o444)
		write(b.t, filepath.Join(dir, "etc/hostname"), "ingot-test\n", 0o444)
		write(b.t, filepath.Join(dir, "etc/nix/nix.conf"), nix, 0o444)
	})
}

// path makes system-path, the programs of the system.
func (b *builder) path() string {
	b.t.Helper()
	return b.add("system-path", b.shell+b.nix+b.utilLinux, func(_, dir string) {
		for _, item := range []string{b.nix, b.utilLinux, b.shell} {
			if item == "" {
				continue
			}
			found, err := filepath.Glob(filepath.Join(b.at(item), "bin/*"))
			check(b.t, err)
			for _, file := range found {
				name := filepath.Join(dir, "bin", filepath.Base(file))
				if !exists(name) {
					link(b.t, item+"/bin/"+filepath.Base(file), name)
				}
			}
		}
	})
}
