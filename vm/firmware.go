package vm

import (
	"fmt"
	"os"
	"strings"
)

// OVMF is a UEFI firmware for QEMU: its code, and the variables that it starts with.
type OVMF struct{ Code, Vars string }

// ovmfPlaces are where distributions put it, those without Secure Boot, for that
// starts no boot loader that nobody signed.
var ovmfPlaces = []OVMF{
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"}, // Debian, Ubuntu
	{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
	{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},                                       // Fedora
	{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},                                   // Arch
	{"/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"},                                 // openSUSE
	{"/run/current-system/sw/share/qemu/edk2-x86_64-code.fd", "/run/current-system/sw/share/qemu/edk2-i386-vars.fd"}, // NixOS
	{"/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"},
}

// FindOVMF returns the first firmware that is there whole.
func FindOVMF() (OVMF, error) {
	var looked []string
	for _, f := range ovmfPlaces {
		if readable(f.Code) == nil && readable(f.Vars) == nil {
			return f, nil
		}
		looked = append(looked, f.Code)
	}
	return OVMF{}, fmt.Errorf("no UEFI firmware: none of %s is there (Debian's package ovmf brings the first)", strings.Join(looked, ", "))
}

// findQEMU returns the path of QEMU.
func findQEMU(name string) (string, error) {
	if name != "" {
		if _, err := os.Stat(name); err != nil {
			return "", err
		}
		return name, nil
	}
	path, err := lookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s is not in PATH (Debian's package qemu-system-x86 brings it)", program)
	}
	return path, nil
}
