package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/internal/paths"
	"ingot/storedb"
	"ingot/storedb/storedisk"
	"ingot/vm"
	"ingot/vm/helper"
	"ingot/vm/run"
	"ingot/vm/session"
)

// A Closure is a machine that shows a store: a kernel, and ingot as the init, which lists the
// store, opens a shell, runs a program or starts a system.
type Closure struct {
	Name, What string // of the machine, and of the closure
	Kernel     string // the folder with the kernel
	Program    string // ingot's own file

	Flavour storedb.Flavour
	// Closure is shown by a disk. Without one, the disk shows all of this machine's store,
	// unless Share names a way to share a folder of this machine.
	Closure *storedb.Closure
	Share   vm.ShareKind // virtiofs or 9p
	Dir     string       // the folder to share. Default: the flavour's store.
	// Root is where this machine's store is, and its database, unless Bare says that the
	// folder has none. Default: /.
	Root string
	Bare bool

	Writable    bool // the store, in memory
	Find, Shell bool
	Script      bool     // the shell reads a script, and is not on the console
	Run         []string // a program and its arguments
	Environment []string
	Init        string
	RegInfo     string // the file in the guest that lists what to register

	Hashed func(int64)       // is called with the number of bytes hashed; may be nil
	Warn   func(note string) // takes warnings; may be nil
}

// A KernelError says that there is no kernel to show a closure with, or that it cannot share
// a folder as requested.
type KernelError struct {
	Err   error        // of looking for it
	Share vm.ShareKind // which it has not
	What  string       // its release
}

func (e *KernelError) Error() string {
	if e.Share != "" {
		return fmt.Sprintf("%s: kernel %s has no %[1]s", e.Share, e.What)
	}
	return "kernel: " + e.Err.Error()
}

func (e *KernelError) Unwrap() error { return e.Err }

// A ProgramError is why a program of a closure cannot be run.
type ProgramError struct {
	Option  string // "init" or "run"
	Program string
	Err     error
}

func (e *ProgramError) Error() string { return fmt.Sprintf("%s %s: %v", e.Option, e.Program, e.Err) }
func (e *ProgramError) Unwrap() error { return e.Err }

// System makes the system that a machine boots.
func (c *Closure) System(ctx context.Context) (*run.System, error) {
	k, err := kernel.Find(c.Kernel)
	if err != nil {
		return nil, &KernelError{Err: err}
	}
	if c.Share != "" && !helper.Has(k, c.Share) {
		return nil, &KernelError{Share: c.Share, What: k.Release}
	}
	own, err := image.NewHostFile(c.Program)
	if err != nil {
		return nil, err
	}
	if err := initramfs.CheckProgram(c.Program); err != nil && c.Warn != nil {
		c.Warn(err.Error())
	}
	initrd, err := initramfs.Build(initramfs.Options{Init: own, Kernel: k, Compression: initramfs.None})
	if err != nil {
		return nil, err
	}
	arch, err := k.Arch()
	if err != nil {
		return nil, err
	}
	s := &run.System{Name: c.Name, Numbered: true, Arch: vm.Arch(arch), NoSSH: true, What: c.What, Kernel: k.Image, Initrd: []image.Blob{initrd}, Firmware: []run.Boot{}, NoAgent: !c.Shell}
	if c.Share != "" {
		c.shareStore(s)
	} else if err := c.addDisk(ctx, s); err != nil {
		return nil, err
	}
	s.Words = append(s.Words, "quiet", "panic=-1")
	s.Words = append(s.Words, c.words()...)
	return s, nil
}

// RootOnDisk gives the init of a closure a root on a disk, on request, in place of one in
// memory.
func (c *Closure) RootOnDisk(s *run.System, o *run.Options) error {
	if c.Init == "" || c.Find || c.Shell || len(c.Run) > 0 || o.Overlay == "" && o.DiskSize == 0 {
		return nil
	}
	root, err := storedisk.Root(cmp.Or(o.DiskSize, storedisk.RootSize))
	if err != nil {
		return &run.OptionError{Option: run.OptionDiskSize, Err: err}
	}
	s.Disks = slices.Insert(s.Disks, 0, run.Base{Map: root, Serial: "root", Own: true})
	s.Words = append(s.Words, storedisk.RootWords()...)
	return nil
}

