package run

import "fmt"

// An Option names one of [Options] in an [OptionError]. The caller knows the flag, variable or
// key of a file that sets it.
type Option int

const (
	OptionName Option = iota
	OptionArch
	OptionBoot
	OptionMemory
	OptionOverlay
	OptionDiskSize
	OptionDisk
	OptionNewDisk
	OptionEmpty
	OptionNetwork
	OptionForward
	OptionVLAN
	OptionNumber
	OptionShare
	OptionWords
	OptionFirmware
	OptionEFIVars
	OptionUsualEFIVars
	OptionSecureBoot
	OptionTPMDir
	OptionGraphics
	OptionSSH
)

// String returns what errors call the option, and "" for what is none.
func (o Option) String() string {
	return map[Option]string{
		OptionName: "machine name", OptionArch: "processor architecture", OptionBoot: "boot mode", OptionMemory: "memory",
		OptionOverlay: "overlay", OptionDiskSize: "disk size", OptionDisk: "disk", OptionNewDisk: "new disk", OptionEmpty: "empty disk",
		OptionNetwork: "network", OptionForward: "port forward", OptionVLAN: "VLAN", OptionNumber: "machine number",
		OptionShare: "shared folder", OptionWords: "kernel command line",
		OptionFirmware: "UEFI firmware", OptionEFIVars: "UEFI variables", OptionUsualEFIVars: "usual UEFI variables", OptionSecureBoot: "Secure Boot",
		OptionTPMDir: "TPM state", OptionGraphics: "graphics", OptionSSH: "SSH",
	}[o]
}

// An OptionError says that the value of an option is wrong, or does not fit the system or
// another option.
type OptionError struct {
	Option Option
	Value  string // as it was given; empty where the error says it
	Err    error
}

func (e *OptionError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %v", e.Option, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Option, e.Value, e.Err)
}

func (e *OptionError) Unwrap() error { return e.Err }

func wrong(option Option, value, format string, args ...any) error {
	return &OptionError{option, value, fmt.Errorf(format, args...)}
}
