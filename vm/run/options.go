package run

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/fileformat"
	"ingot/internal/grammar"
	"ingot/vm"
)

// Options are what a person asks of a machine. The zero value of each field is a good
// default.
type Options struct {
	Name string // the system's
	Boot Boot   // the kernel itself where there is one, else what the disk boots with

	Arch        vm.Arch
	MachineType string
	Accel       vm.Accel
	Memory      int64 // bytes. Default: that of the system, or 512 MiB.
	CPUs        int   // 1

	// Overlay keeps what is written to the first disk, in a qcow2 file that is made if
	// it is not there; its base has to stay as it is. Without one, changes are discarded on exit.
	Overlay  string
	DiskSize int64     // of the first disk, if that is more than it has
	Disks    []vm.Disk // further disks
	Empty    []Empty   // and empty ones behind them
	TempDir  string    // keeps the further disks, as emptyN.qcow2; without it they are discarded on exit

	NoNetwork  bool
	Restrict   bool // the guest reaches nothing but what is forwarded
	Forwards   []vm.Forward
	Services   []vm.Service // ports of this machine that the guest reaches
	NetOptions []string     // more of QEMU's -netdev user
	VLANs      []VLAN
	Number     int // the machine's on its VLANs: the last part of its addresses; 1

	Shares []vm.Share
	Words  []string // for the kernel's command line, behind the system's own

	EFIVars      string  // the file that keeps UEFI's variables
	UsualEFIVars string  // the same, ignored by a machine that boots otherwise
	OVMF         vm.OVMF // the firmware for UEFI
	UsualOVMF    vm.OVMF // the same, if nothing else names one; ignored by a machine that boots otherwise
	SecureBoot   bool    // UEFI, and nothing but what Microsoft's keys have signed
	TPM          bool
	TPMDir       string // keeps what it knows; discarded on exit if empty

	Graphics Graphics
	Channels []string // further virtio-serial ports
	QEMUArgs []string
	Reboot   bool // a guest that restarts does so; if not, that ends the machine

	// SSH lets root log in with a key that is made for this run, where the system has a
	// server that takes it by the kernel's word ingot.ssh=.
	SSH bool

	// NoBackdoor leaves out the port at which the guest may have a shell.
	NoBackdoor bool
}

// Graphics is how a machine's screen is seen.
type Graphics string

const (
	NoGraphics Graphics = "none"
	VNC        Graphics = "vnc" // by a viewer, at a Unix socket
	Window     Graphics = "window"
)

// ParseGraphics reads how a screen is seen; empty is none.
func ParseGraphics(text string) (Graphics, error) {
	switch g := Graphics(text); g {
	case "":
		return NoGraphics, nil
	case NoGraphics, VNC, Window:
		return g, nil
	}
	return "", wrong(OptionGraphics, text, "must be window, vnc or none")
}

// A VLAN is a network that machines have among themselves, of the number N: the
// addresses are 192.168.N.M. Its switch is a program at a Unix socket.
type VLAN struct {
	N      int
	Switch string
	File   *os.File // or a socket that is connected to it
	Shared bool     // Switch is a socket in the registry, at which a process of this user's listens
	Own    string   // the machine's address, if not the one that follows from the numbers
}

// Address is the machine's on a VLAN: 192.168.N.M, as the models have it.
func (v VLAN) Address(machine int) string {
	return cmp.Or(v.Own, fmt.Sprintf("192.168.%d.%d", v.N, machine))
}

// MAC is the card's on a VLAN, as the models have it.
func (v VLAN) MAC(machine int) string { return fmt.Sprintf("52:54:00:12:%02x:%02x", v.N, machine) }

func (v VLAN) check(machine int) error {
	if v.N < 1 || v.N > 254 {
		return wrong(OptionVLAN, fmt.Sprint(v.N), "networks have the numbers 1 to 254")
	}
	if v.File == nil && v.Switch != "" {
		if _, err := os.Stat(v.Switch); err != nil {
			return wrong(OptionVLAN, fmt.Sprint(v.N), "no switch listens at %s: name one as %d=SOCKET, or run machines together with `ingot network`", v.Switch, v.N)
		}
	}
	if machine < 1 || machine > 254 {
		return wrong(OptionNumber, fmt.Sprint(machine), "machines have the numbers 1 to 254")
	}
	return nil
}

const defaultMemory = 512 << 20

// check refuses what cannot be, before anything is made.
func (o *Options) check(s *System) error {
	if err := CheckName(o.name(s)); err != nil {
		return err
	}
	for _, v := range o.VLANs {
		if err := v.check(o.number()); err != nil {
			return err
		}
	}
	for _, share := range o.Shares {
		if err := checkShare(share); err != nil {
			return err
		}
	}
	if err := o.fits(s); err != nil {
		return err
	}
	if err := o.checkKernelLine(s); err != nil {
		return err
	}
	return o.checkKept()
}

