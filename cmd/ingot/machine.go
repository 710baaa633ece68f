package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ingot/bootloader"
	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/image/diskfile"
	"ingot/internal/input"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/storedb"
	"ingot/storedb/storedisk"
	"ingot/vm"
	"ingot/vm/helper"
	"ingot/vm/run"
)

// machineFlags say what a machine runs, beside its name on the command line.
type machineFlags struct {
	recipe  recipeFlags
	sources sourceFlags

	kernel   string // folder with a kernel, for closures
	store    string // closure or host
	share    string // disk, virtiofs or 9p
	writable bool

	find, shell bool
	run, init   string
	arguments   []string
	environment []string
	regInfo     string

	kernelWords []string // that come from elsewhere, and may say what to do
}

func (f *machineFlags) add(c *cobra.Command) {
	f.recipe.add(c)
	f.recipe.addHelper(c)
	f.sources.add(c.Flags())
	s := c.Flags()
	s.StringVar(&f.kernel, "kernel", cmp.Or(os.Getenv("INGOT_KERNEL"), "/"), "`DIR` of a kernel. Default: $INGOT_KERNEL, or /.")
	s.StringVar(&f.store, "store", "closure", "`NAME`: store to show, closure or host")
	s.StringVar(&f.share, "store-share", "disk", "`NAME`: show it by disk, virtiofs or 9p")
	s.BoolVar(&f.writable, "writable-store", false, "closure: the store is writable, in memory")
	s.BoolVar(&f.find, "find", false, "closure: list the store")
	s.BoolVar(&f.shell, "shell", false, "closure: run a shell; the machine ends with it")
	s.StringVar(&f.run, "run", "", "closure: run `PROGRAM` and its arguments")
	s.StringArrayVar(&f.arguments, "arg", nil, "closure: `ARGUMENT` for --run; repeatable")
	s.StringArrayVar(&f.environment, "env", nil, "closure: set `KEY=VALUE` for --run; repeatable")
	s.StringVar(&f.init, "init", "", "closure: boot the system with the init at `PATH`")
	s.StringVar(&f.regInfo, "reg-info", "", "closure: register what `PATH` in the guest lists")
}

// tellsStatus says whether the guest tells how what it did ended. An init does not.
func (f *machineFlags) tellsStatus() bool {
	return f.find || f.shell || f.run != "" || f.init == "" && f.store == "host"
}

// idle says whether a closure would be shown to a guest that has nothing to do with it.
func (f *machineFlags) idle() bool {
	return !f.find && !f.shell && f.run == "" && f.init == "" && !wire.AskForTask(f.kernelWords)
}

// machine finds out what a name on the command line is, and makes of it what a machine
// boots.
func (f *machineFlags) machine(c *cobra.Command, what string) (*run.System, error) {
	kind, err := f.kind(what)
	if err != nil {
		return nil, err
	}
	switch kind {
	case isClosure:
		if err := checkKind(c, aClosure, what); err != nil {
			return nil, err
		}
		if f.idle() {
			return nil, usageError{fmt.Errorf("run: %s is a closure, and nothing says what to do with it: --shell opens a shell in it, --run PATH runs a program of it, --init PATH starts a system, and --find lists it", cmp.Or(what, f.sources.machineName()))}
		}
		return f.closure(c, what)
	case isRecipe:
		if err := checkKind(c, aRecipe, what); err != nil {
			return nil, err
		}
		return recipeSystem(c, f.recipe, what)
	}
	s, err := run.Open(what)
	if err != nil {
		return nil, err
	}
	return s, checkKind(c, kindOfImage(s), what)
}

// kindOfImage tells what has been opened as a system that is no recipe and no closure.
func kindOfImage(s *run.System) kinds {
	switch {
	case s.Kernel != nil:
		return aNetboot
	case len(s.Disks) > 0 && s.Disks[0].Bus == vm.CDROM:
		return anISO
	}
	return aDisk
}

