// Command demo shows what ingot is for, on a Debian machine that has only Go, git
// and make: it installs what is missing, builds ingot, lets it build the disk
// "rescue", boots that in BIOS and in UEFI, and has the guest prove itself.
//
// It is run by `make demo`, and ends with one line: what was built, how long each
// part took, and what to try next. The disk stays at bin/rescue.img.
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

	"ingot/partition"
	"ingot/vm"
	"ingot/vm/kernel"
)

const (
	disk      = "bin/rescue.img"
	kernelDir = "bin/kernel"
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
	for _, s := range []step{
		{"Installing what is missing", "set-up", command("tests/setup/debian", "demo")},
		{"Building ingot", "ingot", command("make", "-s", "build")},
		{"Building the disk: ingot build rescue", "disk", command("bin/ingot", "build", "rescue", "--set", "system.kernel="+kernelDir, "-o", disk)},
		{"Booting it in BIOS, without acceleration", "BIOS", func(ctx context.Context) error { return boot(ctx, vm.BIOS) }},
		{"Booting it in UEFI, without acceleration", "UEFI", func(ctx context.Context) error { return boot(ctx, vm.UEFI) }},
	} {
		fmt.Printf("== %s\n", s.title)
		start := time.Now()
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		times = append(times, fmt.Sprintf("%s %.1f s", s.name, time.Since(start).Seconds()))
	}
	info, err := os.Stat(disk)
	if err != nil {
		return err
	}
	fmt.Printf("== %s, %s, boots in BIOS and UEFI (%s); now try: %s\n",
		disk, partition.FormatBytes(info.Size()), strings.Join(times, ", "), next)
	return nil
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

// boot boots the disk, which stays as it is, and asks the guest for its proofs.
func boot(ctx context.Context, firmware vm.Firmware) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	proofs, err := proofs(firmware)
	if err != nil {
		return err
	}
	start := time.Now()
	m, err := vm.Start(ctx, vm.Config{Firmware: firmware, Disks: []vm.Disk{{Path: disk}}})
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
func proofs(firmware vm.Firmware) ([]proof, error) {
	k, err := kernel.Find(kernelDir)
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
		{"grep ' / ' /proc/mounts", "ext4"},
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
