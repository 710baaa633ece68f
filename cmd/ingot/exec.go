package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ingot/guest/wire"
	"ingot/image"
	"ingot/image/diskfile"
	"ingot/internal/input"
	"ingot/internal/secret"
	"ingot/internal/shellwords"
	"ingot/partition"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/recipes/tools"
	"ingot/storedb"
	"ingot/storedb/storedisk"
	"ingot/vm"
	"ingot/vm/helper"
	"ingot/vm/session"
)

// The exit statuses of exec that are not its command's. Shells and env(1) have the same
// for what they cannot run, and timeout(1) for what takes too long.
const (
	execQEMU    = 120 // QEMU failed
	execPanic   = 121 // the guest's kernel panicked
	execLost    = 122 // the guest does not answer any more
	execMemory  = 123 // the guest had too little memory
	execTimeout = 124
	execFailed  = 125 // ingot could not do it; 126 and 127 are the command's
)

func newExec() *cobra.Command {
	var x execFlags
	c := &cobra.Command{
		Use:   "exec [flags] [--] COMMAND [ARGUMENT...] [-- QEMU-ARGUMENTS]",
		Short: "run a command in a helper virtual machine",
		Long: `Run a command, as root, in a virtual machine that is made for it and gone with it.
It takes no root here, and changes nothing but what --shared, --xchg, --output and
--disk name. One argument with a blank in it is a script for /bin/sh; --script FILE
runs a script from here, with the arguments that follow.

Standard input, output and error are the command's, byte for byte; on a terminal it
gets a terminal (Ctrl-] or Ctrl-A x leaves). The exit status is the command's, 128+N
if signal N killed it, 127 if it was not found and 126 if it cannot be executed. Else:

  120  QEMU failed                  123  the guest had too little memory
  121  the guest's kernel panicked  124  --timeout was over
  122  the guest went silent        125  anything else that kept it from running

The last -- stands before arguments for QEMU: a command with a -- of its own takes a
further one at its end. In the guest, /tmp/shared is --shared, /tmp/xchg is --xchg,
and --store shows a closure at /nix/store or /gnu/store with its database; what is
written there is discarded on exit. --recipe has the command run with the kernel and the store
of a recipe that nobody has to build for it. Otherwise, --kernel names a folder with
boot/vmlinuz-* and lib/modules, a system or a kernel in a store, or a file.

What --xchg, --output and a copied --shared bring back has 2,000,000 files and folders
at most, and 16GiB, or as much as --memory if that is more: --output-files and
--output-limit move that, for each of the three.

--new-disk FILE:SIZE makes a raw disk, or a qcow2 if FILE ends so or is FILE:qcow2; it
stays if the command succeeds. --env KEY copies the variable from here. --program NAME
brings the libraries that it needs. With --network, the guest is 10.0.2.15 and this
machine 10.0.2.2.

A --disk is a qcow2 if its name ends in .qcow2 and else raw, unless FILE:qcow2 or
FILE:raw says it; :ro goes before or after that. Its bytes, which are the guest's, do
not count.`,
		Example: `  ingot exec uname -a
  ingot exec --store closure.graph -- /nix/store/…-hello/bin/hello
  ingot exec --recipe web.yaml -- 'uname -r; ls /nix/store'
  ingot exec --disk data.img -- mount /dev/vda /mnt
  ingot exec --output result.tar -- 'tar -cf /tmp/xchg/result.tar /etc'
  ingot exec --shared . --timeout 5m --script build.sh release
  ingot exec uname -r -- -cpu Haswell`,
		RunE: func(c *cobra.Command, args []string) error { return x.report(c, x.run(c, args)) },
	}
	c.Flags().SetInterspersed(false)
	x.add(c)
	c.Annotations = map[string]string{interrupted: "the virtual machine was ended"}
	return c
}

// execFlags say what the machine has and what becomes of its files.
type execFlags struct {
	recipe  string
	set     []string
	sources sourceFlags
	store   string

	script, dir        string
	env                []string
	shared, xchg       string
	output             string
	outputDir          os.FileInfo // that output lies in when the command begins
	limit              string      // of results, as a size
	files              int64       // likewise
	disks, newDisks    []string
	kernel             string
	modules, programs  []string
	network            bool
	memory             string
	cpus               int
	arch, machine      string
	accel              vm.Accel
	timeout            time.Duration
	quiet, console     bool
	dryRun, noTerminal bool
}

