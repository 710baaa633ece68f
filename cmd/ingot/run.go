package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"ingot/guest/wire"
	"ingot/internal/printable"
	"ingot/internal/shellwords"
	"ingot/lab"
	"ingot/vm"
	"ingot/vm/run"
	"ingot/vm/runtimedir"
	"ingot/vm/session"
)

func newRun() *cobra.Command {
	var m machineFlags
	var r runFlags
	c := &cobra.Command{
		Use:   "run [WHAT] [flags] [-- QEMU-ARGUMENTS]",
		Short: "run a recipe, image or closure in a virtual machine",
		Long: `Run a system in a virtual machine, with its console on the terminal. WHAT is

  a recipe         its disk is served on demand and never written
  an image         which stays as it is: raw, qcow2, VDI or VHD, by its name or by
                   a word behind it, such as IMAGE:qcow2
  an ISO           as a CD
  a netboot folder kernel, initrd, root.squashfs and command-line
  a closure        a reference graph or a store path, or --graph and the like: a
                   kernel with ingot as its init shows it its store; one of --find,
                   --shell, --run and --init says what is done with it

With --shell, input that is no terminal is the shell's script, whose output and
status are ingot's. Input for other consoles waits until the guest listens.

What the guest writes to its disk is discarded on exit, unless --disk-image names the
qcow2 file that keeps it, made if it is missing. Ctrl-] or Ctrl-A x leaves and ends the machine; so does its power
switch. The exit status is 0 when the guest powers off, with --run that of the program.
Of a boot that fails a person is told; with neither a terminal nor graphics that ends
the machine, with what failed and the console's last lines.

The variables of NixOS's and tvix's scripts are understood: NIX_DISK_IMAGE, QEMU_OPTS,
QEMU_NET_OPTS, QEMU_KERNEL_PARAMS, SHARED_DIR, TMPDIR with USE_TMPDIR, NIX_EFI_VARS
with --boot uefi, NIX_SWTPM_DIR with --tpm, CH_NUM_CPUS, CH_MEM_SIZE and CH_CMDLINE.
Flags go before them.

In ingot's own systems a --share NAME:PATH is at /mnt/NAME, with --boot kernel.

--forward takes [tcp:|udp:][ADDRESS:]PORT:GUESTPORT or :PORT-:GUESTPORT; the way back is
guest:10.0.2.100:80-127.0.0.1:8080. --empty-disk takes SIZE, or SIZE:ext4, SIZE:fat or
SIZE:swap, and a label behind that. --share NAME:PATH,ro shares for reading only.`,
		Example: `  ingot run rescue
  ingot run web.yaml --forward 8080:80 --disk-image web.qcow2
  ingot run rescue.iso --boot uefi --memory 1G
  ingot run closure.graph --run "/nix/store/…-hello/bin/hello -g hi"
  ingot run --path /nix/store/…-nixos-system-web --init /nix/store/…-nixos-system-web/init`,
		Args: cobra.ArbitraryArgs,
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

// splitArguments tells what stands before -- from what stands behind it.
func splitArguments(c *cobra.Command, args []string) (what string, rest []string, err error) {
	if i := c.ArgsLenAtDash(); i >= 0 {
		args, rest = args[:i], args[i:]
	}
	if len(args) > 1 {
		return "", nil, usageError{fmt.Errorf("%s: one thing is run, and here are %d: %s (words for QEMU stand behind --)", c.Name(), len(args), strings.Join(args, " "))}
	}
	if len(args) == 1 {
		what = args[0]
	}
	return what, rest, nil
}

// runFlags are those of the machine itself.
type runFlags struct {
	name, boot, arch, machine, memory    string
	cpus                                 int
	diskImage, diskSize                  string
	keep                                 bool
	empty                                []string
	forwards, shares                     []string
	vlans                                []string
	number                               int
	noNetwork, restrict                  bool
	words                                []string
	efiVars, tpmState, graphics          string
	tpm, secureBoot                      bool
	reboot, noBackdoor, showConsole, ssh bool
	save                                 string
	dryRun                               bool

	accel         vm.Accel
	qemuArguments []string
}

func (r *runFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.name, "name", "", "the machine's `NAME`. Default: that of WHAT.")
	f.StringVar(&r.boot, "boot", "", "`MODE`: kernel (QEMU loads it), bios or uefi")
	f.StringVar(&r.arch, "arch", "", "the guest's `PROCESSOR`. Default: the host's.")
	f.StringVar(&r.machine, "machine", "", "QEMU's machine `TYPE`, with options")
	addAccel(f, &r.accel, "accel", "`NAME`: kvm or tcg. Default: what works.")
	f.StringVar(&r.memory, "memory", "512M", "`SIZE` in MiB, or with K, M, G or T")
	addCount(f, &r.cpus, "cpus", 1, 1, mostCPUs, "`N`: processors")
	f.StringVar(&r.diskImage, "disk-image", "", "keep writes to the disk in `FILE`, a qcow2")
	f.BoolVar(&r.keep, "keep", false, "the same as --disk-image NAME.qcow2")
	f.StringVar(&r.diskSize, "disk-size", "", "enlarge the disk to `SIZE`")
	f.StringArrayVar(&r.empty, "empty-disk", nil, "`SIZE`: a further disk, such as 1G:ext4:data; repeatable")
	f.StringSliceVar(&r.forwards, "forward", nil, "`PORT`: forward a port, such as 8080:80; repeatable")
	f.BoolVar(&r.restrict, "restrict-network", false, "the guest reaches only what is forwarded")
	f.BoolVar(&r.noNetwork, "no-network", false, "no network card")
	f.StringArrayVar(&r.vlans, "vlan", nil, "`N=SOCKET`: join a switch as 192.168.N.M; repeatable")
	addCount(f, &r.number, "number", 1, 1, 254, "the `M` of --vlan's 192.168.N.M")
	f.StringArrayVar(&r.shares, "share", nil, "`NAME:PATH`: share a folder, with ,ro to read; repeatable")
	f.StringArrayVar(&r.words, "append", nil, "add `WORDS` to the kernel command line; repeatable")
	f.StringVar(&r.efiVars, "efi-vars", "", "keep UEFI variables in `FILE`")
	f.BoolVar(&r.secureBoot, "secure-boot", false, "UEFI Secure Boot with Microsoft's keys")
	f.BoolVar(&r.tpm, "tpm", false, "a TPM 2.0, by swtpm")
	f.StringVar(&r.tpmState, "tpm-state", "", "a TPM 2.0 that keeps its state in `FOLDER`")
	f.StringVar(&r.graphics, "graphics", "none", "`SCREEN`: window, vnc or none")
	f.BoolVar(&r.reboot, "reboot", false, "let the guest restart. Default: restarts end it.")
	f.BoolVar(&r.noBackdoor, "no-backdoor", false, "no way in for ingot shell")
	f.BoolVar(&r.ssh, "ssh", false, "let ssh in, with a key made for this run")
	f.BoolVar(&r.showConsole, "console", false, "show a console that is hidden, on standard error")
	f.StringVar(&r.save, "save", "", "write `FOLDER`/bin/run-NAME-vm, start nothing")
	f.BoolVar(&r.dryRun, "dry-run", false, "print QEMU's command line, start nothing")
}

// options are what the environment asks for, and then the flags.
func (r *runFlags) options(c *cobra.Command) (o run.Options, err error) {
	if o, err = run.FromEnvironment(os.Getenv); err != nil {
		return o, usageError{err}
	}
	given := c.Flags().Changed
	if given("memory") || o.Memory == 0 {
		if o.Memory, err = parseMemory(r.memory); err != nil {
			return o, usageError{fmt.Errorf("run: %w", err)}
		}
	}
	if given("cpus") || o.CPUs == 0 {
		o.CPUs = r.cpus
	}
	if given("disk-image") {
		o.DiskImage = r.diskImage
	}
	if r.name != "" {
		if err := run.CheckName(r.name); err != nil {
			return o, usageError{fmt.Errorf("run: --name: %w", err)}
		}
	}
	o.Name, o.MachineType, o.Accel = r.name, r.machine, r.accel
	o.NoNetwork, o.Restrict, o.Number = r.noNetwork, o.Restrict || r.restrict, r.number
	o.EFIVars, o.Reboot, o.NoBackdoor, o.SSH = r.efiVars, r.reboot, r.noBackdoor, r.ssh
	o.SecureBoot, o.TPM = r.secureBoot, r.tpm || r.tpmState != ""
	o.TPMDir = cmp.Or(r.tpmState, o.TPMDir)
	for _, words := range r.words {
		o.Words = append(o.Words, strings.Fields(words)...)
	}
	o.QEMUArgs = append(o.QEMUArgs, r.qemuArguments...)
	return o, r.parse(&o)
}

// parse reads the flags that are text.
func (r *runFlags) parse(o *run.Options) error {
	steps := []func() (err error){
		func() (err error) { o.Boot, err = run.ParseBoot(r.boot); return },
		func() (err error) { o.Graphics, err = run.ParseGraphics(r.graphics); return },
		func() (err error) {
			if r.arch == "" {
				return nil
			}
			if o.Arch, err = vm.ParseArch(r.arch); err != nil {
				err = fmt.Errorf("--arch: %w", err)
			}
			return
		},
		func() (err error) {
			if r.diskSize == "" {
				return nil
			}
			if o.DiskSize, err = run.ParseSize(r.diskSize); err == nil && o.DiskSize == 0 {
				err = errors.New("a disk has a size")
			}
			if err != nil {
				err = fmt.Errorf("--disk-size %s: %w", r.diskSize, err)
			}
			return
		},
	}
	for _, text := range r.empty {
		steps = append(steps, func() error {
			e, err := run.ParseEmpty(text)
			if err != nil {
				return fmt.Errorf("--empty-disk %s: %w", text, err)
			}
			o.Empty = append(o.Empty, e)
			return nil
		})
	}
	for _, text := range r.forwards {
		steps = append(steps, func() error { return o.AddForward(text) })
	}
	for _, text := range r.shares {
		steps = append(steps, func() error {
			s, err := run.ParseShare(text)
			o.Shares = append(o.Shares, s)
			return err
		})
	}
	for _, text := range r.vlans {
		steps = append(steps, func() error {
			number, socket, _ := strings.Cut(text, "=")
			n, err := strconv.Atoi(number)
			if err != nil {
				return fmt.Errorf("--vlan %s: it is written N or N=SOCKET", text)
			}
			if socket == "" {
				r, err := registry()
				if err != nil {
					return err
				}
				o.VLANs = append(o.VLANs, run.VLAN{N: n, Switch: r.Path(lab.SwitchName(n)), Shared: true})
				return nil
			}
			o.VLANs = append(o.VLANs, run.VLAN{N: n, Switch: socket})
			return nil
		})
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return usageError{fmt.Errorf("run: %w", err)}
		}
	}
	return nil
}

