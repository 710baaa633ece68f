package recipes

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"ingot/bootloader/kernel"
	"ingot/image/nbd"
	"ingot/partition"
	"ingot/recipes/tools"
	"ingot/vm"
	"ingot/vm/helper"
)

// Helper says how the virtual machine is run in which some parts of an image are made.
type Helper struct {
	// Refuse has [Plan.Finish] refuse such parts instead.
	Refuse bool
	// Kernel is the path of what the machine runs; if it is empty, that is the recipe's
	// own kernel if this machine's processor runs it, or else this machine's.
	Kernel string
	// Program is the static ingot that the machine runs; [Host].Program if it is empty.
	Program string
	Accel   vm.Accel
	Memory  int64 // 1 GiB if it is 0
	// Output takes what steps print, without their secrets.
	Output io.Writer
	Warn   func(note string)
}

const helperMemory = 1 << 30

// Privileged names the parts of the image that are made in a virtual machine: file
// systems and containers that ingot has no writer for, and steps.
func (p *Plan) Privileged() []string { return p.Recipe.privileged() }

// notReproducible names the parts of the image whose bytes may be others the next time.
func (p *Plan) notReproducible() []string {
	parts := p.Privileged()
	if len(p.Recipe.Steps) == 0 {
		return parts
	}
	for i := range p.Recipe.Disk.Partitions {
		part := &p.Recipe.Disk.Partitions[i]
		if at := p.Recipe.mountOf(i); at != "" && len(part.madeBy()) == 0 {
			parts = append(parts, fmt.Sprintf("partition %s (mounted at %s for the steps)", part.Name, at))
		}
	}
	return parts
}

// A NoHelperError says that a plan has parts that are made in a virtual machine, which
// is refused.
type NoHelperError struct{ Parts []string }

func (e *NoHelperError) Error() string {
	return "these take a virtual machine, which --no-vm refuses: " + strings.Join(e.Parts, ", ")
}

// Finish makes the parts of the image that take a virtual machine, of the disk as it is
// planned: nothing that has a name is written for it. Afterwards the plan's Disk is
// whole. A plan without such parts is so already.
//
// What the machine writes lies in a file without a name in the host's Temp folder until
// the plan is closed.
func (p *Plan) Finish(ctx context.Context, h Host) error {
	switch {
	case !p.unfinished:
		return nil
	case h.Helper.Refuse:
		return &NoHelperError{p.Privileged()}
	}
	f := &finisher{Plan: p, host: h, secrets: map[string]string{}}
	if err := f.run(ctx); err != nil {
		return err
	}
	p.unfinished = false
	return nil
}

// finisher is the machine, and what is to be done there.
type finisher struct {
	*Plan
	host     Host
	kernel   *kernel.Kernel
	packages []tools.Package
	secrets  map[string]string // by their keys in the recipe
	scripts  []string          // of the steps
	guest    *helper.VM

	mu   sync.Mutex
	read error // of a file of the host
}

