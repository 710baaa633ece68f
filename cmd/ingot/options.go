package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"ingot/image"
	"ingot/lab/disks"
	"ingot/vm/run"
)

// optionFlags say by which flag of run, and by which variable of the environment where there
// is no such flag on the command line, an option of a machine is asked for.
var optionFlags = map[run.Option]struct{ flag, variable string }{
	run.OptionName: {"name", ""}, run.OptionArch: {"arch", ""}, run.OptionBoot: {"boot", ""}, run.OptionMemory: {"memory", "CH_MEM_SIZE"},
	run.OptionOverlay: {"overlay", "NIX_DISK_IMAGE"}, run.OptionDiskSize: {"disk-size", ""}, run.OptionDisk: {"disk", ""}, run.OptionNewDisk: {"new-disk", ""}, run.OptionEmpty: {"empty-disk", ""},
	run.OptionNetwork: {"network", ""}, run.OptionForward: {"forward", "QEMU_NET_OPTS"}, run.OptionVLAN: {"vlan", ""}, run.OptionNumber: {"number", ""},
	run.OptionShare: {"share", "SHARED_DIR"}, run.OptionWords: {"append", "QEMU_KERNEL_PARAMS"},
	run.OptionEFIVars: {"efi-vars", ""}, run.OptionUsualEFIVars: {"", "NIX_EFI_VARS"}, run.OptionSecureBoot: {"secure-boot", ""}, run.OptionFirmware: {"firmware", ""},
	run.OptionTPMDir: {"tpm-state", "NIX_SWTPM_DIR"}, run.OptionGraphics: {"graphics", ""}, run.OptionSSH: {"ssh", ""},
}

// optionError makes an error about an option of a machine a mistake on the command line,
// which names the flag or the variable. Other errors stay as they are.
func optionError(c *cobra.Command, err error) error {
	var option *run.OptionError
	if !errors.As(err, &option) {
		return err
	}
	by := optionFlags[option.Option]
	name := "--" + by.flag
	if by.flag == "" || !c.Flags().Changed(by.flag) && os.Getenv(by.variable) != "" {
		name = by.variable
	}
	if option.Value != "" {
		name += " " + option.Value
	}
	if ofHost(option.Err) {
		return fmt.Errorf("%s: %w", name, option.Err)
	}
	return usageError{fmt.Errorf("%s: %s: %w", verbName(c), name, option.Err)}
}

// ofHost says whether an error is about a place of this host where no file can be made, and
// not about how the command line is written.
func ofHost(err error) bool {
	return errors.As(err, new(*image.SystemFolderError)) || errors.As(err, new(*image.OpenFileError)) ||
		errors.As(err, new(*image.ReplaceError)) || errors.As(err, new(*fs.PathError)) ||
		errors.As(err, new(*disks.ExistsError)) || errors.As(err, new(*disks.FolderError))
}
