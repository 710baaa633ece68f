package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ingot/guest/wire/files"
	"ingot/image"
	"ingot/internal/input"
	"ingot/lab/job"
	"ingot/partition"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/recipes/tools"
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
		Long: `Run a command as root in a new virtual machine, which ends with the command. That takes no
root on this machine, and changes nothing here but what --share, --xchg, --output,
--new-disk and --disk name. A single argument with a blank in it is a script for /bin/sh;
--script FILE runs a script of this machine, with the arguments that follow.

Standard input, output and error are the command's, byte for byte; on a terminal it
gets a terminal (Ctrl-] or Ctrl-A x leaves). The exit status is the command's, 128+N
if signal N killed it, 127 if it does not exist and 126 if it cannot be executed, or:

  120  QEMU failed                  123  the guest had too little memory
  121  the guest's kernel panicked  124  --timeout ended the command
  122  the guest went silent        125  another reason kept it from running

The last -- stands before arguments for QEMU: if the command has a -- of its own, add
another one at its end.

The guest mounts --share PATH at /tmp/shared, --share NAME:PATH at /mnt/NAME, and a
closure of --store at /nix/store or /gnu/store with its database; writes to the store
are discarded on exit. /tmp/xchg is --xchg. --recipe takes the kernel and the store of a
recipe, which need not be built. Otherwise, --kernel names a folder with
boot/vmlinuz-* and lib/modules, a system or a kernel in a store, or a file.

--xchg, --output and a --share that is copied each bring back at most 2,000,000 files
and folders, and 16GiB, or as much as --memory if that is more; --output-files and
--output-limit change these limits.

` + disksHelp + `

--env NAME copies the variable from here. --program NAME also copies the libraries that the
program needs. With --network, the guest is 10.0.2.15 and this machine 10.0.2.2.`,
		Example: `  ingot exec uname -a
  ingot exec --store closure.graph -- /nix/store/…-hello/bin/hello
  ingot exec --recipe web.yaml -- 'uname -r; ls /nix/store'
  ingot exec --disk data.img -- mount /dev/vda /mnt
  ingot exec --output result.tar -- 'tar -cf /tmp/xchg/result.tar /etc'
  ingot exec --share . --timeout 5m --script build.sh release
  ingot exec uname -r -- -cpu Haswell`,
		RunE: func(c *cobra.Command, args []string) error {
			return x.report(c, optionError(c, x.jobFlag(x.run(c, args))))
		},
	}
	c.Flags().SetInterspersed(false)
	x.add(c)
	c.Annotations = map[string]string{interrupted: "the virtual machine was ended"}
	return c
}

// execFlags say what the machine has and what becomes of its files.
type execFlags struct {
	recipe   string
	set      []string
	store    storeFlags
	hardware hardwareFlags

	script, dir       string
	env               []string
	xchg, output      string
	limit             string // of results, as a size
	files             int64  // likewise
	kernel            string
	modules, programs []string
	timeout           time.Duration
	quiet, console    bool
	noTerminal        bool
}

func (x *execFlags) add(c *cobra.Command) {
	f := c.Flags()
	x.store.add(f, "none")
	x.hardware.add(f, noNetwork)
	f.StringVar(&x.recipe, "recipe", "", "take kernel and store from this `RECIPE`")
	f.StringArrayVar(&x.set, "set", nil, "`KEY=VALUE`: override a key of the recipe; repeatable")
	f.StringVar(&x.script, "script", "", "run the script in `FILE`; the arguments are its own")
	f.StringVar(&x.dir, "dir", "", "start the command in `DIR`. Default: /root.")
	f.StringArrayVarP(&x.env, "env", "e", nil, "set `NAME=VALUE`; or copy NAME; repeatable")
	f.StringVar(&x.xchg, "xchg", "", "copy `DIR` to /tmp/xchg before, and back afterwards")
	f.StringVarP(&x.output, "output", "o", "", "the `FILE` to write (/tmp/xchg's one), or DIR/ for all")
	f.StringVar(&x.limit, "output-limit", "", "results: up to `SIZE`. Default: 16GiB or --memory.")
	addCount(f, &x.files, "output-files", files.DefaultFiles, 1, 0, "results: up to `N` files")
	addKernel(f, &x.kernel)
	f.StringSliceVar(&x.modules, "module", nil, "kernel `MODULE` to have at hand; repeatable")
	f.StringSliceVar(&x.programs, "program", nil, "copy program `NAME` into the guest; repeatable")
	addTimeout(f, &x.timeout, "timeout", 0, true, "end after `TIME`, such as 90s or 5m; 0 is never")
	f.BoolVarP(&x.quiet, "quiet", "q", false, "print results and errors only")
	f.BoolVar(&x.console, "console", false, "show the guest's console on standard error")
	f.BoolVarP(&x.noTerminal, "no-tty", "T", false, "give the command no terminal")
}

// execStatus returns the exit status for an error.
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
	var limit *files.LimitError
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
	if errors.As(err, &command) && command.Status == 127 && x.store.empty() && strings.Contains(command.Name, "/store/") {
		return "the guest has no store unless --store says which"
	}
	return hint(c, err)
}

// run runs the command of the command line.
func (x *execFlags) run(c *cobra.Command, args []string) error {
	j, err := x.job(c, args)
	if err != nil {
		return err
	}
	if x.hardware.dryRun {
		return printCommand(c, j.QEMU)
	}
	return j.Run(c.Context())
}