// run finds all that is missing before it starts anything.
func (f *finisher) run(ctx context.Context) error {
	if err := f.prepare(); err != nil {
		return err
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	overlay, err := nbd.TemporaryOverlay(f.Disk.Map, cmp.Or(f.host.Temp, "/var/tmp"))
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
	f.Disk.Map, f.overlay = m, overlay
	f.helper = &ManifestHelper{Kernel: f.kernel.Release, Tools: f.packages}
	return nil
}

// prepare reads secrets and scripts.
func (f *finisher) prepare() error {
	r := f.Recipe
	read := func(key string, s *Secret) error {
		text, err := s.read(f.host)
		if err != nil {
			return r.src.wrap(key, err)
		}
		f.secrets[key] = text
		return nil
	}
	for _, c := range f.chores {
		if c.password != nil {
			if err := read(c.passphraseKey(), c.password); err != nil {
				return err
			}
		}
	}
	for i := range r.Steps {
		s, key := &r.Steps[i], fmt.Sprintf("steps[%d]", i)
		if s.In == inRoot && !runsHere(r.Arch) {
			return r.src.errorf(key+".in", "%s: the programs in the root are for %s, and this machine is %s: do it in: helper", s.Name, r.Arch, vm.HostArch())
		}
		text := s.Script
		if !s.File.IsZero() {
			data, err := os.ReadFile(s.File.Host)
			if err != nil {
				return r.src.wrap(key+".file", err)
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

// runsHere says whether this machine's processor runs programs of an architecture.
func runsHere(arch string) bool {
	host := vm.HostArch()
	return vm.Arch(arch) == host || vm.Arch(arch) == vm.I686 && host == vm.X86_64
}

// findKernel finds the kernel that the machine runs.
func (f *finisher) findKernel() error {
	at, own := f.host.Helper.Kernel, f.Recipe.System
	if at == "" && own != nil && own.Path == "" && own.Kernel.Text != "host" && vm.Arch(f.Recipe.Arch) == vm.HostArch() {
		at = own.Kernel.Host
	}
	var err error
	if f.kernel, err = helper.FindKernel(cmp.Or(at, "/")); err != nil {
		return fmt.Errorf("%s takes a virtual machine: %w; --kernel PATH names another", f.Privileged()[0], err)
	}
	return nil
}

// options describe the machine without its disks.
func (f *finisher) options() (helper.Options, error) {
	o := helper.Options{Init: cmp.Or(f.host.Helper.Program, f.host.Program), Warn: f.host.Helper.Warn}
	o.Machine.Accel, o.Machine.Memory = f.host.Helper.Accel, cmp.Or(f.host.Helper.Memory, helperMemory)
	if err := f.findKernel(); err != nil {
		return o, err
	}
	o.Kernel = f.kernel
	var names []string
	o.Load = append(o.Load, "virtio_blk", "ext4")
	for _, c := range f.chores {
		if c.tool != nil {
			names, o.Load = append(names, c.tool.program), append(o.Load, c.tool.module)
		}
		if c.luks != "" {
			names, o.Load = append(names, "cryptsetup"), append(o.Load, "dm_crypt")
		}
	}
	for _, s := range f.Recipe.Steps {
		names = append(names, s.Programs...)
	}
	for i, part := range f.Recipe.Disk.Partitions {
		if part.Filesystem == "fat" && f.Recipe.mountOf(i) != "" && len(f.Recipe.Steps) > 0 {
			o.Load = append(o.Load, "vfat")
		}
	}
	var err error
	if f.kernel.ModulesDir != "" {
		if o.Modules, err = has(f.kernel, append([]string{"nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"}, ciphers...)); err != nil {
			return o, err
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		return o, nil
	}
	set, err := tools.Programs("", "", f.host.Path, names...)
	if err != nil {
		return o, err
	}
	o.Files, f.packages = set.Tree, set.Packages
	return o, nil
}

// failed keeps the first error of reading what the machine is shown.
func (f *finisher) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.read == nil {
		f.read = err
	}
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
	for _, c := range f.chores {
		socket, err := nbd.Connect(ctx, c.source, nbd.Options{Failed: f.failed})
		if err != nil {
			return err
		}
		o.Machine.Disks = append(o.Machine.Disks, vm.Disk{NBD: socket, ReadOnly: true})
	}
	if f.guest, err = helper.Start(ctx, o); err != nil {
		return err
	}
	defer f.guest.Kill()
	for i := range f.chores {
		if err := f.make(ctx, i); err != nil {
			return fmt.Errorf("partition %s: %w", f.chores[i].name, err)
		}
	}
	if len(f.Recipe.Steps) > 0 {
		if err := f.steps(ctx); err != nil {
			return err
		}
	}
	for i := range f.chores {
		if c := &f.chores[i]; c.luks != "" {
			if err := f.do(ctx, "cryptsetup", "close", c.mapping()); err != nil {
				return fmt.Errorf("partition %s: %w", c.name, err)
			}
		}
	}
	if err := f.do(ctx, "sync"); err != nil {
		return err
	}
	return f.guest.Close()
}

// disk returns the name of the machine's disk of this number.
func disk(i int) string { return "/dev/vd" + string(rune('a'+i)) }

// passphraseKey is the key of the recipe that says where the passphrase is.
func (c *chore) passphraseKey() string { return fmt.Sprintf("disk.partitions[%d].passphrase", c.at) }

// mapping is what the container's inside is called.
func (c *chore) mapping() string { return fmt.Sprintf("ingot%d", c.number) }

// device returns what the partition of the recipe with this number is in the machine: of
// a container its inside.
func (f *finisher) device(at int) string {
	for i := range f.chores {
		if c := &f.chores[i]; c.at == at && c.luks != "" {
			return "/dev/mapper/" + c.mapping()
		}
	}
	return fmt.Sprintf("%s%d", disk(0), f.Disk.Partitions[at].Number)
}

// The key derivation of a container: the second choice of RFC 9106, section 4, with one
// pass more, which is the least that cryptsetup does. It does not follow from the
// memory and the speed of the machine that the image is made on, as cryptsetup's own
// choice does: the image may start with far less of both.
var keyDerivation = []string{
	"--pbkdf=argon2id", "--pbkdf-memory=65536", "--pbkdf-force-iterations=4", "--pbkdf-parallel=4",
}

// make makes the partition of a chore.
func (f *finisher) make(ctx context.Context, i int) error {
	c := &f.chores[i]
	c.number = f.Disk.Partitions[c.at].Number
	source, plain := disk(1+i), fmt.Sprintf("%s%d", disk(0), c.number)
	if c.luks != "" {
		format := append([]string{"cryptsetup", "luksFormat", "--batch-mode", "--type=luks2", "--uuid=" + c.luks, "--key-file=-"}, keyDerivation...)
		if err := f.doWith(ctx, f.secrets[c.passphraseKey()], append(format, plain)...); err != nil {
			return err
		}
		if err := f.doWith(ctx, f.secrets[c.passphraseKey()], "cryptsetup", "open", "--key-file=-", plain, c.mapping()); err != nil {
			return err
		}
	}
	device := f.device(c.at)
	if c.tool == nil {
		return f.do(ctx, "dd", "if="+source, "of="+device, "bs=1M", "conv=fsync", "status=none")
	}
	if err := f.do(ctx, c.tool.arguments(c.uuid, c.label, device)...); err != nil {
		return err
	}
	return f.fill(ctx, c, source, device)
}

// Where the machine has file systems while they are filled.
const (
	fillFrom = "/run/ingot-from"
	fillTo   = "/run/ingot-to"
	stepRoot = "/mnt"
)

// fill copies the files into a new file system.
func (f *finisher) fill(ctx context.Context, c *chore, source, device string) error {
	commands := [][]string{
		{"mkdir", "-p", fillFrom, fillTo},
		{"mount", "-t", "ext4", "-o", "ro,noload", source, fillFrom},
		{"mount", "-t", c.tool.module, "-o", "noatime", device, fillTo},
	}
	if !c.spare {
		// ext4's own is left out, as what lies on another file system is.
		commands = append(commands, []string{"mount", "-t", "tmpfs", "none", fillFrom + "/lost+found"})
	}
	commands = append(commands, []string{"cp", "-a", "-x", fillFrom + "/.", fillTo})
	if !c.spare {
		commands = append(commands, []string{"umount", fillFrom + "/lost+found"})
	}
	commands = append(commands, []string{"umount", fillFrom}, []string{"umount", fillTo})
	for _, argv := range commands {
		if err := f.do(ctx, argv...); err != nil {
			if argv[0] == "cp" && strings.Contains(err.Error(), "no space left") {
				return fmt.Errorf("its %s do not hold the files; give it a larger size: %w",
					partition.FormatBytes(f.Disk.Partitions[c.at].Size), err)
			}
			return err
		}
	}
	return nil
}

// do runs a command in the machine.
func (f *finisher) do(ctx context.Context, argv ...string) error { return f.doWith(ctx, "", argv...) }

// doWith gives it something to read.
func (f *finisher) doWith(ctx context.Context, input string, argv ...string) error {
	said := newTail(f.known())
	_, err := f.guest.Exec(ctx, helper.Command{
		Argv: argv, Stdin: strings.NewReader(input), Stdout: said.writer(), Stderr: said.writer(), Env: noUdev,
	})
	return said.explain(argv[0], err)
}

// noUdev tells libdevmapper that nobody else makes its devices.
var noUdev = []string{"DM_DISABLE_UDEV=1"}

// known returns all secrets, the longest first: one may be a part of another.
func (f *finisher) known() []string {
	list := slices.Collect(maps.Values(f.secrets))
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return list
}

// steps mounts all that has a place in the root, and does the steps.
func (f *finisher) steps(ctx context.Context) error {
	places := f.places()
	for _, at := range places {
		if err := f.mount(ctx, at); err != nil {
			return fmt.Errorf("partition %s, to be mounted at %s: %w", f.Recipe.Disk.Partitions[f.Recipe.mounted(at)].Name, at, err)
		}
	}
	for i := range f.Recipe.Steps {
		if err := f.step(ctx, i); err != nil {
			return err
		}
	}
	for _, at := range slices.Backward(places) {
		if err := f.do(ctx, "umount", path.Join(stepRoot, at)); err != nil {
			return fmt.Errorf("after the steps: %w: has a step left something that runs there?", err)
		}
	}
	return nil
}

// places returns where partitions are mounted, each after what it lies in.
func (f *finisher) places() []string {
	var places []string
	for i := range f.Recipe.Disk.Partitions {
		if at := f.Recipe.mountOf(i); at != "" {
			places = append(places, at)
		}
	}
	slices.Sort(places)
	return places
}

func (f *finisher) mount(ctx context.Context, at string) error {
	i := f.Recipe.mounted(at)
	part := &f.Recipe.Disk.Partitions[i]
	kind := part.Filesystem
	if kind == "fat" {
		kind = "vfat"
	}
	if err := f.do(ctx, "mkdir", "-p", path.Join(stepRoot, at)); err != nil {
		return err
	}
	return f.do(ctx, "mount", "-t", kind, "-o", "noatime", f.device(i), path.Join(stepRoot, at))
}

// system are what programs expect in a root.
var system = []string{"/dev", "/proc", "/sys"}

// step does one step.
func (f *finisher) step(ctx context.Context, i int) error {
	s := &f.Recipe.Steps[i]
	said := newTail(f.known())
	said.to = f.host.Helper.Output
	command := helper.Command{Argv: s.Run, Script: f.scripts[i], Dir: stepRoot, Env: f.environment(i), Stdout: said.writer(), Stderr: said.writer()}
	if command.Script != "" && s.In == inHelper {
		command.Script = "set -e\n" + command.Script
	}
	if s.In == inRoot {
		if err := f.openRoot(ctx); err != nil {
			return fmt.Errorf("step %q: %w", s.Name, err)
		}
		if command.Script != "" {
			command.Argv, command.Script = []string{"/bin/sh", "-e", "-c", command.Script}, ""
		}
		command.Argv = append([]string{"chroot", stepRoot}, command.Argv...)
	}
	_, err := f.guest.Exec(ctx, command)
	if err = said.explain(fmt.Sprintf("step %q", s.Name), err); err != nil {
		return err
	}
	if s.In == inRoot {
		return f.closeRoot(ctx)
	}
	return nil
}

// environment is what the step finds beside PATH and the like.
func (f *finisher) environment(i int) []string {
	s, env := &f.Recipe.Steps[i], slices.Clone(noUdev)
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		env = append(env, name+"="+s.Env[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		env = append(env, name+"="+f.secrets[fmt.Sprintf("steps[%d].secrets.%s", i, name)])
	}
	return env
}

// openRoot gives the image's root what the kernel shows; the folders stay.
func (f *finisher) openRoot(ctx context.Context) error {
	for _, dir := range system {
		if err := f.do(ctx, "mkdir", "-p", stepRoot+dir); err != nil {
			return err
		}
		if err := f.do(ctx, "mount", "-o", "bind", dir, stepRoot+dir); err != nil {
			return err
		}
	}
	return nil
}

func (f *finisher) closeRoot(ctx context.Context) error {
	for _, dir := range slices.Backward(system) {
		if err := f.do(ctx, "umount", stepRoot+dir); err != nil {
			return err
		}
	}
	return nil
}

// tailSize is how much of what a command prints is kept for an error.
const tailSize = 2 << 10

// tail keeps the last of what is printed, without secrets, and passes it all on.
type tail struct {
	mu      sync.Mutex
	secrets []string
	to      io.Writer
	kept    []byte
	writers []*redactor
}

func newTail(secrets []string) *tail { return &tail{secrets: secrets} }

func (t *tail) writer() io.Writer {
	r := &redactor{tail: t}
	t.writers = append(t.writers, r)
	return r
}

func (t *tail) add(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to != nil {
		_, _ = t.to.Write(p) // a log that cannot be shown stops nothing
	}
	t.kept = append(t.kept, p...)
	if cut := len(t.kept) - tailSize; cut > 0 {
		t.kept = t.kept[cut:]
	}
}

// explain adds what was printed to an error.
func (t *tail) explain(what string, err error) error {
	for _, w := range t.writers {
		w.flush()
	}
	var command *helper.CommandError
	switch said := strings.TrimSpace(string(t.kept)); {
	case err == nil:
		return nil
	case said == "" || errors.As(err, &command):
		return fmt.Errorf("%s: %w", what, err)
	default:
		return fmt.Errorf("%s: %w; it said:\n%s", what, err, said)
	}
}

// redactor takes the secrets out of one stream. What may be the beginning of one waits
// for the rest.
type redactor struct {
	tail *tail
	wait []byte
}

const redacted = "[secret]"

func (r *redactor) Write(p []byte) (int, error) {
	r.wait = append(r.wait, p...)
	shown, rest := r.tail.redact(r.wait, false)
	r.wait = append([]byte(nil), rest...)
	if len(shown) > 0 {
		r.tail.add(shown)
	}
	return len(p), nil
}

// flush shows what waits: nothing follows.
func (r *redactor) flush() {
	if shown, _ := r.tail.redact(r.wait, true); len(shown) > 0 {
		r.tail.add(shown)
	}
	r.wait = nil
}

// redact returns p without secrets, up to where the beginning of one may stand, unless p
// is all there is. No more is held back: what the other stream prints comes between.
func (t *tail) redact(p []byte, all bool) (shown, rest []byte) {
	if len(t.secrets) == 0 {
		return p, nil
	}
	for len(p) > 0 {
		whole, begun := t.secretAt(p)
		switch {
		case begun && !all:
			return shown, p
		case whole > 0:
			shown, p = append(shown, redacted...), p[whole:]
		default:
			shown, p = append(shown, p[0]), p[1:]
		}
	}
	return shown, nil
}

// secretAt returns the length of the longest secret that p begins with, and whether all
// of p is the beginning of a longer one.
func (t *tail) secretAt(p []byte) (whole int, begun bool) {
	for _, s := range t.secrets {
		switch {
		case s[0] != p[0]:
		case len(p) < len(s):
			begun = begun || strings.HasPrefix(s, string(p))
		case bytes.HasPrefix(p, []byte(s)):
			whole = max(whole, len(s))
		}
	}
	return whole, begun
}
