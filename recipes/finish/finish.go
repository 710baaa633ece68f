package finish

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"ingot/bootloader/kernel"
	"ingot/image/nbd"
	"ingot/partition"
	"ingot/partition/foreign"
	"ingot/recipes"
	"ingot/recipes/manifest"
	"ingot/recipes/plan"
	"ingot/recipes/tools"
	"ingot/vm"
	"ingot/vm/helper"
)

const helperMemory = 1 << 30

// A RefusedError says that a plan has parts that are made in a virtual machine, which
// is refused.
type RefusedError struct{ Parts []string }

func (e *RefusedError) Error() string {
	return "these take a virtual machine, which is refused: " + strings.Join(e.Parts, ", ")
}

// A KernelError says that there is no kernel for the machine that makes a part of an image.
type KernelError struct {
	Part string
	Err  error
}

func (e *KernelError) Error() string {
	return fmt.Sprintf("%s takes a virtual machine: %v", e.Part, e.Err)
}

func (e *KernelError) Unwrap() error { return e.Err }

// Plan makes the parts of an image that take a virtual machine, of the disk as it is
// planned: nothing that has a name is written for it. Afterwards the plan is whole. One
// without such parts is so already.
//
// What the machine writes lies in a file without a name in the folder Temp until the plan
// is closed.
func Plan(ctx context.Context, p *plan.Plan, o Options) error {
	switch {
	case p.Whole():
		return nil
	case o.Refuse:
		return &RefusedError{p.Privileged()}
	}
	f := &finisher{Plan: p, Options: o, pending: p.Pending(), secrets: map[string]string{}}
	return f.run(ctx)
}

// run finds all that is missing before it starts anything.
func (f *finisher) run(ctx context.Context) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	overlay, err := nbd.TemporaryOverlay(f.Disk.Map, cmp.Or(f.Options.Temp, "/var/tmp"))
	if err != nil {
		return err
	}
	if err := f.inMachine(ctx, o, overlay); err != nil {
		overlay.Close()
		if f.read != nil {
			err = fmt.Errorf("%w: %w", f.read, err)
		}
		return err
	}
	m, err := overlay.Map()
	if err != nil {
		overlay.Close()
		return err
	}
	f.Complete(m, overlay, manifest.Helper{Kernel: f.kernel.Release, Tools: f.packages})
	return nil
}

// prepare reads secrets and scripts.
func (f *finisher) prepare(ctx context.Context) error {
	r := f.Recipe
	read := func(key string, s *recipes.Secret) error {
		text, err := readSecret(ctx, s, f.Options.Getenv)
		if err != nil {
			return r.At(key, err)
		}
		f.secrets[key] = text
		return nil
	}
	for _, c := range f.pending {
		if c.Passphrase != nil {
			if err := read(passphraseKey(c.At), c.Passphrase); err != nil {
				return err
			}
		}
	}
	for i := range r.Steps {
		s, key := &r.Steps[i], fmt.Sprintf("steps[%d]", i)
		if s.In == recipes.InRoot && !runsHere(r.Arch) {
			return r.Errorf(key+".in", "%s: the programs in the root are for %s, and this machine is %s: do it in: helper", s.Name, r.Arch, vm.HostArch())
		}
		text := s.Script
		if !s.File.IsZero() {
			data, err := os.ReadFile(s.File.Host)
			if err != nil {
				return r.At(key+".file", err)
			}
			text = string(data)
		}
		f.scripts = append(f.scripts, text)
		for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
			secret := s.Secrets[name]
			if err := read(key+".secrets."+name, &secret); err != nil {
				return err
			}
		}
	}
	return nil
}

// runsHere reports whether this machine's processor runs programs of an architecture.
func runsHere(arch string) bool {
	host := vm.HostArch()
	return vm.Arch(arch) == host || vm.Arch(arch) == vm.I686 && host == vm.X86_64
}