// job is that of the command line.
func (x *execFlags) job(c *cobra.Command, args []string) (*job.Job, error) {
	command, qemu, err := x.command(c, args)
	if err != nil {
		return nil, err
	}
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	hardware, err := x.hardware.parse(c)
	if err != nil {
		return nil, err
	}
	j := &job.Job{
		Command: command, Exchange: x.xchg, Output: x.output, Timeout: x.timeout,
		Shares: hardware.shares, NewDisks: hardware.new, EmptyDisks: hardware.empty,
	}
	if !x.noTerminal && isTerminal(os.Stdout) {
		j.Terminal, j.Kind = os.Stdin, cmp.Or(os.Getenv("TERM"), "linux")
	}
	if x.output == stdout {
		return nil, usageError{errors.New("exec: --output -: standard output is the command's own; ./- is a file of that name")}
	}
	if err := j.Check(); err != nil {
		return nil, err
	}
	if j.Machine, err = x.options(c, hardware, qemu); err != nil {
		return nil, err
	}
	for _, graph := range x.store.Graphs {
		if graph != stdin && !input.IsStream(graph) { // which have been read
			j.Bring = append(j.Bring, graph)
		}
	}
	return j, nil
}

// isTerminal says whether a file of this process is a terminal.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// command splits the arguments, and reads the script.
func (x *execFlags) command(c *cobra.Command, args []string) (session.Command, []string, error) {
	var qemu []string
	for i, arg := range slices.Backward(args) {
		if arg == "--" {
			args, qemu = args[:i], args[i+1:]
			break
		}
	}
	command := session.Command{Argv: args, Dir: x.dir}
	var err error
	if command.Env, err = environment(c, x.env); err != nil {
		return command, nil, err
	}
	if err := apartFromFlag(c, args[:min(1, len(args))]); err != nil {
		return command, nil, err
	}
	switch {
	case x.script != "":
		text, err := recipes.ReadStream(c.Context(), x.script)
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
func (x *execFlags) options(c *cobra.Command, hardware hardware, qemu []string) (o helper.Options, err error) {
	o = helper.Options{
		Init: os.Getenv("INGOT_GUEST"), Modules: x.modules, Verbose: x.console,
		ReadFail: func(err error) {
			sayLines(c.ErrOrStderr(), "ingot: the guest could not read from the store: ", err.Error())
		},
		Machine: vm.Config{
			Arch: hardware.arch, MachineType: x.hardware.machine, Accel: x.hardware.accel, Memory: hardware.memory, CPUs: x.hardware.cpus,
			Disks: hardware.disks, Args: qemu,
			Warn: func(note string) { sayLines(c.ErrOrStderr(), "ingot: ", note) },
		},
	}
	if x.quiet {
		o.Machine.Warn = func(string) {}
	}
	if x.console {
		o.Machine.Console = raw(c.ErrOrStderr())
	}
	if o.Results, err = x.limits(); err != nil {
		return o, err
	}
	if err := x.store.take(c); err != nil {
		return o, err
	}
	environment, err := x.environment(c, &o)
	if err != nil {
		return o, err
	}
	if o.Kernel, err = x.findKernel(c, environment, &o); err != nil {
		return o, err
	}
	if err := job.CheckArch(o.Kernel, o.Machine.Arch); err != nil {
		return o, err
	}
	if o.Files, err = x.takeAlong(o.Machine.Arch); err != nil {
		return o, err
	}
	if mode := x.hardware.network; mode != noNetwork {
		o.Machine.NICs = []vm.NIC{{User: &vm.UserNet{Restrict: mode == restrictedNetwork}}}
		o.Words = append(o.Words, helper.NetworkWord)
	}
	o.Store, err = x.storeDisk(c, environment)
	return o, err
}

// limits are those of results.
func (x *execFlags) limits() (l files.Limits, err error) {
	l.Files = x.files
	if x.limit != "" {
		if l.Bytes, err = partition.ParseBytes(x.limit); err == nil && l.Bytes < 1 {
			err = fmt.Errorf("%q: must be at least 1", x.limit)
		}
		if err != nil {
			return l, usageError{fmt.Errorf("exec: --output-limit: %w", err)}
		}
	}
	return l, nil
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

// jobFlag names the flag where a flag is what is wrong with a job.
func (x *execFlags) jobFlag(err error) error {
	var option *job.OptionError
	var arch *job.ArchError
	switch {
	case errors.As(err, &arch) && x.hardware.arch != "":
		return usageError{fmt.Errorf("exec: --arch %s: %w; --kernel PATH names another", x.hardware.arch, err)}
	case arch != nil:
		return fmt.Errorf("%w; --arch and --kernel say which are meant", err)
	case errors.As(err, &option) && strings.HasPrefix(err.Error(), option.Error()):
		return fmt.Errorf("--%w", err)
	}
	return err
}

// storeDisk lays out the store that the guest sees, if any.
func (x *execFlags) storeDisk(c *cobra.Command, e *plan.Environment) (*storedisk.Disk, error) {
	if x.store.store == "host" {
		flavour, err := x.store.hostFlavour()
		if err != nil {
			return nil, err
		}
		return storedisk.Host(c.Context(), flavour, x.store.Root)
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