func (x *execFlags) add(c *cobra.Command) {
	f := c.Flags()
	x.sources.add(f)
	f.StringVar(&x.recipe, "recipe", "", "take kernel and store from this `RECIPE`")
	f.StringArrayVar(&x.set, "set", nil, "`KEY=VALUE`: override a key of the recipe; repeatable")
	f.StringVar(&x.store, "store", "", "`SOURCE` of a closure, host or none. Default: none.")
	f.StringVar(&x.script, "script", "", "run the script in `FILE`; the arguments are its own")
	f.StringVar(&x.dir, "dir", "", "start the command in `DIR`. Default: /root.")
	f.StringArrayVarP(&x.env, "env", "e", nil, "set `KEY=VALUE`, or copy KEY from here; repeatable")
	f.StringVar(&x.shared, "shared", "", "share `DIR` at /tmp/shared, to read and write")
	f.StringVar(&x.xchg, "xchg", "", "copy `DIR` to /tmp/xchg before, and back afterwards")
	f.StringVarP(&x.output, "output", "o", "", "copy /tmp/xchg's one file to `FILE`, or all to DIR/")
	f.StringVar(&x.limit, "output-limit", "", "results: up to `SIZE`. Default: 16GiB or --memory.")
	addCount(f, &x.files, "output-files", wire.DefaultFiles, 1, 0, "results: up to `N` files")
	f.StringArrayVar(&x.disks, "disk", nil, "attach `FILE` or a device, :ro to read; repeatable")
	f.StringArrayVar(&x.newDisks, "new-disk", nil, "`FILE:SIZE`: make and attach an empty disk; repeatable")
	f.StringVar(&x.kernel, "kernel", cmp.Or(os.Getenv("INGOT_KERNEL"), "/"), "`PATH` of a kernel. Default: $INGOT_KERNEL, or /.")
	f.StringSliceVar(&x.modules, "module", nil, "kernel `MODULE` to have at hand; repeatable")
	f.StringSliceVar(&x.programs, "program", nil, "copy program `NAME` into the guest; repeatable")
	f.BoolVar(&x.network, "network", false, "a network behind this machine's")
	f.StringVarP(&x.memory, "memory", "m", "512M", "`SIZE` in MiB, or with K, M, G or T")
	addCount(f, &x.cpus, "cpus", 1, 1, mostCPUs, "`N`: processors")
	f.StringVar(&x.arch, "arch", "", "the guest's `PROCESSOR`. Default: the host's.")
	f.StringVar(&x.machine, "machine", "", "QEMU's machine `TYPE`, with options")
	addAccel(f, &x.accel, "accel", "`NAME`: kvm or tcg. Default: what works.")
	addTimeout(f, &x.timeout, "timeout", 0, true, "end all after `TIME`, such as 90s or 5m; 0 is never")
	f.BoolVarP(&x.quiet, "quiet", "q", false, "print the command's output and errors only")
	f.BoolVar(&x.console, "console", false, "show the kernel's messages on standard error")
	f.BoolVarP(&x.noTerminal, "no-tty", "T", false, "give the command no terminal")
	f.BoolVar(&x.dryRun, "dry-run", false, "print QEMU's command line and run nothing")
}

// execStatus returns the exit status that tells what went wrong.
func execStatus(err error) int {
	var exit *session.ExitError
	var command *session.CommandError
	var memory *session.OutOfMemoryError
	switch {
	case errors.As(err, &exit):
		return exit.Result.Status
	case errors.As(err, &command):
		return command.Status
	case errors.As(err, &memory):
		return cmp.Or(memory.Result.Status, execMemory)
	case errors.As(err, new(*session.PanicError)):
		return execPanic
	case errors.As(err, new(*session.QEMUError)):
		return execQEMU
	case errors.As(err, new(*session.LostError)):
		return execLost
	case errors.As(err, new(*session.TimeoutError)):
		return execTimeout
	}
	return execFailed
}