// registry opens the folder of this user's running machines.
func registry() (*run.Registry, error) { return run.OpenRegistry(run.DefaultDir(os.Getenv)) }

// runningDir opens that folder for what else is reached there, and makes it if need be.
func runningDir() (*runtimedir.Dir, error) { return runtimedir.Make(run.DefaultDir(os.Getenv)) }

// runMachine runs what is named. Options that do not fit that are mistakes on the command line.
func runMachine(c *cobra.Command, what string, m *machineFlags, r *runFlags) error {
	err := r.run(c, what, m)
	var option *run.OptionError
	if errors.As(err, &option) {
		return usageError{fmt.Errorf("run: --%w", err)}
	}
	return err
}

func (r *runFlags) run(c *cobra.Command, what string, m *machineFlags) error {
	o, err := r.options(c)
	if err != nil {
		return err
	}
	if m.kernelWords = o.Words; r.save != "" {
		m.kernelWords = append(m.kernelWords, string(wire.ShellWord)) // the script's own environment may say what to do
	}
	system, closure, err := m.machine(c, what)
	if err != nil {
		return err
	}
	if r.keep {
		name := r.name
		if name == "" {
			name = system.Name
		}
		o.DiskImage = name + ".qcow2"
	}
	if closure != nil {
		if err := closure.RootOnDisk(system, &o); err != nil {
			return err
		}
	}
	if err := lab.PlaceOnVLANs(system, &o); err != nil {
		return err
	}
	// A script for the shell that is typed at a console would lose what comes before the
	// guest listens, and its end.
	piped := m.shell && !m.find && o.Graphics == run.NoGraphics && !isTerminal(os.Stdin)
	batch := piped || m.find && !m.shell || m.run != "" && !m.shell && !m.find
	if batch {
		o.Channels = append(o.Channels, wire.StdinPort, wire.StdoutPort, wire.StderrPort)
	}
	status := m.tellsStatus()
	if status {
		o.Channels = append(o.Channels, wire.StatusPort) // the last one, as the guest expects
	}
	running, err := registry()
	if err != nil {
		return err
	}
	host := run.Host{Registry: running, Warn: func(note string) { sayLines(c.ErrOrStderr(), "ingot: ", note) }}
	switch {
	case r.save != "":
		return saveScript(c, r.save, what, system, &o)
	case r.dryRun:
		line, err := run.Command(system, o, host)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), shellwords.Quote(line))
		return err
	}
	return (&attended{c: c, host: host, batch: batch, console: r.showConsole, screen: o.Graphics != run.NoGraphics, status: status}).run(system, o)
}

