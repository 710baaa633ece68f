package nixos

import (
	"os"
	"path/filepath"
	"strings"
)

// initrdUnits are the units of systemd that its stage 1 has: upstreamUnits of systemd/initrd.nix,
// with those that systemd/journald.nix, udev.nix and tmpfiles.nix add.
var initrdUnits = strings.Fields(`basic.target emergency.service emergency.target final.target
	initrd-cleanup.service initrd-fs.target initrd-parse-etc.service initrd-root-device.target initrd-root-fs.target
	initrd-switch-root.service initrd-switch-root.target initrd-usr-fs.target initrd.target kexec.target kmod-static-nodes.service
	local-fs-pre.target local-fs.target modprobe@.service multi-user.target paths.target poweroff.target reboot.target
	rescue.service rescue.target shutdown.target slices.target sockets.target swap.target sysinit.target syslog.socket
	systemd-fsck@.service systemd-fsck-root.service systemd-journald-dev-log.socket systemd-journald.service systemd-journald.socket
	systemd-modules-load.service systemd-poweroff.service systemd-reboot.service systemd-sysctl.service
	systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd.service systemd-udev-trigger.service systemd-udev-settle.service
	timers.target umount.target`)

// wants are the links in folders such as sysinit.target.wants.
var wants = map[string][]string{
	"sysinit.target": {"kmod-static-nodes.service", "systemd-journald.service", "systemd-modules-load.service", "systemd-sysctl.service", "systemd-udevd.service", "systemd-udev-trigger.service"},
	"sockets.target": {"systemd-journald-dev-log.socket", "systemd-journald.socket", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket"},
}

// systemdPackage makes the item of systemd, with the programs and generators that stage 1 needs.
func (b *builder) systemdPackage() string {
	b.t.Helper()
	files := map[string]string{}
	for _, name := range strings.Fields("systemd systemd-executor systemd-fsck systemd-journald systemd-modules-load systemd-remount-fs systemd-shutdown systemd-sulogin-shell systemd-sysctl systemd-makefs systemd-growfs") {
		files["usr/lib/systemd/"+name] = "lib/systemd/"
	}
	files["usr/lib/systemd/system-generators/systemd-fstab-generator"] = "lib/systemd/system-generators/"
	for _, name := range strings.Fields("systemctl udevadm journalctl systemd-tmpfiles") {
		files["usr/bin/"+name] = "bin/"
	}
	for _, name := range strings.Fields("cdrom_id ata_id scsi_id") {
		files["usr/lib/udev/"+name] = "lib/udev/"
	}
	return b.programs("systemd-257-debian", files, []string{"libkmod.so.2"}, map[string]string{
		"lib/systemd/systemd-udevd": "../../bin/udevadm", "lib/systemd/systemd-sysroot-fstab-check": "system-generators/systemd-fstab-generator",
	})
}

// systemd makes an initial RAM disk with systemd: systemd/initrd.nix.
func (b *builder) systemd(c *Config) string {
	b.t.Helper()
	systemd := b.systemdPackage()
	tools := b.programs("initrd-tools", map[string]string{
		"usr/bin/mount": "bin/", "usr/bin/umount": "bin/", "usr/sbin/fsck": "bin/", "usr/sbin/e2fsck": "bin/", "usr/bin/kmod": "bin/", "usr/sbin/sulogin": "bin/", "usr/bin/bash": "bin/",
	}, nil, map[string]string{
		"bin/fsck.ext4": "e2fsck", "bin/modprobe": "kmod",
	})
	bin := b.add("initrd-bin-env", systemd+tools+b.shell, func(_, dir string) {
		for _, item := range []string{systemd, tools, b.shell} {
			found, err := filepath.Glob(filepath.Join(b.at(item), "bin/*"))
			check(b.t, err)
			for _, file := range found {
				if name := filepath.Join(dir, "bin", filepath.Base(file)); !exists(name) {
					link(b.t, item+"/bin/"+filepath.Base(file), name)
				}
			}
		}
	})
	tab := b.text("initrd-fstab", fstab(earlyOnes(c.FileSystems)), 0o444)
	modules := b.modulesClosure("linux-"+b.kernel.Release+"-modules", c.modules())
	release := "ID=nixos\nNAME=NixOS\nVERSION_ID=\"26.05\"\nPRETTY_NAME=\"NixOS 26.05 (Yarara) (Initrd)\"\n"
	environment := "PATH=/bin:/sbin SYSTEMD_SYSROOT_FSTAB=" + tab
	links := map[string]string{
		"init": systemd + "/lib/systemd/systemd", "bin": bin + "/bin", "sbin": bin + "/bin", "lib": modules + "/lib",
		"etc/systemd/system": b.units(systemd, tab, c), "etc/udev/rules.d": b.udevRules(systemd + "/lib/udev"),
		// What Debian's systemd has compiled in.
		"usr/lib/systemd": systemd + "/lib/systemd", "usr/lib/udev": systemd + "/lib/udev", "usr/bin": bin + "/bin", "usr/sbin": bin + "/bin",
	}
	return b.initrd(links, map[string]string{
		"etc/systemd/system.conf":       "[Manager]\nDefaultEnvironment=PATH=/bin:/sbin\nManagerEnvironment=" + environment + "\n",
		"etc/modules-load.d/nixos.conf": strings.ReplaceAll(initrdModules, " ", "\n") + "\n",
		"etc/sysctl.d/nixos.conf":       "kernel.modprobe = /sbin/modprobe\n",
		"etc/os-release":                release,
		"etc/initrd-release":            release,
		"etc/hostname":                  "ingot-test\n",
		"etc/passwd":                    "root:x:0:0:System administrator:/root:/bin/sh\n",
		"etc/group":                     "root:x:0:\ndisk:x:6:\ncdrom:x:24:\nkmem:x:15:\ntty:x:5:\n",
		"etc/shadow":                    "root:*:::::::\n",
		"etc/fstab":                     "",
		"tmp/.keep":                     "",
	})
}

// units makes the folder of units.
func (b *builder) units(systemd, tab string, c *Config) string {
	b.t.Helper()
	find := b.text("initrd-find-nixos-closure", "#! "+b.shell+"/bin/sh\n"+b.filled("find-closure.sh", nil), 0o555)
	activate := b.text("initrd-nixos-activation", "#! "+b.shell+"/bin/sh\n"+b.filled("activation.sh", nil), 0o555)
	own := map[string]string{
		"initrd-find-nixos-closure.service": "[Unit]\nDescription=Find NixOS closure\nDefaultDependencies=no\nRequiresMountsFor=/sysroot/nix/store\n" +
			"Before=initrd.target shutdown.target\nConflicts=shutdown.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=" + find + "\n",
		"initrd-nixos-activation.service": "[Unit]\nDescription=NixOS Activation\nDefaultDependencies=no\nAssertPathExists=/etc/initrd-release\nRequiresMountsFor=/sysroot/run\n" +
			"After=initrd-switch-root.target\nBefore=initrd-switch-root.service\n[Service]\nType=oneshot\nStandardOutput=journal+console\nStandardError=journal+console\nExecStart=" + activate + "\n",
		"sysroot-run.mount":                           "[Unit]\nDefaultDependencies=no\nBefore=initrd-fs.target\n[Mount]\nWhat=/run\nWhere=/sysroot/run\nOptions=bind\n",
		"initrd-switch-root.service.d/overrides.conf": "[Service]\nEnvironmentFile=-/etc/switch-root.conf\nExecStart=\nExecStart=systemctl --no-block switch-root /sysroot \"${NEW_INIT}\"\n",
		"initrd-parse-etc.service.d/overrides.conf":   "[Service]\nEnvironment=SYSTEMD_SYSROOT_FSTAB=" + tab + "\n",
		"panic-on-fail.service":                       "[Unit]\nDefaultDependencies=no\nConditionKernelCommandLine=|boot.panic_on_fail\nConditionKernelCommandLine=|stage1panic\n[Service]\nType=oneshot\nExecStart=/bin/echo c\nStandardOutput=file:/proc/sysrq-trigger\n",
	}
	requires := map[string][]string{
		"initrd.target":              {"initrd-find-nixos-closure.service"},
		"initrd-switch-root.service": {"initrd-nixos-activation.service"},
		"initrd-fs.target":           {"sysroot-run.mount"},
	}
	for _, f := range earlyOnes(c.FileSystems) {
		// The folders of an overlay are made before it: tasks/filesystems/overlayfs.nix.
		if f.Type != "overlay" {
			continue
		}
		mount := escape("/sysroot"+f.Point) + ".mount"
		var dirs []string
		for _, option := range f.Options {
			if name, dir, _ := strings.Cut(option, "="); name == "upperdir" || name == "workdir" {
				dirs = append(dirs, dir)
			}
		}
		service := "rw-" + escape("/sysroot"+f.Point) + ".service"
		own[service] = "[Unit]\nDefaultDependencies=no\nRequiresMountsFor=" + strings.Join(dirs, " ") + "\nBefore=" + mount +
			"\n[Service]\nType=oneshot\nExecStart=/bin/mkdir -p -m 0755 " + strings.Join(dirs, " ") + "\n"
		requires[mount] = append(requires[mount], service)
	}
	return b.add("initrd-units", b.version+systemd+strings.Join(sorted(own), ""), func(_, dir string) {
		for _, name := range initrdUnits {
			data, err := os.ReadFile(filepath.Join(b.debian, "usr/lib/systemd/system", name))
			check(b.t, err)
			write(b.t, filepath.Join(dir, name), string(data), 0o444)
		}
		for name, text := range own {
			write(b.t, filepath.Join(dir, name), text, 0o444)
		}
		for unit, list := range requires {
			for _, name := range list {
				link(b.t, "../"+name, filepath.Join(dir, unit+".requires", name))
			}
		}
		for unit, list := range wants {
			for _, name := range list {
				link(b.t, "../"+name, filepath.Join(dir, unit+".wants", name))
			}
		}
		link(b.t, "../panic-on-fail.service", filepath.Join(dir, "emergency.target.wants/panic-on-fail.service"))
		link(b.t, "initrd.target", filepath.Join(dir, "default.target"))
		link(b.t, "reboot.target", filepath.Join(dir, "ctrl-alt-del.target"))
	})
}

// escape makes a unit's name of a path, as systemd-escape --path does: a dash is written as
// its code.
func escape(path string) string {
	path = strings.ReplaceAll(strings.Trim(path, "/"), "-", `\x2d`)
	return strings.ReplaceAll(path, "/", "-")
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