// What a name may stand for.
type kindOfSystem int

const (
	isRecipe kindOfSystem = iota
	isClosure
	isImage // or an ISO, or a netboot folder
)

// kind tells by what is at a path, not by its name, wherever that says it: but of a disk by
// its name alone, since a guest may have written what is there.
func (f *machineFlags) kind(what string) (kindOfSystem, error) {
	if what == "" {
		if f.sources.empty() && f.store != "host" {
			return 0, usageError{errors.New("run: nothing to run is named: a recipe, an image, an ISO, a netboot folder, a reference graph, a store path, or a --graph and the like")}
		}
		return isClosure, nil
	}
	if what == stdin {
		return isRecipe, nil
	}
	name, err := diskfile.Parse(what)
	if err != nil {
		return 0, err
	}
	if name.Path != what {
		return isImage, nil
	}
	if path := storedb.Follow(what); storedb.ItemOf(path) == path && !run.IsNetboot(what) {
		f.sources.paths = append(f.sources.paths, path)
		return isClosure, nil
	}
	info, err := os.Stat(what)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return isRecipe, nil // one that ships, or else the error that names those
	case err != nil:
		return 0, err
	case info.IsDir() || name.IsDisk():
		return isImage, nil
	}
	head, err := headOf(what)
	switch {
	case err != nil:
		return 0, err
	case bytes.HasPrefix(head, []byte("/nix/store/")) || bytes.HasPrefix(head, []byte("/gnu/store/")):
		list := f.sources.listOf(string(head))
		*list = append(*list, what)
		return isClosure, nil
	case info.Size() <= recipes.MaxText && bytes.IndexByte(head, 0) < 0 && (filepath.Ext(what) == ".yaml" || filepath.Ext(what) == ".yml" || bytes.Contains(head, []byte("name:"))):
		return isRecipe, name.CheckText(info.Size())
	}
	return isImage, nil
}

func headOf(name string) ([]byte, error) {
	if err := input.Check(name); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:n], err
}

// recipeSystem plans a recipe; nothing of it is written.
func recipeSystem(c *cobra.Command, r recipeFlags, name string) (*run.System, error) {
	plan, err := r.plan(c, name, "")
	if err != nil {
		return nil, err
	}
	for _, w := range plan.Warnings {
		sayLines(c.ErrOrStderr(), "warning: ", w)
	}
	if err := finishPlan(c, plan, r, false, os.TempDir()); err != nil {
		return nil, err
	}
	return planSystem(plan, name), nil
}

func planSystem(plan *plan.Plan, what string) *run.System {
	s := &run.System{
		Name: run.SafeName(plan.Recipe.Name), What: what, Arch: vm.Arch(plan.Recipe.Arch), Disks: []run.Base{{Map: plan.Disk.Map, Serial: "root"}}, Firmware: []run.Boot{},
	}
	for _, platform := range plan.Platforms() {
		switch platform {
		case "bios":
			s.Firmware = append(s.Firmware, run.BIOS)
		case "efi":
			s.Firmware = append(s.Firmware, run.UEFI)
		}
	}
	if own := plan.Recipe.System; own == nil || own.Path != "" || isOff(own.Network) {
		s.NoSSH = true
	}
	if plan.Recipe.Output.Format == "iso" {
		s.Disks[0].Bus = vm.CDROM
	}
	d, err := plan.Direct()
	if err != nil {
		s.NoKernel = err
		return s
	}
	s.Kernel, s.Initrd, s.Words, s.Toplevel, s.Nix = d.Kernel, d.Initrd, d.Arguments, d.System, d.Nix
	return s
}