// fits refuses options that do not fit the system, or each other.
func (o *Options) fits(s *System) error {
	boot := o.BootOf(s)
	keeps := len(s.Disks) > 0 && s.Disks[0].Bus != vm.CDROM && !s.Disks[0].Plain
	switch {
	case !s.runsOn(o.Arch):
		return wrong(OptionArch, string(o.Arch), "%s is for %s", s.What, s.Arch)
	case o.SSH && (o.NoNetwork || boot != Kernel):
		return wrong(OptionSSH, "", "needs boot mode kernel and a network, by which the key and the connections reach the guest")
	case o.SSH && s.NoSSH:
		return wrong(OptionSSH, "", "%s has no system of ingot's own with a network, which would take the key by the kernel's word %s=", s.What, wire.SSHWord)
	case o.NoNetwork && (o.Restrict || len(o.Forwards)+len(o.Services) > 0):
		return wrong(OptionNetwork, "none", "without a network nothing can be forwarded or restricted")
	case boot == Kernel && s.Kernel == nil:
		return wrong(OptionBoot, string(Kernel), "%w", s.NoKernel)
	case boot != Kernel && len(s.Disks) == 0:
		return wrong(OptionBoot, string(boot), "%s has no disk to boot from", s.What)
	case boot != Kernel && len(o.Words) > 0:
		return wrong(OptionWords, strings.Join(o.Words, " "), "needs boot mode kernel: with boot mode %s, the boot loader has the command line", boot)
	case o.SecureBoot && boot != UEFI:
		return wrong(OptionSecureBoot, "", "needs boot mode uefi: UEFI checks the signatures, and boot mode %s bypasses it", boot)
	case !o.OVMF.IsZero() && boot != UEFI:
		return wrong(OptionFirmware, o.OVMF.Code, "needs boot mode uefi: a machine that boots otherwise has no UEFI firmware")
	case s.NoOVMF != nil && boot == UEFI && o.OVMF.IsZero():
		return s.NoOVMF
	case o.EFIVars != "" && boot != UEFI:
		return wrong(OptionEFIVars, o.EFIVars, "needs boot mode uefi: a machine that boots otherwise has no UEFI variables")
	case boot != Kernel && s.Firmware != nil && joinBoots(s) == "":
		return fmt.Errorf("%s has nothing to boot: no kernel and no boot loader", s.What)
	case boot != Kernel && s.Firmware != nil && !slices.Contains(s.Firmware, boot):
		return wrong(OptionBoot, string(boot), "%s boots with %s only", s.What, joinBoots(s))
	case o.Overlay != "" && !keeps:
		return wrong(OptionOverlay, o.Overlay, "%s has no disk whose changes could be kept", s.What)
	case o.DiskSize != 0 && !keeps:
		return wrong(OptionDiskSize, "", "%s has no disk that can be made larger", s.What)
	case o.DiskSize%sector != 0:
		return wrong(OptionDiskSize, grammar.Count(o.DiskSize, "byte"), "a disk has whole sectors of %d bytes", sector)
	}
	return nil
}

// runsOn reports whether a machine of an architecture can run the system, as far as it is known
// what that is for.
func (s *System) runsOn(a vm.Arch) bool {
	return a == "" || s.Arch == "" || a == s.Arch || a == vm.X86_64 && s.Arch == vm.I686
}

// sector is the smallest part of a disk, in bytes.
const sector = 512

// checkKept refuses names of what a machine keeps that cannot be: what another user has put
// into a folder like /tmp, who would get what the guest writes, and what is no file or no
// folder.
func (o *Options) checkKept() error {
	for _, f := range []struct {
		option Option
		path   string
	}{{OptionEFIVars, o.EFIVars}, {OptionUsualEFIVars, o.UsualEFIVars}} {
		if f.path == "" {
			continue
		}
		if _, err := image.Target(f.path); err != nil {
			return &OptionError{f.option, "", err}
		}
	}
	if o.TPMDir != "" {
		if err := image.CheckFolder(o.TPMDir); err != nil {
			return &OptionError{OptionTPMDir, "", err}
		}
	}
	return o.checkOverlay()
}

// checkKernelLine refuses a command line that the kernel would cut, before a disk is made.
func (o *Options) checkKernelLine(s *System) error {
	if o.BootOf(s) != Kernel {
		return nil
	}
	words := o.words(s)
	if o.SSH { // the key is made later, and has this length
		words = append(words, wire.SSHWord.With(strings.Repeat("A", base64.RawURLEncoding.EncodedLen(sshKeySize))))
	}
	c := vm.Config{Arch: cmp.Or(o.Arch, s.Arch), Accel: o.Accel, Append: bootloader.CommandLine(words)}
	if err := c.CheckCommandLine(s.Kernel); err != nil {
		return fmt.Errorf("%s: %w", s.What, err)
	}
	return nil
}

