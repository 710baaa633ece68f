package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/image/diskfile"
	"ingot/image/fileformat"
	"ingot/internal/shellwords"
	"ingot/lab/disks"
	"ingot/vm"
	"ingot/vm/run"
)

// disksHelp is what --help says of the disks of both.
const disksHelp = `The guest gets the disks of --disk, then of --new-disk, then of --empty-disk. --disk FILE is a
qcow2 if its name ends in .qcow2 and else raw, unless FILE:qcow2 or FILE:raw says which;
with :ro, writes are discarded on exit. The bytes of the file do not count, since a
guest may have written them. --new-disk FILE:SIZE[:FS[:LABEL]] makes FILE in the same way, and
keeps it if the exit status is 0; --empty-disk SIZE[:FS[:LABEL]] is discarded on exit. SIZE
has a unit, such as 64M; --empty-disk also takes a number of MiB. FS is a file system: ext4,
fat or swap. Default: none.

--share is written PATH, NAME:PATH, or either with ,ro behind it for a folder that the
guest can only read.`

// hardwareFlags are those of the machines of run and exec.
type hardwareFlags struct {
	arch, machine, memory               string
	accel                               vm.Accel
	cpus                                int
	network                             networkMode
	disks, newDisks, emptyDisks, shares []string
	dryRun                              bool
}

func (h *hardwareFlags) add(f *pflag.FlagSet, network networkMode) {
	f.StringVar(&h.arch, "arch", "", "processor `ARCH`. Default: the host's.")
	f.StringVar(&h.machine, "machine", "", "QEMU's machine `TYPE`, with options")
	addAccel(f, &h.accel, "accel", "`NAME`: kvm or tcg. Default: what works.")
	f.StringVarP(&h.memory, "memory", "m", "512M", "`SIZE` in MiB, or with K, M, G or T")
	addCount(f, &h.cpus, "cpus", 1, 1, mostCPUs, "`N`: processors")
	addNetwork(f, &h.network, network)
	f.StringArrayVar(&h.disks, "disk", nil, "attach `FILE` or a device, :ro to read; repeatable")
	f.StringArrayVar(&h.newDisks, "new-disk", nil, "`FILE:SIZE`: make and attach a disk (see above); repeatable")
	f.StringArrayVar(&h.emptyDisks, "empty-disk", nil, "`SIZE`: attach an empty disk (see above); repeatable")
	f.StringArrayVar(&h.shares, "share", nil, "share the folder `PATH` with the guest; repeatable")
	f.BoolVar(&h.dryRun, "dry-run", false, "change nothing; print QEMU's command line")
}

// printCommand prints the command line of QEMU.
func printCommand(c *cobra.Command, command func() ([]string, error)) error {
	line, err := command()
	if err == nil {
		_, err = fmt.Fprintln(c.OutOrStdout(), shellwords.Quote(line))
	}
	return err // also that of the output: the status of exec tells it from the command's
}

// hardware is what hardwareFlags name, but for numbers.
type hardware struct {
	arch   vm.Arch
	memory int64
	disks  []vm.Disk
	new    []disks.New
	empty  []run.Empty
	shares []vm.Share
}

func (h *hardwareFlags) parse(c *cobra.Command) (got hardware, err error) {
	if h.arch != "" {
		if got.arch, err = vm.ParseArch(h.arch); err != nil {
			return got, usageError{fmt.Errorf("%s: --arch: %w", verbName(c), err)}
		}
	}
	if got.memory, err = parseMemory(h.memory); err != nil {
		return got, usageError{fmt.Errorf("%s: %w", verbName(c), err)}
	}
	if got.disks, err = parseAll(h.disks, disks.Parse); err != nil {
		return got, err
	}
	if got.new, err = h.parseNew(c); err != nil {
		return got, err
	}
	if got.empty, err = parseAll(h.emptyDisks, run.ParseEmpty); err != nil {
		return got, err
	}
	got.shares, err = parseAll(h.shares, run.ParseShare)
	return got, err
}

// parseAll reads the values of a flag.
func parseAll[T any](texts []string, parse func(string) (T, error)) (list []T, err error) {
	for _, text := range texts {
		value, err := parse(text)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

// parseNew reads --new-disk.
func (h *hardwareFlags) parseNew(c *cobra.Command) (list []disks.New, err error) {
	for _, text := range h.newDisks {
		d, err := disks.ParseNew(text)
		if d.Path != "" && !d.Named {
			if err := checkNewName(verbName(c), d.Path); err != nil { // which knows what to do instead
				return nil, err
			}
		}
		switch {
		case err != nil:
			return nil, err
		case slices.ContainsFunc(list, func(other disks.New) bool { return other.Path == d.Path }):
			return nil, &run.OptionError{Option: run.OptionNewDisk, Value: d.Path, Err: errors.New("is named twice")}
		}
		if err := d.Check(); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// checkNewName refuses a name that says another format than a new disk can have, and has no
// word behind it that says one.
func checkNewName(verb, name string) error {
	n := outputName{verb: verb + " --new-disk", path: name, writes: []string{string(diskfile.Raw), string(diskfile.QCOW2)}}
	if said, _ := fileformat.OfName(name); slices.Contains(n.writes, said.Name) {
		n.format = said.Name
	}
	return n.check()
}

// firmwareVariable names a firmware in the environment.
const firmwareVariable = "INGOT_FIRMWARE"

// firmwareFlag names a firmware for UEFI.
type firmwareFlag string

func addFirmware(f *pflag.FlagSet, to *firmwareFlag) {
	f.StringVar((*string)(to), "firmware", "", "`CODE[,VARS]` or FOLDER: the UEFI firmware")
}

// find returns the firmware that the flag names, or else the environment.
func (f firmwareFlag) find(c *cobra.Command) (named, usual vm.OVMF, err error) {
	if f != "" {
		named, err = vm.ParseOVMF("", string(f))
		if err != nil {
			return named, usual, usageError{fmt.Errorf("%s: --firmware: %w", verbName(c), err)}
		}
		return named, usual, nil
	}
	if text := os.Getenv(firmwareVariable); text != "" {
		if usual, err = vm.ParseOVMF("", text); err != nil {
			return named, usual, usageError{fmt.Errorf("%s: %s: %w", verbName(c), firmwareVariable, err)}
		}
	}
	return named, usual, nil
}

// addKernel adds the flag --kernel.
func addKernel(f *pflag.FlagSet, to *string) {
	*to = "/"
	if name := os.Getenv("INGOT_KERNEL"); name != "" {
		*to = name
	}
	f.StringVar(to, "kernel", *to, "`PATH` of a kernel. Default: $INGOT_KERNEL, or /.")
}
