package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ingot/guest/wire"
	"ingot/lab"
	"ingot/lab/console"
	"ingot/lab/disks"
	"ingot/vm/run"
	"ingot/vm/runtimedir"
)

func newRun() *cobra.Command {
	var m machineFlags
	var r runFlags
	c := &cobra.Command{
		Use:   "run [WHAT] [flags] [-- QEMU-ARGUMENTS]",
		Short: "run a system, recipe, image or closure in a virtual machine",
		Long: `Run a system in a virtual machine, with its console on the terminal. WHAT is

  a system         the store path of a NixOS or Guix system, or a link to one such as
                   ./result: ingot derives the disk that it expects, as build does
  a recipe         ingot serves its disk on demand and never writes it
  an image         raw, qcow2, VDI or VHD, by its name or by a word behind it, such
                   as IMAGE:qcow2; ingot does not change it
  an ISO           as a CD
  a netboot folder kernel, initrd, root.squashfs and command-line
  a closure        a reference graph or a store path, or --store, --graph and the
                   like: a kernel with ingot as its init mounts the store; --find,
                   --shell, --run or --init says what it does then, also of a system

--shell runs standard input as a script if that is not a terminal, and passes on its output
and status. Input for other consoles waits until the guest listens.

Writes of the guest to its disk are discarded on exit, unless --overlay names a qcow2 file
that keeps them; ingot makes it if it does not exist. Ctrl-] or Ctrl-A x ends the machine, and
so does the guest's power-off. The exit status is 0 when the guest powers off, and with --run
that of the program. If the boot fails, ingot says so on the terminal or screen; without
either, it ends the machine and prints the reason and the console's last lines.

ingot reads the variables of NixOS's and tvix's scripts: NIX_DISK_IMAGE, QEMU_OPTS,
QEMU_NET_OPTS, QEMU_KERNEL_PARAMS, SHARED_DIR, TMPDIR with USE_TMPDIR, NIX_EFI_VARS
with --boot uefi, NIX_SWTPM_DIR with --tpm, CH_NUM_CPUS, CH_MEM_SIZE and CH_CMDLINE.
Flags override them. INGOT_FIRMWARE names the UEFI firmware as --firmware does: CODE,VARS;
CODE, with its variables beside it; or the FOLDER of both.

ingot's own systems, started with --boot kernel, mount --share PATH at /tmp/shared and
--share NAME:PATH at /mnt/NAME.

` + disksHelp + `

--forward takes [tcp:|udp:][ADDRESS:]PORT:GUESTPORT or :PORT-:GUESTPORT;
guest:10.0.2.100:80-127.0.0.1:8080 lets the guest reach a port of this machine.`,
		Example: `  ingot run ./result
  ingot run rescue
  ingot run web.yaml --forward 8080:80 --overlay web.qcow2
  ingot run rescue.iso --boot uefi --memory 1G
  ingot run closure.graph --run "/nix/store/…-hello/bin/hello -g hi"
  ingot run --path /nix/store/…-nixos-system-web --init /nix/store/…-nixos-system-web/init`,
		RunE: func(c *cobra.Command, args []string) error {
			what, rest, err := splitArguments(c, args)
			if err != nil {
				return err
			}
			r.qemuArguments = rest
			return runMachine(c, what, &m, &r)
		},
	}
	m.add(c)
	r.add(c)
	c.Annotations = map[string]string{interrupted: "the machine was ended"}
	return c
}

// splitArguments divides the arguments at --.
func splitArguments(c *cobra.Command, args []string) (what string, rest []string, err error) {
	if i := c.ArgsLenAtDash(); i >= 0 {
		args, rest = args[:i], args[i:]
	}
	if err := apartFromFlag(c, args); err != nil {
		return "", nil, err
	}
	if len(args) > 1 {
		return "", nil, usageError{fmt.Errorf("%s: takes one WHAT, and %d are given: %s; arguments for QEMU follow --", c.Name(), len(args), strings.Join(args, " "))}
	}
	if len(args) == 1 {
		what = args[0]
	}
	return what, rest, nil
}

// runFlags are those of the machine itself.
type runFlags struct {
	hardware                           hardwareFlags
	name, boot                         string
	overlay, diskSize                  string
	forwards, vlans, words             []string
	number                             int
	efiVars, tpmState, graphics        string
	firmware                           firmwareFlag
	tpm, secureBoot                    bool
	reboot, backdoor, showConsole, ssh bool
	save                               string

	qemuArguments []string
}

