package vm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// Where distributions put them, those without Secure Boot first, for that starts no boot
// loader that nobody signed.
var (
	ovmfPlaces = []OVMF{
		{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"}, // Debian, Ubuntu
		{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
		{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},                                                       // Fedora
		{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},                                                   // Arch
		{"/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"},                                                 // openSUSE
		{"/run/current-system/sw/share/qemu/edk2-x86_64-code.fd", "/run/current-system/sw/share/qemu/edk2-i386-vars.fd"},                 // NixOS
		{"/run/current-system/profile/share/firmware/ovmf_code_x64.bin", "/run/current-system/profile/share/firmware/ovmf_vars_x64.bin"}, // Guix
		{"/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"},
	}
	ovmf32Places = []OVMF{
		{"/usr/share/OVMF/OVMF32_CODE_4M.fd", "/usr/share/OVMF/OVMF32_VARS_4M.fd"},
		{"/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF32_VARS_4M.fd"}, // Debian 12; no keys, so Secure Boot is off
		{"/usr/share/qemu/edk2-i386-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"},
	}
	aavmfPlaces = []OVMF{
		{"/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},                                  // Debian 13
		{"/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},                                             // Debian 12
		{"/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"},              // Fedora
		{"/usr/share/edk2/aarch64/QEMU_CODE.fd", "/usr/share/edk2/aarch64/QEMU_VARS.fd"},                                 // Arch
		{"/run/current-system/sw/share/qemu/edk2-aarch64-code.fd", "/run/current-system/sw/share/qemu/edk2-arm-vars.fd"}, // NixOS
		{"/usr/share/qemu/edk2-aarch64-code.fd", "/usr/share/qemu/edk2-arm-vars.fd"},
	}
	aavmf32Places = []OVMF{
		{"/usr/share/AAVMF/AAVMF32_CODE.fd", "/usr/share/AAVMF/AAVMF32_VARS.fd"},
		{"/usr/share/qemu/edk2-arm-code.fd", "/usr/share/qemu/edk2-arm-vars.fd"},
	}
	riscvPlaces = []OVMF{
		{"/usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd", "/usr/share/qemu-efi-riscv64/RISCV_VIRT_VARS.fd"},
		{"/usr/share/qemu/edk2-riscv-code.fd", "/usr/share/qemu/edk2-riscv-vars.fd"},
	}

	// Those with Secure Boot, and variables in which it is on and Microsoft's keys are.
	secureOVMFPlaces = []OVMF{
		{"/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"}, // Debian, Ubuntu
		{"/usr/share/OVMF/OVMF_CODE.ms.fd", "/usr/share/OVMF/OVMF_VARS.ms.fd"},
		{"/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"},     // Fedora
		{"/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin", "/usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin"}, // openSUSE
	}
	secureAAVMFPlaces = []OVMF{
		{"/usr/share/AAVMF/AAVMF_CODE.ms.fd", "/usr/share/AAVMF/AAVMF_VARS.ms.fd"}, // Debian
	}
)

func (l *line) addFirmware(c *Config) error {
	if c.firmware() == BIOS {
		if c.Arch.platform().pc && c.machineName() != "microvm" {
			l.add("-chardev", "file,id=firmware,path="+l.path((*Machine).openFirmwareLog), "-device", "isa-debugcon,iobase=0x402,chardev=firmware")
		}
		return nil
	}
	f, err := c.uefi()
	if err != nil {
		return err
	}
	const file = "file.driver=file,file.filename="
	vars := "snapshot=on," + file + escape(f.Vars)
	switch {
	case c.variables != nil:
		vars = fmt.Sprintf("%s/proc/self/fd/%d", file, l.pass(c.variables))
	case c.FirmwareVars != "":
		path, err := filepath.Abs(c.FirmwareVars)
		if err != nil {
			return err
		}
		vars = file + escape(path)
	}
	if c.SecureBoot && c.Arch.platform().smm {
		// Only code in system management mode writes to the flash; and a machine that
		// slept would wake up without it.
		l.add("-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1")
	}
	l.add("-drive", "if=pflash,unit=0,format=raw,readonly=on,"+file+escape(f.Code), "-drive", "if=pflash,unit=1,format=raw,"+vars)
	return nil
}

// keepVars makes the file of UEFI's variables, whole or not at all, if it is not there.
func (c *Config) keepVars() error {
	if c.FirmwareVars == "" {
		return nil
	}
	if _, err := os.Stat(c.FirmwareVars); err == nil {
		return c.checkVars()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("firmware variables: %w", err)
	}
	f, err := c.uefi()
	if err != nil {
		return err
	}
	from, err := os.Open(f.Vars)
	if err != nil {
		return fmt.Errorf("firmware variables: %w", err)
	}
	defer from.Close()
	to, err := image.NewScratch(filepath.Dir(c.FirmwareVars))
	if err != nil {
		return fmt.Errorf("firmware variables in %s: %w", c.FirmwareVars, err)
	}
	defer to.Close()
	if _, err = io.Copy(to, from); err == nil {
		err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", to.Fd()), unix.AT_FDCWD, c.FirmwareVars, unix.AT_SYMLINK_FOLLOW)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) { // another machine was first
		return fmt.Errorf("firmware variables in %s: %w", c.FirmwareVars, err)
	}
	return nil
}

// keyExchangeKey is the name of a variable that is there where Secure Boot is set up, as
// the flash has it, in UTF-16: Unified Extensible Firmware Interface Specification, 32.3.
var keyExchangeKey = []byte("K\x00E\x00K\x00\x00\x00")

// checkVars refuses a file that is of another firmware, which QEMU would do in words
// about flash, and one without the keys that Secure Boot goes by.
func (c *Config) checkVars() error {
	kept, err := os.ReadFile(c.FirmwareVars)
	if err != nil {
		return fmt.Errorf("firmware variables: %w", err)
	}
	f, err := c.uefi()
	if err != nil {
		return err
	}
	info, err := os.Stat(f.Vars)
	if err != nil {
		return err
	}
	if size := int64(len(kept)); size != info.Size() {
		return fmt.Errorf("firmware variables in %s: %d bytes, and %s has %d: they belong to another firmware", c.FirmwareVars, size, f.Vars, info.Size())
	}
	if c.SecureBoot && !bytes.Contains(kept, keyExchangeKey) {
		return fmt.Errorf("firmware variables in %s: they hold no keys, and so Secure Boot would be off: name a file that is not there yet", c.FirmwareVars)
	}
	return nil
}

func (m *Machine) openFirmwareLog() (*os.File, error) {
	log, theirs, err := os.Pipe()
	m.firmwareLog = log
	return theirs, err
}

// findQEMU returns the path of QEMU.
func (c *Config) findQEMU() (string, error) {
	if c.QEMU != "" {
		if _, err := os.Stat(c.QEMU); err != nil {
			return "", err
		}
		return c.QEMU, nil
	}
	p := c.Arch.platform()
	path, err := exec.LookPath(p.program)
	if err != nil {
		return "", fmt.Errorf("%s is not in PATH (Debian's package %s brings it)", p.program, p.debian)
	}
	return path, nil
}
