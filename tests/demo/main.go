// Command demo demonstrates ingot on a Debian machine that has only Go, git and make: it installs
// missing packages, builds ingot, builds the recipe "rescue" as a disk and an ISO, boots the disk in
// BIOS and UEFI and the ISO as a CD and a USB stick, and checks that each guest works.
//
// `make demo` runs it. It ends with one line: the images, the time of each part, and commands to try
// next. The images stay at bin/rescue.img and bin/rescue.iso.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"ingot/bootloader/kernel"
	"ingot/partition"
	"ingot/vm"
)

const (
	disk      = "bin/rescue.img"
	iso       = "bin/rescue.iso"
	kernelDir = "bin/kernel"
	usbKernel = "bin/kernel-full" // is there where the tests' tools are, too
	next      = "qemu-system-x86_64 -m 512 -nographic -snapshot -drive file=" + disk + ",format=raw"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx); err != nil {
		stop()
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

// A step is a part of the demo whose time is told.
type step struct {
	title string // what is said before it
	name  string // what it is called in the last line
	run   func(context.Context) error
}

func demo(ctx context.Context) error {
	var times []string
	onISO, stick := isoKernel()
	for _, s := range []step{
		{"Installing what is missing", "set-up", command("tests/setup/debian", "demo")},
		{"Building ingot: Go and, for SQLite, C; the first time this takes a few minutes", "ingot", command("make", "-s", "build")},
		{"Building the disk: ingot build rescue", "disk", command("bin/ingot", "build", "rescue", "--set", "system.kernel="+kernelDir, "-o", disk)},
		{"Booting it in BIOS", "BIOS", boot(vm.BIOS, vm.Disk{Path: disk}, kernelDir, "ext4")},
		{"Booting it in UEFI", "UEFI", boot(vm.UEFI, vm.Disk{Path: disk}, kernelDir, "ext4")},
		{"Building the ISO: ingot build rescue --format iso", "ISO", command("bin/ingot", "build", "rescue", "--format", "iso", "--set", "system.kernel="+onISO, "-o", iso)},
		{"Booting it as a CD in BIOS", "CD", boot(vm.BIOS, vm.Disk{Path: iso, Format: "raw", Bus: vm.CDROM}, onISO, "overlay")},
		{"Booting it as a stick in UEFI", "stick", boot(vm.UEFI, vm.Disk{Path: iso, Format: "raw", Bus: stick}, onISO, "overlay")},
	} {
		fmt.Printf("== %s\n", s.title)
		start := time.Now()
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		times = append(times, fmt.Sprintf("%s %.1f s", s.name, time.Since(start).Seconds()))
	}
	var sizes []string
	for _, path := range []string{disk, iso} {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		sizes = append(sizes, fmt.Sprintf("%s, %s", path, partition.FormatBytes(info.Size())))
	}
	fmt.Printf("== %s, boot in BIOS and UEFI (%s); now try: %s\n", strings.Join(sizes, ", and "), strings.Join(times, ", "), next)
	return nil
}

// isoKernel returns the kernel of the ISO, and what its stick hangs on: the kernel for
// clouds, which is fetched for the demo, has no USB.
func isoKernel() (dir string, stick vm.Bus) {
	if _, err := kernel.Find(usbKernel); err == nil {
		return usbKernel, vm.USB
	}
	return kernelDir, vm.Virtio
}

// command is a step that is a command, whose words are the user's to see.
func command(name string, args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
}

// A proof is a command for the guest, and what its output must hold.
type proof struct{ command, want string }

// boot is a step that boots a disk and asks the guest for its proofs. dir has its kernel,
// root is the type of the root's file system.
func boot(firmware vm.Firmware, d vm.Disk, dir, root string) func(context.Context) error {
	return func(ctx context.Context) error { return prove(ctx, firmware, d, dir, root) }
}

// prove boots the disk, which stays as it is.
func prove(ctx context.Context, firmware vm.Firmware, d vm.Disk, dir, root string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	proofs, err := proofs(firmware, dir, root)
	if err != nil {
		return err
	}
	start := time.Now()
	m, err := vm.Start(ctx, vm.Config{Firmware: firmware, Disks: []vm.Disk{d}})
	if err != nil {
		return err
	}
	defer m.Kill()
	if _, err := m.WaitFor(ctx, `ingot: ready on ttyS0`); err != nil {
		return err
	}
	fmt.Printf("a shell after %.1f s\n", time.Since(start).Seconds())
	if _, _, err := m.Run(ctx, "dmesg -n 1"); err != nil { // else it talks into the answers
		return err
	}
	for _, p := range proofs {
		if err := p.ask(ctx, m); err != nil {
			return err
		}
	}
	if err := m.Send("poweroff"); err != nil {
		return err
	}
	return m.Wait(ctx)
}

// proofs are what only a guest can say that booted the right kernel by the right
// firmware, from the right disk.
func proofs(firmware vm.Firmware, dir, root string) ([]proof, error) {
	k, err := kernel.Find(dir)
	if err != nil {
		return nil, err
	}
	version, err := exec.Command("bin/ingot", "version").Output()
	if err != nil {
		return nil, fmt.Errorf("bin/ingot version: %w", err)
	}
	booted := "BIOS"
	if firmware == vm.UEFI {
		booted = "UEFI"
	}
	return []proof{
		{"uname -r", k.Release},
		{"if [ -d /sys/firmware/efi ]; then echo UEFI; else echo BIOS; fi", booted},
		{"hostname", "rescue"},
		{"ls /nix/store", "linux"},
		{"grep ' / ' /proc/mounts", root},
		{"echo hello > /root/note && cat /root/note", "hello"},
		{"ingot version", strings.TrimSpace(string(version))},
	}, nil
}

// ask runs the command in the guest, shows both sides, and checks the answer.
func (p proof) ask(ctx context.Context, m *vm.Machine) error {
	output, status, err := m.Run(ctx, p.command)
	if err != nil {
		return err
	}
	output = strings.TrimSpace(strings.ReplaceAll(output, "\r", ""))
	fmt.Printf("  rescue# %s\n  %s\n", p.command, strings.ReplaceAll(output, "\n", "\n  "))
	if status != 0 || !strings.Contains(output, p.want) {
		return fmt.Errorf("the guest's answer to %q is status %d and %q; want %q in it", p.command, status, output, p.want)
	}
	return nil
}