// attended is a machine with somebody, or something, at its console.
type attended struct {
	c       *cobra.Command
	host    run.Host
	batch   bool     // a program speaks by ports of its own, and the console is quiet
	console bool     // and is shown all the same
	screen  bool     // somebody may look at the machine's screen
	status  bool     // the guest tells one
	shares  []string // how the guest reaches shared folders

	session *run.Session
	failed  error          // why the machine was ended
	streams sync.WaitGroup // what the program prints
	told    bytes.Buffer   // the status
}

func (a *attended) run(s *run.System, o run.Options) error {
	ctx, cancel := context.WithCancel(a.c.Context())
	defer cancel()
	switch {
	case !a.batch:
		a.host.Console = raw(a.c.OutOrStdout())
	case a.console:
		a.host.Console = raw(a.c.ErrOrStderr())
	}
	var err error
	if a.session, err = run.Start(ctx, s, o, a.host); err != nil {
		return err
	}
	defer a.session.Close()
	a.shares = o.ShareNotes(s)
	a.announce()
	left, err := a.attend(ctx, cancel)
	if err != nil {
		return err
	}
	if a.failed != nil {
		a.session.Close()
	}
	err = a.session.Wait(ctx)
	switch {
	case a.failed != nil:
		return a.failed
	case left:
		a.session.Close()
		fmt.Fprintln(raw(a.c.ErrOrStderr()), "\ringot: left; the machine was ended")
		return nil
	case a.c.Context().Err() != nil:
		return a.c.Context().Err()
	case err != nil:
		return err
	}
	a.streams.Wait()
	return a.exitStatus()
}