// report says what went wrong, but for a status that the command has chosen: it has
// said for itself what there is to say.
func (x *execFlags) report(c *cobra.Command, err error) error {
	var usage usageError
	if err == nil || c.Context().Err() != nil || errors.As(err, &usage) {
		return err
	}
	var exit *session.ExitError
	if !errors.As(err, &exit) {
		sayError(c.ErrOrStderr(), err, x.hint(c, err))
	}
	return guestStatus(execStatus(err))
}

// hint returns what to do next, where that is known: for what only exec does, and else as
// for all verbs.
func (x *execFlags) hint(c *cobra.Command, err error) string {
	var limit *wire.LimitError
	if errors.As(err, &limit) {
		if limit.Files > 0 {
			return "--output-files NUMBER takes more of them"
		}
		return "--output-limit SIZE takes more"
	}
	if errors.As(err, new(*session.OutOfMemoryError)) {
		return "--memory SIZE gives it more"
	}
	var command *session.CommandError
	if errors.As(err, &command) && command.Status == 127 && x.store == "" && x.sources.empty() && strings.Contains(command.Name, "/store/") {
		return "the guest has no store unless --store says which"
	}
	return hint(c, err)
}

// run does all that the command line asks for.
func (x *execFlags) run(c *cobra.Command, args []string) error {
	command, qemu, err := x.command(c.Context(), args)
	if err != nil {
		return err
	}
	made, err := parseNewDisks(x.newDisks)
	if err != nil {
		return err
	}
	o, err := x.options(c, qemu)
	if err != nil {
		return err
	}
	if x.dryRun {
		line, err := o.Command()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), shellwords.Quote(line))
		return err
	}
	ctx := c.Context()
	if x.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, x.timeout, &session.TimeoutError{What: "the command did not end", After: x.timeout})
		defer cancel()
	}
	disks, err := x.makeDisks(c, made)
	if err != nil {
		return err
	}
	defer disks.discard()
	o.Machine.Disks = append(o.Machine.Disks, disks.list...)
	e := execution{flags: x, ctx: ctx, say: o.Warn, said: map[string]bool{}}
	if x.xchg != "" {
		// A guest that has a folder around it as --shared may put a link in its place.
		if e.xchg, err = os.Open(x.xchg); err != nil {
			return fmt.Errorf("--xchg: %w", err)
		}
		defer e.xchg.Close()
	}
	h, err := helper.Start(ctx, o)
	if err != nil {
		return err
	}
	defer h.Kill()
	e.guest = h
	if err := e.run(command); err != nil {
		return err
	}
	if err := h.Close(); err != nil {
		return err
	}
	return disks.keep()
}

// command splits the arguments, and reads the script.
func (x *execFlags) command(ctx context.Context, args []string) (session.Command, []string, error) {
	var qemu []string
	for i, arg := range slices.Backward(args) {
		if arg == "--" {
			args, qemu = args[:i], args[i+1:]
			break
		}
	}
	command := session.Command{Argv: args, Dir: x.dir}
	for _, word := range x.env {
		key, _, ok := strings.Cut(word, "=")
		if value, there := os.LookupEnv(key); !ok && there {
			word = key + "=" + value
		} else if !ok || key == "" {
			return command, nil, usageError{fmt.Errorf("exec: --env %s: it is KEY=VALUE, or a KEY that is set here", secret.Quote(key))}
		}
		command.Env = append(command.Env, word)
	}
	switch {
	case x.script != "":
		text, err := recipes.ReadStream(ctx, x.script)
		if err != nil {
			return command, nil, err
		}
		if len(text) == 0 {
			return command, nil, fmt.Errorf("%s: the script is empty", x.script)
		}
		command.Script = string(text)
	case len(args) == 0:
		return command, nil, usageError{errors.New("exec: no command is given")}
	case len(args) == 1 && strings.ContainsAny(args[0], " \t\n"):
		command.Script, command.Argv = args[0], nil
	}
	return command, qemu, nil
}

