package run

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"ingot/guest/wire"
	"ingot/vm"
)

// FromEnvironment returns the options that the variables of the models ask for. What
// the command line says goes before them.
//
//	NIX_DISK_IMAGE      Overlay
//	QEMU_OPTS           words for QEMU's command line
//	QEMU_NET_OPTS       options for QEMU's -netdev user, separated by commas
//	QEMU_KERNEL_PARAMS  words for the kernel's command line
//	NIX_EFI_VARS        UsualEFIVars
//	NIX_SWTPM_DIR       TPMDir; it takes Options.TPM, too
//	SHARED_DIR          a folder that the guest finds under the name shared
//	TMPDIR              if USE_TMPDIR is set, too: the folder that keeps the empty disks,
//	                    and whose folder xchg the guest finds under that name
//	CH_NUM_CPUS         CPUs
//	CH_MEM_SIZE         Memory, such as 512M
//	CH_CMDLINE          words for the kernel's command line
func FromEnvironment(getenv func(string) string) (Options, error) {
	var o Options
	o.Overlay = getenv("NIX_DISK_IMAGE")
	o.UsualEFIVars, o.TPMDir = getenv("NIX_EFI_VARS"), getenv("NIX_SWTPM_DIR")
	o.QEMUArgs = strings.Fields(getenv("QEMU_OPTS"))
	for _, option := range strings.Split(getenv("QEMU_NET_OPTS"), ",") {
		if err := o.netOption(option); err != nil {
			return o, fmt.Errorf("QEMU_NET_OPTS: %w", err)
		}
	}
	o.Words = append(strings.Fields(getenv("CH_CMDLINE")), strings.Fields(getenv("QEMU_KERNEL_PARAMS"))...)
	if dir := getenv("SHARED_DIR"); dir != "" {
		o.Shares = append(o.Shares, vm.Share{Tag: wire.SharedTag, Dir: dir})
	}
	if dir := getenv("TMPDIR"); dir != "" && getenv("USE_TMPDIR") != "" {
		o.TempDir = dir
		o.Shares = append(o.Shares, vm.Share{Tag: "xchg", Dir: filepath.Join(dir, "xchg")})
	}
	if text := getenv("CH_NUM_CPUS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("CH_NUM_CPUS=%s is not a number of processors", text)
		}
		o.CPUs = n
	}
	if text := getenv("CH_MEM_SIZE"); text != "" {
		var err error
		if o.Memory, err = ParseMemory(text); err != nil {
			return o, fmt.Errorf("CH_MEM_SIZE: %w", err)
		}
	}
	return o, nil
}

// netOption takes one of QEMU's options for its network. Ports become those of this
// package, so that one in use is told, and so that they are on the loopback device
// unless an address is given; QEMU's own would be open to everybody.
func (o *Options) netOption(option string) error {
	key, value, _ := strings.Cut(option, "=")
	switch key {
	case "":
	case "hostfwd":
		f, err := parseForward(value)
		if err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
		o.Forwards = append(o.Forwards, f)
	case "restrict":
		o.Restrict = value == "on" || value == "yes" || value == "y"
	default:
		o.NetOptions = append(o.NetOptions, option)
	}
	return nil
}
