package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"ingot/bootloader/initramfs"
	kernels "ingot/bootloader/kernel"
	"ingot/image"
	"ingot/vm"
	"ingot/vm/helper"
	"ingot/vm/session"
)

// exec compares a command in a helper machine with the least that a machine can do:
// QEMU booting the same kernel, with an init of forty bytes that powers off. Then it
// takes 200 MB out of a guest.
func (b *bench) exec() error {
	k, err := kernels.Find(filepath.Join("bin", "kernel"))
	if err != nil {
		return err
	}
	initrd := filepath.Join(b.dir, "poweroff.cpio")
	if err := writePowerOff(initrd); err != nil {
		return err
	}
	defer os.Remove(initrd)
	results, err := race(b.runs, []contestant{
		{name: "ingot exec true", args: []string{b.ingot, "exec", "--accel", "tcg", "--kernel", filepath.Join("bin", "kernel"), "true"}},
		{name: "QEMU, and an init that powers off", aim: 1 / 1.15, args: []string{
			"qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
			"-machine", "q35", "-m", "512M", "-accel", "tcg,thread=multi", "-cpu", "max",
			"-kernel", k.Path, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1",
		}},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, "exec: a command in a machine of its own, by TCG", results)
	return b.takeOut(k)
}

// powerOff is the code of an x86-64 program: sync(2), then reboot(2) with the numbers of
// linux/reboot.h.
var powerOff = []byte{
	0xb8, 162, 0, 0, 0, // mov eax, sync
	0x0f, 0x05, // syscall
	0xb8, 169, 0, 0, 0, // mov eax, reboot
	0xbf, 0xad, 0xde, 0xe1, 0xfe, // mov edi, LINUX_REBOOT_MAGIC1
	0xbe, 0x69, 0x19, 0x12, 0x28, // mov esi, LINUX_REBOOT_MAGIC2
	0xba, 0xdc, 0xfe, 0x21, 0x43, // mov edx, LINUX_REBOOT_CMD_POWER_OFF
	0x0f, 0x05, // syscall
	0xeb, 0xfe, // jmp itself
}

// writePowerOff writes an initramfs whose init is that program, as an ELF file of one
// segment: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
func writePowerOff(name string) error {
	const base, headers = 0x400000, 64 + 56
	var elf bytes.Buffer
	elf.WriteString("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	size := uint64(headers + len(powerOff))
	for _, field := range []any{
		uint16(2), uint16(62), uint32(1), uint64(base + headers), uint64(64), uint64(0), // executable, x86-64
		uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000), // loaded, to be read and executed
	} {
		if err := binary.Write(&elf, binary.LittleEndian, field); err != nil {
			return err
		}
	}
	elf.Write(powerOff)
	archive, err := initramfs.Build(initramfs.Options{Init: image.Bytes(elf.Bytes()), Compression: initramfs.None})
	if err != nil {
		return err
	}
	data, err := image.ReadAll(archive)
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// takenOut is how much is taken out of a guest.
const takenOut = 200_000_000

// takeOut measures how quickly results come out of a guest, by each way.
func (b *bench) takeOut(k *kernels.Kernel) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp(b.dir, "out-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := helper.Options{Kernel: k, Init: b.ingot, Machine: vm.Config{Accel: vm.TCG, Memory: 1 << 30, OpenMemory: true}}
	share := vm.Share{Tag: "out", Dir: dir}
	var shared bool
	if share.Kind, shared = helper.ShareKind(k); shared {
		o.Machine.Shares = []vm.Share{share}
	}
	h, err := helper.Start(ctx, o)
	if err != nil {
		return err
	}
	defer h.Kill()
	if shared {
		if err := h.Mount(ctx, share, "/tmp/shared"); err != nil {
			return err
		}
	}
	run := func(out io.Writer, script string) error {
		_, err := h.Exec(ctx, session.Command{Script: script, Stdout: out})
		return err
	}
	if err := run(nil, fmt.Sprintf("mkdir -p /tmp/xchg; head -c %d /dev/zero > /tmp/xchg/result", int(takenOut))); err != nil {
		return err
	}
	fmt.Printf("\nexec: %d MB out of a guest, by TCG\n", takenOut/1_000_000)
	for _, way := range []struct {
		name string
		take func() error
	}{
		{"--output", func() error { _, err := h.CopyOut(ctx, "/tmp/xchg", dir); return err }},
		{"standard output", func() error { return run(io.Discard, "cat /tmp/xchg/result") }},
		{"--share", func() error {
			if !shared {
				return errors.New("this kernel can neither use virtiofs nor 9p")
			}
			return run(nil, "cp /tmp/xchg/result /tmp/shared/copy")
		}},
	} {
		start := time.Now()
		if err := way.take(); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		fmt.Printf("  %-16s %4.0f MB/s\n", way.name, takenOut/1e6/time.Since(start).Seconds())
	}
	return nil
}