// findKernel finds the kernel that the machine runs.
func (f *finisher) findKernel() error {
	at, own := f.Options.Kernel, f.Recipe.System
	if at == "" && own != nil && own.Path == "" && own.Kernel.Text != "host" && vm.Arch(f.Recipe.Arch) == vm.HostArch() {
		at = own.Kernel.Host
	}
	var err error
	if f.kernel, err = kernel.Find(cmp.Or(at, "/")); err != nil {
		return &KernelError{f.Privileged()[0], fmt.Errorf("kernel: %w", err)}
	}
	return nil
}

// options describe the machine without its disks.
func (f *finisher) options() (helper.Options, error) {
	o := helper.Options{Init: f.Options.Program}
	o.Machine.Accel, o.Machine.Memory, o.Machine.Warn = f.Options.Accel, cmp.Or(f.Options.Memory, helperMemory), f.Options.Warn
	if err := f.findKernel(); err != nil {
		return o, err
	}
	o.Kernel = f.kernel
	var names []string
	o.Load = append(o.Load, "virtio_blk", "ext4")
	for _, c := range f.pending {
		if c.Tool != nil {
			names, o.Load = append(names, c.Tool.Program), append(o.Load, c.Tool.Module)
			if len(c.Tool.Subvolumes) > 0 {
				names = append(names, foreign.SubvolumeProgram)
			}
		}
		if c.LUKS != "" {
			names, o.Load = append(names, "cryptsetup"), append(o.Load, "dm_crypt")
		}
	}
	for _, s := range f.Recipe.Steps {
		names = append(names, s.Programs...)
	}
	for _, m := range f.Recipe.Mounts() {
		part := &f.Recipe.Disk.Partitions[m.Partition]
		if !part.HoldsFiles() || len(f.Recipe.Steps) == 0 {
			continue
		}
		if module := part.Kind().MountType(); !slices.Contains(o.Load, module) {
			o.Load = append(o.Load, module)
		}
	}
	var err error
	if f.kernel.ModulesDir != "" {
		if o.Modules, err = f.kernel.Having(append([]string{"nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"}, foreign.LUKSCiphers...)); err != nil {
			return o, err
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		return o, nil
	}
	set, err := tools.Programs("", "", f.Options.Path, names...)
	if err != nil {
		return o, err
	}
	o.Files, f.packages = set.Tree, set.Packages
	return o, nil
}

// inMachine starts the machine with its disks, the image first, and does all there.
func (f *finisher) inMachine(ctx context.Context, o helper.Options, overlay *nbd.Overlay) error {
	ctx, cancel := context.WithCancel(ctx) // which ends the serving, too
	defer cancel()
	server, err := nbd.NewServer([]nbd.Export{{Disk: f.Disk.Map, Overlay: overlay}}, nbd.Options{Failed: f.failed})
	if err != nil {
		return err
	}
	socket, err := server.Connect(ctx)
	if err != nil {
		return err
	}
	o.Machine.Disks = []vm.Disk{{NBD: socket, Writable: true}}
	for _, c := range f.pending {
		socket, err := nbd.Connect(ctx, c.Source, nbd.Options{Failed: f.failed})
		if err != nil {
			return err
		}
		o.Machine.Disks = append(o.Machine.Disks, vm.Disk{NBD: socket, ReadOnly: true})
	}
	if f.guest, err = helper.Start(ctx, o); err != nil {
		return err
	}
	defer f.guest.Kill()
	for i := range f.pending {
		if err := f.make(ctx, i); err != nil {
			return fmt.Errorf("partition %s: %w", f.pending[i].Name, err)
		}
	}
	if len(f.Recipe.Steps) > 0 {
		if err := f.steps(ctx); err != nil {
			return err
		}
	}
	for i := range f.pending {
		if c := &f.pending[i]; c.LUKS != "" {
			if err := f.do(ctx, "cryptsetup", "close", f.mapping(c)); err != nil {
				return fmt.Errorf("partition %s: %w", c.Name, err)
			}
		}
	}
	if err := f.do(ctx, "sync"); err != nil {
		return err
	}
	return f.guest.Close()
}

// passphraseKey is the key of the recipe that says where the passphrase is.
func passphraseKey(partition int) string {
	return fmt.Sprintf("disk.partitions[%d].passphrase", partition)
}

// The key derivation of a container: the second choice of RFC 9106, section 4, with one
// pass more, which is the least that cryptsetup does. It does not follow from the
// memory and the speed of the machine that the image is made on, as cryptsetup's own
// choice does: the image may start with far less of both.
var keyDerivation = []string{
	"--pbkdf=argon2id", "--pbkdf-memory=65536", "--pbkdf-force-iterations=4", "--pbkdf-parallel=4",
}

// make makes a partition.
func (f *finisher) make(ctx context.Context, i int) error {
	c := &f.pending[i]
	source, plain := disk(1+i), fmt.Sprintf("%s%d", disk(0), f.Disk.Partitions[c.At].Number)
	if c.LUKS != "" {
		format := append([]string{"cryptsetup", "luksFormat", "--batch-mode", "--type=luks2", "--uuid=" + c.LUKS, "--key-file=-"}, keyDerivation...)
		if err := f.doWith(ctx, f.secrets[passphraseKey(c.At)], append(format, plain)...); err != nil {
			return err
		}
		if err := f.doWith(ctx, f.secrets[passphraseKey(c.At)], "cryptsetup", "open", "--key-file=-", plain, f.mapping(c)); err != nil {
			return err
		}
	}
	device := f.device(c.At)
	if c.Tool == nil {
		return f.do(ctx, "dd", "if="+source, "of="+device, "bs=1M", "conv=fsync", "status=none")
	}
	if err := f.do(ctx, c.Tool.Command(c.UUID, c.Label, device)...); err != nil {
		return err
	}
	return f.fill(ctx, c, source, device)
}

// subvolumes are the commands that make them, empty, where the files have folders.
func (f *finisher) subvolumes(c *plan.Pending) (commands [][]string) {
	all := slices.Clone(c.Tool.Subvolumes)
	slices.SortFunc(all, func(a, b foreign.Subvolume) int { return cmp.Compare(a.Name, b.Name) })
	for _, s := range all {
		at := path.Join(fillTo, s.Name)
		commands = append(commands, []string{"mkdir", "-p", path.Dir(at)}, []string{foreign.SubvolumeProgram, "-q", "subvolume", "create", at})
		if s.Default {
			commands = append(commands, []string{foreign.SubvolumeProgram, "subvolume", "set-default", at})
		}
	}
	return commands
}

// fill copies the files into a new file system.
func (f *finisher) fill(ctx context.Context, c *plan.Pending, source, device string) error {
	commands := [][]string{
		{"mkdir", "-p", fillFrom, fillTo},
		{"mount", "-t", "ext4", "-o", "ro,noload", source, fillFrom},
		{"mount", "-t", c.Tool.Module, "-o", "noatime", device, fillTo},
	}
	if !c.LostFound {
		// ext4's own is left out, as what lies on another file system is.
		commands = append(commands, []string{"mount", "-t", "tmpfs", "none", fillFrom + "/lost+found"})
	}
	commands = append(commands, f.subvolumes(c)...)
	commands = append(commands, []string{"cp", "-a", "-x", fillFrom + "/.", fillTo})
	if !c.LostFound {
		commands = append(commands, []string{"umount", fillFrom + "/lost+found"})
	}
	commands = append(commands, []string{"umount", fillFrom}, []string{"umount", fillTo})
	for _, argv := range commands {
		if err := f.do(ctx, argv...); err != nil {
			if argv[0] == "cp" && strings.Contains(err.Error(), "no space left") {
				return fmt.Errorf("its %s do not hold the files; give it a larger size: %w",
					partition.FormatBytes(f.Disk.Partitions[c.At].Size), err)
			}
			return err
		}
	}
	return nil
}