// shareStore has the guest see the folder of the store itself.
func (c *Closure) shareStore(s *run.System) {
	share := func(tag, dir string) {
		s.Shares = append(s.Shares, vm.Share{Tag: tag, Dir: dir, ReadOnly: true, Kind: c.Share})
	}
	share("store", cmp.Or(c.Dir, c.Flavour.StoreDir()))
	database := ""
	db := filepath.Dir(filepath.Join("/", c.Root, c.Flavour.DatabasePath()))
	if info, err := os.Stat(db); !c.Bare && err == nil && info.IsDir() {
		database = "db"
		share(database, db)
	}
	s.Words = append(s.Words, storedisk.ShareWords(c.Flavour, string(c.Share), "store", database)...)
}

// addDisk lays the store out on a disk, and looks for what is to run in it.
func (c *Closure) addDisk(ctx context.Context, s *run.System) error {
	disk, err := c.disk(ctx)
	if err != nil {
		return err
	}
	s.Disks = append(s.Disks, run.Base{Map: disk.Map, Serial: storedisk.Serial, Plain: true})
	s.Words = append(s.Words, disk.Words()...)
	return nil
}

func (c *Closure) disk(ctx context.Context) (*storedisk.Disk, error) {
	if c.Closure == nil {
		return storedisk.Host(ctx, c.Flavour, c.Root)
	}
	programs := []ProgramError{{Option: "init", Program: inClosure(c.Closure, c.Init)}}
	c.Init = programs[0].Program
	if len(c.Run) > 0 {
		c.Run = slices.Clone(c.Run)
		c.Run[0] = inClosure(c.Closure, c.Run[0])
		programs = append(programs, ProgramError{Option: "run", Program: c.Run[0]})
	}
	disk, err := storedisk.New(ctx, storedisk.Options{Closure: c.Closure, Hashed: c.Hashed})
	if err != nil {
		return nil, err
	}
	for _, p := range programs {
		if p.Err = executable(c.Closure, p.Program); p.Program != "" && p.Err != nil {
			return nil, &p
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

// executable returns why a program of a closure cannot be run, or nil.
func executable(c *storedb.Closure, program string) error {
	look := bootloader.Lookup(func(name string) *image.Node {
		if paths.In(c.Flavour.StoreDir(), path.Clean(name)) {
			return image.NewDir(0o755) // above the store
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

// Command is what the guest's agent runs, and the machine ends with; it is nil for a shell on the
// console, and for an init. [Closure.System] comes first.
func (c *Closure) Command() *session.Command {
	command := &session.Command{Env: []string{"TERM=vt220"}, Dir: "/"} // as on the console
	switch {
	case c.Find:
		command.Argv = []string{string(wire.FindWord), c.Flavour.StoreDir()}
	case c.Shell && c.Script:
		command.Argv = []string{"sh", "-l"}
	case c.Shell || len(c.Run) == 0:
		return nil
	default:
		command.Argv, command.Env = c.Run, append(command.Env, c.Environment...)
	}
	return command
}

// words are the kernel's arguments for what the guest does with the store.
func (c *Closure) words() []string {
	var words []string
	if c.Writable {
		words = append(words, string(wire.StoreLayerWord))
	}
	if c.RegInfo != "" {
		words = append(words, wire.RegistrationWord.With(c.RegInfo))
	}
	if c.Command() != nil {
		words = append(words, string(wire.AgentWord))
	} else if c.Shell {
		words = append(words, string(wire.ShellWord))
	}
	if c.Init != "" {
		words = append(words, wire.InitWord.With(c.Init))
	}
	return words
}
