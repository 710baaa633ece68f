package vm

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Arch is the processor architecture of a guest, as Linux and Nix name it. The zero
// value is the host's own.
type Arch string

const (
	X86_64  Arch = "x86_64"
	I686    Arch = "i686"
	AArch64 Arch = "aarch64"
	ARMHF   Arch = "armhf"
	RISCV64 Arch = "riscv64"
	PPC64LE Arch = "ppc64le"
)

// A platform is what an architecture is called, and looks like, in QEMU.
type platform struct {
	program  string // of QEMU
	debian   string // the package that brings it
	machine  string // the type of machine, with its options
	cpu      string // for TCG; QEMU's default if empty
	serial   string // the console, as Linux names it
	bios     bool   // QEMU brings firmware that boots from disks
	pc       bool   // a PC: a VGA card, a PS/2 keyboard, the debug port 0x402
	graphics []string
	uefi     []OVMF // where its UEFI firmware may lie
	secure   []OVMF // and that with Secure Boot
	smm      bool   // which keeps its variables from the system by SMM
	tpm      string // QEMU's device
	efi      string // Debian's package with that
}

// paravirtual is what a machine without the parts of a PC is looked at through.
var paravirtual = []string{"-device", "virtio-gpu-pci", "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci"}

var platforms = map[Arch]*platform{
	X86_64: {
		program: "qemu-system-x86_64", debian: "qemu-system-x86", machine: "q35", cpu: "max", serial: "ttyS0",
		bios: true, pc: true, uefi: ovmfPlaces, efi: "ovmf",
		secure: secureOVMFPlaces, smm: true, tpm: "tpm-tis",
	},
	I686: {
		program: "qemu-system-i386", debian: "qemu-system-x86", machine: "q35", cpu: "max", serial: "ttyS0",
		bios: true, pc: true, uefi: ovmf32Places, efi: "ovmf-ia32",
		tpm: "tpm-tis",
	},
	AArch64: {
		// Pointer authentication as the architecture defines it takes half of all time
		// when emulated; a cheaper function is as good for a guest that lives minutes.
		program: "qemu-system-aarch64", debian: "qemu-system-arm", machine: "virt", cpu: "max,pauth-impdef=on",
		serial: "ttyAMA0", graphics: paravirtual, uefi: aavmfPlaces, efi: "qemu-efi-aarch64",
		secure: secureAAVMFPlaces, tpm: "tpm-tis-device",
	},
	ARMHF: {
		// Kernels without LPAE do not reach what lies above 4 GiB.
		program: "qemu-system-arm", debian: "qemu-system-arm", machine: "virt,highmem=off", cpu: "max",
		serial: "ttyAMA0", graphics: paravirtual, uefi: aavmf32Places, efi: "qemu-efi-arm",
		tpm: "tpm-tis-device",
	},
	RISCV64: {
		program: "qemu-system-riscv64", debian: "qemu-system-misc", machine: "virt", cpu: "rv64",
		serial: "ttyS0", graphics: paravirtual, uefi: riscvPlaces, efi: "qemu-efi-riscv64",
	},
	PPC64LE: {
		program: "qemu-system-ppc64", debian: "qemu-system-ppc", machine: "pseries", serial: "hvc0", bios: true,
		tpm:      "tpm-spapr",
		graphics: []string{"-vga", "std", "-device", "qemu-xhci,id=keys", "-device", "usb-kbd,bus=keys.0", "-device", "usb-tablet,bus=keys.0"},
	},
}

// Arches returns the architectures that guests may have.
func Arches() []Arch { return []Arch{X86_64, I686, AArch64, ARMHF, RISCV64, PPC64LE} }

// HostArch returns the architecture of this machine, or "" if no guest can have it.
func HostArch() Arch {
	return map[string]Arch{
		"amd64": X86_64, "386": I686, "arm64": AArch64, "arm": ARMHF, "riscv64": RISCV64, "ppc64le": PPC64LE,
	}[runtime.GOARCH]
}

// ParseArch reads an architecture from what systems are called: x86_64, x86_64-linux
// as in Nix, aarch64-linux-gnu as in Guix, or Go's and Debian's amd64 and arm64.
func ParseArch(system string) (Arch, error) {
	cpu, _, _ := strings.Cut(system, "-")
	switch {
	case strings.Contains(system, "armhf") || strings.HasPrefix(cpu, "armv7") || cpu == "arm":
		return ARMHF, nil
	case len(cpu) == 4 && cpu[0] == 'i' && strings.HasSuffix(cpu, "86") && cpu[1] >= '3' && cpu[1] <= '6':
		return I686, nil
	}
	aliases := map[string]Arch{"amd64": X86_64, "arm64": AArch64, "powerpc64le": PPC64LE, "ppc64el": PPC64LE, "386": I686}
	if a, ok := aliases[cpu]; ok {
		return a, nil
	}
	if a := Arch(cpu); slices.Contains(Arches(), a) {
		return a, nil
	}
	return "", fmt.Errorf("architecture %q is unknown; there are %s", system, joined(Arches(), ", "))
}

func joined[T ~string](list []T, separator string) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = string(w)
	}
	return strings.Join(words, separator)
}

// Console returns the serial console's name for the kernel's console=.
func (a Arch) Console() string { return a.platform().serial }

// HasScreen reports whether a machine has a graphics card unless told otherwise.
func (a Arch) HasScreen() bool { return a.platform().pc }

// Nix returns what Nix calls Linux on the architecture: x86_64-linux.
func (a Arch) Nix() string {
	switch a = a.orHost(); a {
	case ARMHF:
		return "armv7l-linux"
	case PPC64LE:
		return "powerpc64le-linux"
	}
	return string(a) + "-linux"
}

func (a Arch) orHost() Arch { return cmp.Or(a, HostArch()) }

// platform returns the description, of x86-64 where there is none: check has refused
// those.
func (a Arch) platform() *platform {
	if p, ok := platforms[a.orHost()]; ok {
		return p
	}
	return platforms[X86_64]
}

// native reports whether KVM can run a guest on this host: an x86-64 runs 32-bit guests
// too, other processors may have lost that.
func (a Arch) native() bool {
	host := HostArch()
	return a == host || a == I686 && host == X86_64
}