// closure makes a system of a bare closure: a kernel, ingot as its init, and the store.
func (f *machineFlags) closure(c *cobra.Command, what string) (*run.System, error) {
	k, err := kernel.Find(f.kernel)
	if err != nil {
		return nil, fmt.Errorf("kernel: %w; --kernel DIR names another folder", err)
	}
	if kind := vm.ShareKind(f.share); (kind == vm.VirtioFS || kind == vm.NineP) && !helper.Has(k, kind) {
		return nil, fmt.Errorf("--store-share %s: kernel %s has no %[1]s; --kernel DIR names another, and --store-share disk takes none", kind, k.Release)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	own, err := image.NewHostFile(program)
	if err != nil {
		return nil, err
	}
	if err := initramfs.CheckProgram(program); err != nil {
		sayLines(c.ErrOrStderr(), "warning: ", err.Error())
	}
	initrd, err := initramfs.Build(initramfs.Options{Init: own, Kernel: k, Compression: initramfs.None})
	if err != nil {
		return nil, err
	}
	file, err := image.NewHostFile(k.Image)
	if err != nil {
		return nil, err
	}
	if what == "" {
		what = strings.Join(append(append([]string{}, f.sources.graphs...), f.sources.paths...), " ")
	}
	arch, err := k.Arch()
	if err != nil {
		return nil, err
	}
	s := &run.System{Name: f.sources.machineName(), Numbered: true, Arch: vm.Arch(arch), NoSSH: true, What: what, Kernel: file, Initrd: []image.Blob{initrd}, Firmware: []run.Boot{}, NoAgent: !f.shell || f.find}
	if err := f.attachStore(c, s); err != nil {
		return nil, err
	}
	s.Words = append(s.Words, "quiet", "panic=-1")
	s.Words = append(s.Words, f.words()...)
	return s, nil
}

// rootOnDisk gives the init of a bare closure a root on a disk, where one is asked for,
// and not in memory.
func (f *machineFlags) rootOnDisk(s *run.System, o *run.Options) error {
	if f.init == "" || f.find || f.shell || f.run != "" || o.DiskImage == "" && o.DiskSize == 0 {
		return nil
	}
	root, err := storedisk.Root(cmp.Or(o.DiskSize, storedisk.RootSize))
	if err != nil {
		return fmt.Errorf("--disk-size: %w", err)
	}
	s.Disks = slices.Insert(s.Disks, 0, run.Base{Map: root, Serial: "root", Own: true})
	s.Words = append(s.Words, storedisk.RootWords()...)
	return nil
}

// attachStore gives the guest its store.
func (f *machineFlags) attachStore(c *cobra.Command, s *run.System) error {
	flavour, err := f.sources.kind()
	if err != nil {
		return err
	}
	switch {
	case f.store == "host":
		err = noEffect(c, closureFlagNames, "--store host, which shows all of this machine's store")
	case f.share == "virtiofs" || f.share == "9p":
		err = noEffect(c, broughtFlagNames, "--store-share "+f.share+", which shows a folder of this machine as it is")
	}
	if err != nil {
		return err
	}
	switch {
	case f.store != "closure" && f.store != "host":
		return usageError{fmt.Errorf("run: --store %s: it is closure or host", f.store)}
	case f.share == "virtiofs" || f.share == "9p":
		f.shareStore(s, flavour)
		return nil
	case f.share != "disk":
		return usageError{fmt.Errorf("run: --store-share %s: it is disk, virtiofs or 9p", f.share)}
	}
	disk, err := f.storeDisk(c, flavour)
	if err != nil {
		return err
	}
	s.Disks = append(s.Disks, run.Base{Map: disk.Map, Serial: storedisk.Serial, Plain: true})
	s.Words = append(s.Words, disk.Words()...)
	return nil
}

// shareStore has the guest see the folder of the store itself.
func (f *machineFlags) shareStore(s *run.System, flavour storedb.Flavour) {
	root := f.sources.storeRoot
	dir := f.sources.place(flavour)
	if dir == "" {
		dir = flavour.StoreDir()
	}
	s.Shares = append(s.Shares, vm.Share{Tag: "store", Dir: dir, ReadOnly: true, Kind: vm.ShareKind(f.share)})
	database := ""
	db := filepath.Dir(filepath.Join("/", root, flavour.DatabasePath()))
	if info, err := os.Stat(db); f.sources.from == "" && err == nil && info.IsDir() {
		database = "db"
		s.Shares = append(s.Shares, vm.Share{Tag: database, Dir: db, ReadOnly: true, Kind: vm.ShareKind(f.share)})
	}
	s.Words = append(s.Words, storedisk.ShareWords(flavour, f.share, "store", database)...)
}

// storeDisk lays the store out, and looks for what is to run in it.
func (f *machineFlags) storeDisk(c *cobra.Command, flavour storedb.Flavour) (*storedisk.Disk, error) {
	if f.store == "host" {
		return storedisk.Host(c.Context(), flavour, f.sources.storeRoot)
	}
	closure, err := f.sources.closure(c.Context(), c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	warnOf(c, closure)
	f.init = inClosure(closure, f.init)
	if first := firstWord(f.run); first != "" {
		f.run = strings.Replace(f.run, first, inClosure(closure, first), 1)
	}
	if err := f.sources.fetch(c.Context(), c.ErrOrStderr(), false, closure); err != nil {
		return nil, err
	}
	hashing := newProgress(c.ErrOrStderr(), false, "hashing", unknownTotal)
	disk, err := storedisk.New(c.Context(), storedisk.Options{Closure: closure, Hashed: hashing.add})
	hashing.close()
	if err != nil {
		return nil, err
	}
	for flag, program := range map[string]string{"--init": f.init, "--run": firstWord(f.run)} {
		if err := executableInClosure(closure, program); program != "" && err != nil {
			return nil, fmt.Errorf("%s %s: %w", flag, program, err)
		}
	}
	return disk, nil
}

// inClosure is where a program of a closure lies that is named by a link, as by
// ./result/bin/hello.
func inClosure(c *storedb.Closure, program string) string {
	if at := storedb.FollowFile(program); c.Containing(at) != nil {
		return at
	}
	return program
}

func firstWord(s string) string {
	if words := strings.Fields(s); len(words) > 0 {
		return words[0]
	}
	return ""
}

// executableInClosure says why a program of a closure cannot be run, or nil.
func executableInClosure(c *storedb.Closure, program string) error {
	look := bootloader.Lookup(func(name string) *image.Node {
		if strings.HasPrefix(c.Flavour.StoreDir()+"/", strings.TrimSuffix(name, "/")+"/") {
			return image.NewDir(0o755) // what the store lies in
		}
		item := c.Containing(name)
		if item == nil || item.Node == nil {
			return nil
		}
		n := item.Node
		for _, part := range strings.Split(strings.Trim(strings.TrimPrefix(name, item.Path), "/"), "/") {
			if part != "" && n != nil {
				n = n.Child(part)
			}
		}
		return n
	})
	n, err := look.File(path.Clean(program))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the closure does not have it")
	case err != nil:
		return err
	case n.Mode&0o111 == 0:
		return errors.New("it is not executable")
	}
	return nil
}

// words are those that say what the guest does with the store.
func (f *machineFlags) words() []string {
	var words []string
	if f.writable {
		words = append(words, string(wire.StoreLayerWord))
	}
	if f.regInfo != "" {
		words = append(words, wire.RegistrationWord.With(f.regInfo))
	}
	if f.find {
		words = append(words, string(wire.FindWord))
	}
	if f.shell {
		words = append(words, string(wire.ShellWord))
	}
	if argv := strings.Fields(f.run); len(argv) > 0 {
		words = append(words, wire.RunWords(argv[0], append(argv[1:], f.arguments...), f.environment)...)
	}
	if f.init != "" {
		words = append(words, wire.InitWord.With(f.init))
	}
	return words
}