func (r *runFlags) add(c *cobra.Command) {
	f := c.Flags()
	r.hardware.add(f, userNetwork)
	f.StringVar(&r.name, "name", "", "known as `NAME`. Default: as WHAT.")
	f.StringVar(&r.boot, "boot", "", "`MODE`: kernel (QEMU loads it), bios or uefi")
	f.StringVar(&r.overlay, "overlay", "", "keep writes in `FILE`; a qcow2")
	f.StringVar(&r.diskSize, "disk-size", "", "enlarge the disk to `SIZE`")
	f.StringSliceVar(&r.forwards, "forward", nil, "`PORT`: forward a port, such as 8080:80; repeatable")
	f.StringArrayVar(&r.vlans, "vlan", nil, "`N=SOCKET`: join a switch as 192.168.N.M; repeatable")
	addCount(f, &r.number, "number", 1, 1, 254, "the `M` of --vlan's 192.168.N.M")
	f.StringArrayVar(&r.words, "append", nil, "add `WORDS` to the kernel command line; repeatable")
	addFirmware(f, &r.firmware)
	f.StringVar(&r.efiVars, "efi-vars", "", "keep UEFI variables in `FILE`")
	f.BoolVar(&r.secureBoot, "secure-boot", false, "UEFI Secure Boot with Microsoft's keys")
	f.BoolVar(&r.tpm, "tpm", false, "a TPM 2.0, by swtpm")
	f.StringVar(&r.tpmState, "tpm-state", "", "a TPM 2.0 that keeps its state in `FOLDER`")
	f.StringVar(&r.graphics, "graphics", "none", "`SCREEN`: window, vnc or none")
	f.BoolVar(&r.reboot, "reboot", false, "let the guest restart. Default: restarts end it.")
	f.BoolVar(&r.backdoor, "backdoor", true, "let ingot shell in")
	f.BoolVar(&r.ssh, "ssh", false, "let ssh in, with a key made for this run")
	f.BoolVar(&r.showConsole, "console", false, "show the guest's console on standard error")
	f.StringVar(&r.save, "save", "", "write `FOLDER`/bin/run-NAME-vm, start nothing")
}

// options are those of the environment, overridden by the flags.
func (r *runFlags) options(c *cobra.Command, h hardware) (o run.Options, err error) {
	if o, err = run.FromEnvironment(os.Getenv); err != nil {
		return o, usageError{err}
	}
	given := c.Flags().Changed
	if given("memory") { // else the recipe's, or the flag's default
		o.Memory = h.memory
	}
	if given("cpus") || o.CPUs == 0 {
		o.CPUs = r.hardware.cpus
	}
	if given("overlay") {
		o.Overlay = r.overlay
	}
	if r.name != "" {
		if err := run.CheckName(r.name); err != nil {
			return o, err
		}
	}
	o.Name, o.Arch, o.MachineType, o.Accel = r.name, h.arch, r.hardware.machine, r.hardware.accel
	o.NoNetwork, o.Restrict, o.Number = r.hardware.network == noNetwork, o.Restrict || r.hardware.network == restrictedNetwork, r.number
	o.Disks, o.Empty, o.Shares = h.disks, h.empty, append(o.Shares, h.shares...)
	o.EFIVars, o.Reboot, o.NoBackdoor, o.SSH = r.efiVars, r.reboot, !r.backdoor, r.ssh
	o.SecureBoot, o.TPM = r.secureBoot, r.tpm || r.tpmState != ""
	o.TPMDir = cmp.Or(r.tpmState, o.TPMDir)
	for _, words := range r.words {
		o.Words = append(o.Words, strings.Fields(words)...)
	}
	o.QEMUArgs = append(o.QEMUArgs, r.qemuArguments...)
	return o, r.parse(&o)
}

// parse reads the flags that are text.
func (r *runFlags) parse(o *run.Options) (err error) {
	if o.Boot, err = run.ParseBoot(r.boot); err != nil {
		return err
	}
	if o.Graphics, err = run.ParseGraphics(r.graphics); err != nil {
		return err
	}
	if r.diskSize != "" {
		if o.DiskSize, err = run.ParseSize(r.diskSize); err == nil && o.DiskSize == 0 {
			err = errors.New("must be more than 0")
		}
		if err != nil {
			return &run.OptionError{Option: run.OptionDiskSize, Value: r.diskSize, Err: err}
		}
	}
	for _, text := range r.forwards {
		if err := o.AddForward(text); err != nil {
			return err
		}
	}
	o.VLANs, err = parseAll(r.vlans, parseVLAN)
	return err
}