// announce says how the machine is reached otherwise.
func (a *attended) announce() {
	e := a.session.Entry
	say := func(format string, args ...any) { sayLines(a.c.ErrOrStderr(), "ingot: ", fmt.Sprintf(format, args...)) }
	if e.VNC != "" {
		say("the screen is at %s, for a VNC viewer", e.VNC)
	}
	if len(e.Forward) > 0 {
		say("forwarded: %s", strings.Join(e.Forward, ", "))
	}
	if e.Disk != "" {
		say("changes are kept in %s", e.Disk)
	}
	for _, note := range a.shares {
		say("%s", note)
	}
}

// announceLogin says how somebody gets in, once there is somebody to let them in: what the
// system prints while it starts would push it out of sight. A prompt that stands there
// already is shown again behind it.
func (a *attended) announceLogin(m *vm.Machine) {
	var lines string
	for _, command := range []string{a.session.Entry.SSH, a.session.Entry.Build} {
		if command != "" {
			lines += "ingot: " + printable.Name(command) + "\r\n"
		}
	}
	if lines != "" {
		text := m.Console()
		fmt.Fprintf(raw(a.c.ErrOrStderr()), "\r\n%s%s", lines, text[strings.LastIndexByte(text, '\n')+1:])
	}
}

// attend joins the machine to this process's streams until it ends.
func (a *attended) attend(ctx context.Context, cancel context.CancelFunc) (left bool, err error) {
	m := a.session.Machine
	if a.status {
		if err := a.collect(wire.StatusPort, &a.told); err != nil {
			return false, err
		}
	}
	pumping, stop := context.WithCancel(ctx)
	defer stop()
	if a.batch {
		go func() {
			a.awaitEnd(ctx, false)
			stop()
		}()
		a.announceLogin(m)
		return false, a.attendProgram(pumping)
	}
	terminal, err := session.OpenTerminal(os.Stdin)
	if err != nil {
		return false, err
	}
	defer terminal.Restore()
	if terminal != nil {
		defer func() { fmt.Fprint(raw(a.c.ErrOrStderr()), "\r") }()
	}
	go func() {
		a.awaitEnd(ctx, terminal != nil)
		stop()
	}()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		failed := run.AwaitBoot(pumping, a.session.Machine)
		switch {
		case failed == nil && pumping.Err() == nil:
			awaitSign(pumping, a.session.Machine, prompts(), promptTime)
			a.announceLogin(a.session.Machine)
		case failed == nil:
		case terminal != nil || a.screen:
			a.tell(failed)
		default: // nobody is there to help it
			a.failed = failed
			stop()
		}
	}()
	defer func() { stop(); <-watched }()
	if terminal == nil {
		awaitListener(pumping, m)
	}
	left = terminal.Pump(pumping, os.Stdin, m)
	if left {
		cancel()
		return true, nil
	}
	<-pumping.Done() // standard input has ended, and the machine goes on
	return false, nil
}