// options describe the machine.
func (x *execFlags) options(c *cobra.Command, qemu []string) (helper.Options, error) {
	o := helper.Options{
		Init: os.Getenv("INGOT_GUEST"), Modules: x.modules, Verbose: x.console,
		Warn: func(note string) { sayLines(c.ErrOrStderr(), "ingot: ", note) },
		ReadFail: func(err error) {
			sayLines(c.ErrOrStderr(), "ingot: the guest could not read from the store: ", err.Error())
		},
		Machine: vm.Config{CPUs: x.cpus, MachineType: x.machine, Accel: x.accel, Args: qemu},
	}
	// QEMU's own -m would not agree with the file that the memory is in then.
	o.Machine.OpenMemory = (x.xchg != "" || x.output != "") && !slices.Contains(qemu, "-m")
	if x.quiet {
		o.Warn = func(string) {}
	}
	if x.console {
		o.Console = raw(c.ErrOrStderr())
	}
	size, err := parseMemory(x.memory)
	if err != nil {
		return o, usageError{fmt.Errorf("exec: %w", err)}
	}
	o.Machine.Memory = size
	if o.Results, err = x.limits(); err != nil {
		return o, err
	}
	switch x.store {
	case "host":
		err = noEffect(c, closureFlagNames, "--store host, which shows all of this machine's store")
	case "none":
		err = noEffect(c, append([]string{"store-root", "flavour"}, closureFlagNames...), "--store none")
	}
	if err != nil {
		return o, err
	}
	if x.arch != "" {
		if o.Machine.Arch, err = vm.ParseArch(x.arch); err != nil {
			return o, usageError{fmt.Errorf("exec: --arch: %w", err)}
		}
	}
	if err := x.checkFolders(); err != nil {
		return o, err
	}
	environment, err := x.environment(c, &o)
	if err != nil {
		return o, err
	}
	if o.Kernel, err = x.findKernel(c, environment, &o); err != nil {
		return o, err
	}
	if err := x.checkArch(&o); err != nil {
		return o, err
	}
	if o.Files, err = x.takeAlong(o.Machine.Arch); err != nil {
		return o, err
	}
	if x.network {
		o.Machine.NICs = []vm.NIC{{User: &vm.UserNet{}}}
		o.Words = append(o.Words, helper.NetworkWord)
	}
	if err := errors.Join(x.addDisks(&o), x.addShared(&o)); err != nil {
		return o, err
	}
	o.Store, err = x.storeDisk(c, environment)
	return o, err
}

// limits are those of results.
func (x *execFlags) limits() (l wire.Limits, err error) {
	l.Files = x.files
	if x.limit != "" {
		if l.Bytes, err = partition.ParseBytes(x.limit); err == nil && l.Bytes < 1 {
			err = fmt.Errorf("%q: the least is 1", x.limit)
		}
		if err != nil {
			return l, usageError{fmt.Errorf("exec: --output-limit: %w", err)}
		}
	}
	return l, nil
}

// checkArch refuses a kernel that is not for the machine, on which nothing would ever be seen of
// it, as far as its image says what it is for.
func (x *execFlags) checkArch(o *helper.Options) error {
	is, err := o.Kernel.Arch()
	want := cmp.Or(o.Machine.Arch, vm.HostArch())
	if err != nil || is == "" || vm.Arch(is) == want || vm.Arch(is) == vm.I686 && want == vm.X86_64 {
		return err
	}
	err = fmt.Errorf("the kernel %s is for %s, and the machine is %s", o.Kernel.Image, is, want)
	if x.arch == "" {
		return fmt.Errorf("%w; --arch and --kernel say which are meant", err)
	}
	return usageError{fmt.Errorf("exec: --arch %s: %w; --kernel PATH names another", x.arch, err)}
}

// takeAlong returns the files of the programs that the guest has of this machine.
func (x *execFlags) takeAlong(arch vm.Arch) (*image.Tree, error) {
	switch {
	case len(x.programs) == 0:
		return nil, nil
	case arch != "" && arch != vm.HostArch():
		return nil, usageError{fmt.Errorf("exec: --program: the programs of this machine are for %s, and the guest is %s", vm.HostArch(), arch)}
	}
	set, err := tools.Programs("", "", filepath.SplitList(os.Getenv("PATH")), x.programs...)
	if err != nil {
		return nil, fmt.Errorf("--program: %w", err)
	}
	return set.Tree, nil
}