// parseVLAN reads N=SOCKET, or N of a switch of this user's.
func parseVLAN(text string) (v run.VLAN, err error) {
	number, socket, _ := strings.Cut(text, "=")
	if v.N, err = strconv.Atoi(number); err != nil {
		return v, &run.OptionError{Option: run.OptionVLAN, Value: text, Err: errors.New("must be N or N=SOCKET")}
	}
	if v.Switch = socket; socket == "" {
		running, err := registry()
		if err != nil {
			return v, err
		}
		v.Switch, v.Shared = running.Path(lab.SwitchName(v.N)), true
	}
	return v, nil
}

// registry opens the folder of this user's running machines.
func registry() (*run.Registry, error) { return run.OpenRegistry(run.DefaultDir(os.Getenv)) }

// runningDir opens that folder for what else is reached there, and makes it if need be.
func runningDir() (*runtimedir.Dir, error) { return runtimedir.Make(run.DefaultDir(os.Getenv)) }

// runMachine runs what is named. Options that do not fit that are mistakes on the command line.
func runMachine(c *cobra.Command, what string, m *machineFlags, r *runFlags) error {
	return optionError(c, r.run(c, what, m))
}

func (r *runFlags) run(c *cobra.Command, what string, m *machineFlags) error {
	h, err := r.hardware.parse(c)
	if err != nil {
		return err
	}
	o, err := r.options(c, h)
	if err != nil {
		return err
	}
	if m.kernelWords = o.Words; r.save != "" {
		m.kernelWords = append(m.kernelWords, string(wire.ShellWord)) // the script's own environment may say what to do
	}
	// A script for the shell that is typed at a console would lose what comes before the
	// guest listens, and its end.
	m.script = m.shell && o.Graphics == run.NoGraphics && !isTerminal(os.Stdin)
	// Planning takes time; what has no effect on other things is told of first.
	named, usual, noFirmware := r.firmware.find(c)
	if noFirmware != nil { // the kind of a pipe cannot be asked twice
		if kind, err := m.kind(what); err == nil && kind == lab.IsRecipe {
			return noFirmware
		}
	}
	system, closure, err := m.machine(c, what)
	if err = cmp.Or(err, noFirmware); err != nil {
		return err
	}
	o.OVMF, o.UsualOVMF = named, usual
	x := &console.Console{
		Show: r.showConsole, Stdin: os.Stdin, Stdout: raw(c.OutOrStdout()), Stderr: raw(c.ErrOrStderr()), Say: func(note string) { sayLines(c.ErrOrStderr(), "ingot: ", note) },
	}
	if closure != nil {
		if err := closure.RootOnDisk(system, &o); err != nil {
			return err
		}
		if x.Command = closure.Command(); x.Command != nil {
			x.Command.Stdin = os.Stdin
			o.Channels = append(o.Channels, wire.AgentPort)
		}
		x.Status = x.Command == nil && (m.shell || m.init == "")
	}
	if err := lab.PlaceOnVLANs(system, &o); err != nil {
		return err
	}
	running, err := registry()
	if err != nil {
		return err
	}
	host := run.Host{Registry: running, Warn: x.Say}
	switch {
	case r.save != "":
		return saveScript(c, r.save, what, system, &o)
	case r.hardware.dryRun:
		o.Disks = append(o.Disks, disks.Planned(h.new)...)
		return printCommand(c, func() ([]string, error) { return run.Command(system, o, host) })
	}
	made, err := disks.Make(c.Context(), h.new, x.Say)
	if err != nil {
		return err
	}
	defer made.Discard()
	o.Disks = append(o.Disks, made.Disks...)
	end, err := x.Run(c.Context(), system, o, host)
	if err == nil && end.Status == 0 {
		err = made.Keep()
	}
	switch {
	case err != nil:
		return err
	case end.Left:
		fmt.Fprintln(x.Stderr, "\ringot: left; the machine was ended")
	case end.Status != 0:
		return guestStatus(end.Status)
	}
	return nil
}

// guestStatus is the exit status of what ran in a guest. It has said for itself what
// there is to say.
type guestStatus int

func (s guestStatus) Error() string { return fmt.Sprintf("the guest's status is %d", int(s)) }