// attendProgram joins the program's own streams.
func (a *attended) attendProgram(ctx context.Context) error {
	in, err := a.session.Machine.Channel(wire.StdinPort)
	if err != nil {
		return err
	}
	go func() { _ = wire.SendInput(in, os.Stdin) }() // a file that cannot be read ends there
	for port, w := range map[string]io.Writer{wire.StdoutPort: raw(a.c.OutOrStdout()), wire.StderrPort: raw(a.c.ErrOrStderr())} {
		if err := a.collect(port, w); err != nil {
			return err
		}
	}
	<-ctx.Done()
	in.Close()
	return nil
}

// collect copies what comes out of a port, to its end.
func (a *attended) collect(port string, w io.Writer) error {
	conn, err := a.session.Machine.Channel(port)
	if err != nil {
		return err
	}
	a.streams.Go(func() {
		_, _ = io.Copy(w, conn)
		conn.Close()
	})
	return nil
}

// exitStatus is the guest's, where it tells one.
func (a *attended) exitStatus() error {
	if !a.status {
		return nil
	}
	status, err := strconv.Atoi(strings.TrimSpace(a.told.String()))
	if status == guestFailed && !a.console {
		a.complain()
	}
	switch {
	case err != nil:
		return fmt.Errorf("the machine ended without telling a status; the console's last lines:\n%s", a.session.Machine.Tail())
	case status != 0:
		return guestStatus(status)
	}
	return nil
}

// guestFailed is the status of a guest that could not do what it was to do. A program that
// chooses it has nothing to fear: nothing of ingot's stands on the console then.
const guestFailed = 125

// complain passes on what the guest has said of that on the console, which nobody has
// seen.
func (a *attended) complain() {
	for line := range strings.Lines(vm.WithoutKernel(a.session.Machine.Console())) {
		if said, ok := strings.CutPrefix(line, "ingot: "); ok {
			fmt.Fprintf(a.c.ErrOrStderr(), "ingot: in the machine: %s\n", strings.TrimRight(said, "\r\n"))
		}
	}
}

// guestStatus is the exit status of what ran in a guest. It has said for itself what
// there is to say.
type guestStatus int

func (s guestStatus) Error() string { return fmt.Sprintf("the guest's status is %d", int(s)) }