// addDisks adds those that are there already.
func (x *execFlags) addDisks(o *helper.Options) error {
	for _, name := range x.disks {
		disk, err := diskfile.Parse(name)
		if err != nil {
			return fmt.Errorf("--disk: %w", err)
		}
		if info, err := os.Stat(disk.Path); err != nil {
			return fmt.Errorf("--disk: %w", err)
		} else if info.IsDir() {
			return fmt.Errorf("--disk: %s is a folder; --shared shows one", disk.Path)
		}
		o.Machine.Disks = append(o.Machine.Disks, vm.Disk{Path: disk.Path, Format: disk.Format, Writable: !disk.ReadOnly})
	}
	return nil
}

// sharedTag is what the folder is called between the two machines.
const sharedTag = "shared"

// addShared shares the folder by what the guest's kernel knows. If it knows nothing,
// the folder will be copied.
func (x *execFlags) addShared(o *helper.Options) error {
	if x.shared == "" {
		return nil
	}
	if info, err := os.Stat(x.shared); err != nil {
		return fmt.Errorf("--shared: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("--shared: %s is not a folder", x.shared)
	}
	if kind, ok := helper.ShareKind(o.Kernel); ok {
		o.Machine.Shares = append(o.Machine.Shares, vm.Share{Tag: sharedTag, Dir: x.shared, Kind: kind})
	}
	return nil
}

func (x *execFlags) checkFolders() error {
	if x.xchg != "" {
		if info, err := os.Stat(x.xchg); err != nil {
			return fmt.Errorf("--xchg: %w", err)
		} else if !info.IsDir() {
			return fmt.Errorf("--xchg: %s is not a folder", x.xchg)
		}
	}
	if x.output == stdout {
		return usageError{errors.New("exec: --output -: standard output is the command's own; ./- is a file of that name")}
	}
	if x.output != "" {
		var err error
		if x.outputDir, err = checkResult(x.output); err != nil {
			return fmt.Errorf("--output: %w", err)
		}
	}
	return nil
}

// storeDisk lays out the store that the guest sees, if any.
func (x *execFlags) storeDisk(c *cobra.Command, e *plan.Environment) (*storedisk.Disk, error) {
	if x.store == "host" {
		flavour, err := x.hostFlavour()
		if err != nil {
			return nil, err
		}
		return storedisk.Host(c.Context(), flavour, x.sources.Root)
	}
	closure, err := x.closure(c, e)
	if err != nil || closure == nil {
		return nil, err
	}
	if !x.quiet && (e == nil || closure != e.Closure) { // those of a recipe are its own
		warnOf(c, closure)
	}
	hashing := newProgress(c.ErrOrStderr(), x.quiet, "hashing", unknownTotal)
	defer hashing.close()
	return storedisk.New(c.Context(), storedisk.Options{Closure: closure, Hashed: hashing.add})
}

// hostFlavour is the kind of the store that this machine has, where no flag says it.
func (x *execFlags) hostFlavour() (storedb.Flavour, error) {
	flavour, err := x.sources.kind()
	if err != nil || x.sources.flavour != "" {
		return flavour, err
	}
	for _, f := range []storedb.Flavour{storedb.Nix, storedb.Guix} {
		if _, err := os.Stat(filepath.Join(cmp.Or(x.sources.Root, "/"), f.StoreDir())); err == nil {
			return f, nil
		}
	}
	return flavour, nil
}

// execution is a command in a guest that has started.
type execution struct {
	flags *execFlags
	ctx   context.Context
	guest *helper.VM
	xchg  *os.File // the folder of --xchg, or nil
	say   func(string)
	said  map[string]bool // what was left out of files
}

// The folders of the guest that have to do with this machine's.
const (
	guestShared = "/tmp/shared"
	guestXchg   = "/tmp/xchg"
)

// run runs the command between what comes before and what comes after.
func (e *execution) run(command session.Command) error {
	graphs, err := e.bring()
	if err != nil {
		return err
	}
	err = e.command(command)
	var exit *session.ExitError
	var memory *session.OutOfMemoryError
	if err != nil && !errors.As(err, &exit) && !(errors.As(err, &memory) && memory.Result.Status != 0) {
		return err
	}
	return errors.Join(err, e.fetch(graphs, err == nil))
}

// bring gives the guest its files. It returns the names of those in /tmp/xchg.
func (e *execution) bring() (names map[string]bool, err error) {
	names = map[string]bool{}
	if e.flags.shared != "" {
		if err := e.share(); err != nil {
			return nil, err
		}
	}
	for _, graph := range e.flags.sources.Graphs {
		if graph == "-" || input.IsStream(graph) {
			continue // it has been read
		}
		names[filepath.Base(graph)] = true
		if _, err := e.guest.CopyIn(e.ctx, graph, guestXchg); err != nil {
			return nil, err
		}
	}
	if e.xchg == nil {
		return names, nil
	}
	entries, err := e.xchg.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	for _, name := range entries {
		names[name] = true
	}
	lost, err := e.guest.CopyInFolder(e.ctx, e.xchg, guestXchg)
	e.mention(lost)
	return names, err
}

// mention says what was left out of files, once: --xchg and --output get the same.
func (e *execution) mention(lost []string) {
	for _, what := range lost {
		if !e.said[what] {
			e.said[what] = true
			e.say("left out: " + what)
		}
	}
}

// share brings --shared to its place.
func (e *execution) share() error {
	shares := e.guest.Shares()
	if len(shares) > 0 {
		return e.guest.Mount(e.ctx, shares[0], guestShared)
	}
	e.say(fmt.Sprintf("%s: this kernel can neither use virtiofs nor 9p, so it is copied to %s before the command and back after it; what the command deletes stays", e.flags.shared, guestShared))
	dir, err := os.Open(e.flags.shared)
	if err != nil {
		return err
	}
	defer dir.Close()
	lost, err := e.guest.CopyInFolder(e.ctx, dir, guestShared)
	e.mention(lost)
	return err
}

// fetch takes the results.
func (e *execution) fetch(before map[string]bool, succeeded bool) error {
	if e.flags.shared != "" && len(e.guest.Shares()) == 0 {
		lost, err := e.guest.CopyOut(e.ctx, guestShared, e.flags.shared)
		e.mention(lost)
		if err != nil {
			return err
		}
	}
	if e.xchg != nil {
		lost, err := e.guest.CopyOutTo(e.ctx, guestXchg, e.xchg)
		e.mention(lost)
		if err != nil {
			return err
		}
	}
	if e.flags.output == "" || !succeeded {
		return nil
	}
	return e.result(before)
}

// result puts what the command made to where --output says: the one file, by Guix's
// rule, or all. What was there is replaced by the rules of all outputs, see [image.Output].
func (e *execution) result(before map[string]bool) (err error) {
	r, err := newResult(e.flags.output, e.flags.outputDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.staged.Close(), r.stage.Close()) }()
	lost, err := e.guest.CopyOutTo(e.ctx, guestXchg, r.staged)
	e.mention(lost)
	if err != nil {
		return err
	}
	if len(e.guest.Shares()) > 0 {
		// The results may lie in the folder that is shared: the guest ends before they get
		// their places, for it could move other files to their names meanwhile.
		if err := e.guest.Close(); err != nil {
			return err
		}
		if err := r.stage.Holds(stagedResult, r.staged); err != nil {
			return fmt.Errorf("--output: %w", err)
		}
	}
	return r.put(before)
}

// command runs it with this process's own streams.
func (e *execution) command(command session.Command) error {
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if e.flags.noTerminal {
		_, err := e.guest.Exec(e.ctx, command)
		return err
	}
	return e.onTerminal(command)
}

// onTerminal gives the command a terminal if this process has one on both sides.
func (e *execution) onTerminal(command session.Command) error {
	if !isTerminal(os.Stdout) {
		_, err := e.guest.Exec(e.ctx, command)
		return err
	}
	terminal, err := session.OpenTerminal(os.Stdin)
	if err != nil {
		return err
	}
	if terminal == nil {
		_, err := e.guest.Exec(e.ctx, command)
		return err
	}
	defer terminal.Restore()
	_, err = e.guest.OnTerminal(e.ctx, command, terminal, os.Stdin, cmp.Or(os.Getenv("TERM"), "linux"))
	return err
}
