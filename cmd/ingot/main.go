// Command ingot turns store closures into bootable disks: byte for byte the same
// every time, without root, at the speed of copying the files.
//
// Run `ingot help` for its verbs. The same program is the init and the shell of
// the systems that it makes: started as process 1, or under the name of one of the
// commands in package guest, it is that.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"ingot/guest"
	"ingot/image"
	"ingot/inspect"
	"ingot/inspect/storecheck"
	_ "ingot/internal/closed" // what is written to a closed standard output is an error
	"ingot/internal/memory"
	"ingot/internal/printable"
	"ingot/internal/secret"
	"ingot/internal/stall"
	"ingot/lab/disks"
	"ingot/recipes"
	"ingot/recipes/finish"
	"ingot/recipes/plan"
	"ingot/storedb"
	"ingot/vm"
	"ingot/vm/network"
	"ingot/vm/run"
)

func main() {
	if guest.Main(os.Args) {
		return
	}
	if len(os.Args) > 1 && os.Args[1] == run.JanitorVerb {
		run.Janitor(os.Args[2:])
		return
	}
	if len(os.Args) > 1 && os.Args[1] == vm.RelayVerb {
		if vm.Relay(os.Args[2:]) != nil { // not printed: standard error is the guest's connection
			os.Exit(exitFailed)
		}
		return
	}
	memory.Tune()
	adoptPrograms()
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	context.AfterFunc(ctx, stop) // the second Ctrl-C need not wait for anything
	log.SetFlags(0)              // net/http says there what it thinks of a client
	log.SetPrefix("ingot: ")
	log.SetOutput(printable.NewWriter(os.Stderr))
	os.Exit(commandLine(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// endings are the signals that end ingot, except those that nohup or a shell's & switched off.
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	return slices.DeleteFunc(signals, signal.Ignored)
}

// The exit statuses of ingot, so that a script can tell what went wrong.
const (
	exitFailed      = 1   // something of the host failed: a file, a tool
	exitUsage       = 2   // the command line is wrong
	exitRecipe      = 3   // the recipe is wrong, or cannot be built
	exitSpace       = 4   // the disk or the partition is too small
	exitChanged     = 5   // a source file changed while it was read
	exitDiffers     = 6   // an image is not what it is compared with
	exitFindings    = 1   // check alone: something was found, and then
	exitTrouble     = 2   // is what exitFailed is elsewhere
	exitInterrupted = 130 // Ctrl-C or a request to end
)

// interrupted is the annotation with what a verb leaves after an interruption. Default: nothing.
const interrupted = "interrupted"

// commandLine runs a command line and returns the exit status. Results go to out, all else to
// errout.
func commandLine(ctx context.Context, args []string, out, errout io.Writer) int {
	root := newRoot()
	results := &results{Writer: out}
	root.SetArgs(args)
	printed, said := printable.NewWriter(results), printable.NewWriter(errout)
	defer said.Flush()
	root.SetOut(printed)
	root.SetErr(said)
	verb, err := root.ExecuteContextC(ctx)
	unfinished := printed.Flush()
	if err == nil || is[differsError](err) {
		err = cmp.Or(results.unwritten(), unfinished, err)
	}
	if err == nil {
		return 0
	}
	var own guestStatus
	if errors.As(err, &own) {
		return int(own)
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("interrupted; %s", cmp.Or(verb.Annotations[interrupted], "nothing was written"))
	}
	err = dangling(err)
	sayError(said, err, hint(verb, err), args...)
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return status(err)
}

// mostSaid bounds the printed part of an error or a note, which may contain text of a guest or
// a server.
const mostSaid = 64 << 10

// longestLine bounds a line of it: a name or a value may be as long as a file.
const longestLine = 2 << 10

// sayLines prints an error or a note with a prefix before each line, so that no line of it can
// pass for another message.
func sayLines(w io.Writer, prefix, text string) {
	text = strings.TrimRight(printable.Cut(printable.Text(text), mostSaid), "\n")
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintf(w, "%s%s\n", prefix, printable.Shorten(line, longestLine))
	}
}

// sayLine prints a note as one line, even if a name in it has a line feed.
func sayLine(w io.Writer, prefix, text string) { sayLines(w, prefix, printable.Name(text)) }

// sayError prints an error and, if there is one, a hint. args are the command line, whose names
// are escaped in the message.
func sayError(w io.Writer, err error, hint string, args ...string) {
	text := err.Error()
	for _, name := range append(pathsIn(err), args...) {
		shown := printable.Name(name)
		if kind := secret.Private(name); kind != "" { // a key where its file was meant
			shown = "[" + kind + "]"
			// Of a flag the error may have either part: --name=value.
			flag, value, _ := strings.Cut(name, "=")
			if secret.Private(value) == "" {
				value = cmp.Or(flag, name)
			}
			text = strings.NewReplacer(name, shown, value, shown).Replace(text)
		}
		if shown != name {
			text, hint = strings.ReplaceAll(text, name, shown), strings.ReplaceAll(hint, name, shown)
		}
	}
	sayLines(w, "ingot: ", secret.Text(text))
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

// pathsIn returns the names of files in errors of the system, which do not escape them.
func pathsIn(err error) (paths []string) {
	switch e := err.(type) {
	case nil:
		return nil
	case *fs.PathError:
		paths = append(paths, e.Path)
	case *os.LinkError:
		paths = append(paths, e.Old, e.New)
	case *exec.Error:
		paths = append(paths, e.Name)
	case *image.ChangedError:
		paths = append(paths, e.Path)
	case *image.SourceError:
		paths = append(paths, e.Path)
	case *recipes.Error:
		paths = append(paths, e.File)
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		paths = append(paths, pathsIn(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			paths = append(paths, pathsIn(one)...)
		}
	}
	return paths
}

// is says whether an error, or one that it wraps, has a type.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func status(err error) int {
	switch {
	case is[findingsError](err):
		return exitFindings
	case is[troubleError](err):
		return exitTrouble
	case is[usageError](err):
		return exitUsage
	case isFull(err), is[*image.TooSmallError](err):
		return exitSpace
	case is[*image.ChangedError](err):
		return exitChanged
	case is[differsError](err):
		return exitDiffers
	case is[*recipes.Error](err):
		return exitRecipe
	}
	return exitFailed
}

// isFull says whether the host has no room: image.SpaceError, image.FullError, or the
// system's own word.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// hint returns what to do next, if that is known and the error does not say it.
func hint(verb *cobra.Command, err error) string {
	has := func(flag string) bool { return verb.Flags().Lookup(flag) != nil }
	part, _ := errors.AsType[*plan.PartError](err)
	text, _ := errors.AsType[*inspect.TextError](err)
	flavour, _ := errors.AsType[*storecheck.OtherFlavourError](err)
	switch {
	case (is[*run.RunningError](err) || is[*network.RunningError](err)) && has("name"):
		return "--name NAME gives this one another name"
	case is[*network.SeveralError](err):
		return "--name NAME says which one is meant"
	case is[usageError](err):
		return usageHint(verb)
	case deviceHint(verb, err) != "":
		return deviceHint(verb, err)
	case isFull(err) && has("output"):
		return "free some space, or write to another folder with -o"
	case isFull(err):
		return "free some space, and run it again"
	case is[*storedb.NotInStoreError](err) && has("copy"):
		return "--copy brings the items in from where they lie"
	case is[*vm.NoFirmwareError](err) && has("firmware"):
		return "--firmware CODE,VARS or the variable " + firmwareVariable + " names one, such as nixpkgs' OVMF.fd"
	case len(plan.Findings(err)) > 0:
		return fmt.Sprintf("if it boots all the same, --set 'lint.ignore=[%s]'; docs/lint.md has all names", strings.Join(plan.Findings(err), ","))
	case is[*finish.RefusedError](err):
		return "leave --no-vm out"
	case is[*finish.KernelError](err):
		return "--vm-kernel PATH names another"
	case part != nil && !has("set"):
		return ""
	case part != nil && part.Key == "system.kernel":
		return "--set system.kernel=DIR names the folder, or INGOT_KERNEL=DIR where the recipe wants the host's"
	case part != nil:
		return "--set " + part.Key + "=FILE names one; make build-arm64 builds an ingot for aarch64"
	case is[*image.ChangedError](err):
		return "run the build again when nothing writes there any more"
	case is[*stall.Error](err) && has(stallFlag):
		return "wait longer with --" + stallFlag
	case is[*disks.ExistsError](err):
		return "--disk attaches it as it is"
	case is[*disks.FolderError](err):
		return "--share shares a folder"
	case is[*inspect.FolderError](err) && has("root"):
		return "--root DIR checks a root"
	case flavour != nil:
		return fmt.Sprintf("--flavour %s checks it", flavour.Has)
	case is[*image.OtherFormatError](err):
		return rawHint
	case text != nil:
		return textHint(text)
	case is[*storedb.DatabaseSizeError](err):
		return "raise the limit with --max-database"
	case is[*inspect.HolesError](err) && has("no-contents"):
		return "raise the limit with --max-size, or leave out with --no-contents what files hold"
	case is[*inspect.HolesError](err):
		return "raise the limit with --max-size"
	}
	return temporaryHint(err)
}

// rawHint is for a file whose suffix says qcow2, VDI or VHD.
const rawHint = "FILE:raw reads it as a raw disk, whatever its name ends in"

// temporaryHint names the folder for temporary files if none can be made there. QEMU's, and
// those made for it, go to /var/tmp unless TMPDIR is set.
func temporaryHint(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) && (path.Path == os.TempDir() || path.Path == "/var/tmp") {
		return fmt.Sprintf("the variable TMPDIR names the folder for temporary files; it is %q here", os.Getenv("TMPDIR"))
	}
	return ""
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:     "ingot",
		Short:   "turn Nix and Guix store closures into bootable disks and ISOs",
		Version: recipes.Version,
		Long: `ingot turns Nix and Guix store closures into bootable disks and ISOs: byte for byte
the same every time, without root, as fast as copying the files. It also boots them, runs
commands in them and tests them, before or after it writes them.

Of a NixOS or Guix system, such as nixos-rebuild's ./result, ingot derives the disk that the
system expects. A recipe, a short YAML file, describes any other one. Some recipes ship with
ingot; - reads one from standard input. A link to a store path may replace the path.

The exit status says what went wrong: 1 the host (a file, a tool), 2 the command line, 3 the
recipe, 4 too little space on the host or in a partition, 5 a source file that changed while
ingot read it, 6 an image that differs from what verify compares it with, 130 an
interruption. check has statuses of its own; run, exec and shell pass on the status of the
guest's command.

ingot prints control characters in names and messages as escapes (\x1b, \u202e), and passes
on images and the output of a guest's console or command unchanged.`,
		Example: `  ingot build ./result -o web.qcow2    # the disk of a NixOS or Guix system
  ingot recipes                        # what ships with ingot
  ingot recipes rescue > mine.yaml     # a start for a recipe of your own
  ingot plan mine.yaml                 # what would be written
  ingot run mine.yaml                  # boot it, unwritten
  ingot build mine.yaml -o mine.qcow2  # write it`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	for _, group := range []struct {
		id, title string
		verbs     []*cobra.Command
	}{
		{"images", "Images:", []*cobra.Command{newPlan(), newBuild(), newConvert(), newServe(), newVerify(), newRecipes()}},
		{"stores", "Stores:", []*cobra.Command{newRegister(), newClosure(), newCheck(), newCache()}},
		{"machines", "Machines:", []*cobra.Command{newRun(), newShell(), newPs(), newStop(), newExec(), newNetwork(), newTest()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, verb := range group.verbs {
			verb.GroupID = group.id
		}
		root.AddCommand(group.verbs...)
	}
	root.CompletionOptions.DisableDefaultCmd = true // newCompletion is ours
	root.AddCommand(newVersion(), newCompletion())
	root.SetHelpCommand(newHelp())
	root.SetVersionTemplate("ingot {{.Version}}\n")
	setHelp(root)
	checkUsage(root)
	return root
}