// checkOverlay refuses a word behind the name, which would become a part of it, and the name
// of a new one that says another format.
func (o *Options) checkOverlay() error {
	if o.Overlay == "" {
		return nil
	}
	name, err := diskfile.Parse(o.Overlay)
	if err == nil && name.Path != o.Overlay {
		return wrong(OptionOverlay, o.Overlay, "it is a qcow2 that is written to, whatever its name: leave out the %s", strings.TrimPrefix(o.Overlay, name.Path))
	}
	// Two files that may be meant are none to be made.
	for _, path := range []string{o.Overlay, o.Overlay + baseSuffix} {
		if _, err := image.Target(path); err != nil {
			return &OptionError{OptionOverlay, "", err}
		}
	}
	if _, err := os.Lstat(o.Overlay + baseSuffix); err == nil {
		return nil // it was made already
	}
	if said, ok := fileformat.OfName(o.Overlay); ok && said.Name != string(diskfile.QCOW2) {
		ext := filepath.Ext(o.Overlay)
		return wrong(OptionOverlay, o.Overlay, "it is a qcow2, and the suffix %s is that of %s: name it %s.qcow2", ext, said.What, strings.TrimSuffix(o.Overlay, ext))
	}
	return nil
}

func joinBoots(s *System) string {
	var words []string
	for _, b := range s.Firmware {
		words = append(words, string(b))
	}
	if s.Kernel != nil {
		words = append(words, string(Kernel))
	}
	return strings.Join(words, " and ")
}

func (o *Options) name(s *System) string  { return cmp.Or(o.Name, s.Name) }
func (o *Options) number() int            { return max(1, o.Number) }
func (o *Options) memory(s *System) int64 { return cmp.Or(o.Memory, s.Memory, defaultMemory) }
func (o *Options) hasGraphics() bool      { return o.Graphics == VNC || o.Graphics == Window }
func (o *Options) emptyPath(i int) string {
	return filepath.Join(o.TempDir, fmt.Sprintf("empty%d.qcow2", i))
}

// BootOf returns what a machine starts with that boots a system with these options.
func (o *Options) BootOf(s *System) Boot {
	switch {
	case o.Boot != "":
		return o.Boot
	case o.SecureBoot:
		return UEFI
	case s.Kernel != nil:
		return Kernel
	case len(s.Firmware) > 0:
		return s.Firmware[0]
	}
	return BIOS
}

// words is the kernel's whole command line. The models give both consoles, of which
// the last is the one that init speaks on.
func (o *Options) words(s *System) []string {
	words := slices.Clone(s.Words)
	if !slices.ContainsFunc(append(words, o.Words...), func(w string) bool { return strings.HasPrefix(w, "console=") }) {
		if o.hasGraphics() {
			words = append(words, "console=tty0")
		}
		words = append(words, "console="+o.Arch.Console())
	}
	for _, share := range o.Shares {
		words = append(words, wire.ShareWord.With(wire.Shared(string(share.Reached()), share.Tag)))
	}
	return append(words, o.Words...)
}

// ShareNotes say how the guest reaches the folders that it is shown.
func (o *Options) ShareNotes(s *System) []string {
	var notes []string
	for _, share := range o.Shares {
		options := ""
		if share.Reached() == vm.NineP {
			options = "-o trans=virtio,version=9p2000.L "
		}
		command := fmt.Sprintf("mount -t %s %s%s /mnt", share.Reached(), options, share.Tag)
		if o.BootOf(s) == Kernel {
			notes = append(notes, fmt.Sprintf("share %s: %s of this machine is at %s in ingot's own systems; others mount it: %s", share.Tag, share.Dir, wire.ShareDir(share.Tag), command))
		} else {
			notes = append(notes, fmt.Sprintf("share %s: the guest mounts %s of this machine: %s", share.Tag, share.Dir, command))
		}
	}
	return notes
}

// nics are the network cards: QEMU's own network first, as in the models.
func (o *Options) nics(name string) []vm.NIC {
	var nics []vm.NIC
	if !o.NoNetwork {
		nics = append(nics, vm.NIC{User: &vm.UserNet{
			Restrict: o.Restrict, Forwards: o.Forwards, Services: o.Services, Hostname: name, Options: o.NetOptions,
		}})
	}
	for _, v := range o.VLANs {
		nics = append(nics, vm.NIC{MAC: v.MAC(o.number()), Stream: v.Switch, File: v.File})
	}
	return nics
}
