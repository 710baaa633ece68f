package recipes

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"ingot/image/fileformat"
	"ingot/internal/grammar"
	"ingot/internal/lazy"
	"ingot/internal/printable"
)

// Where a step runs.
const (
	InHelper = "helper"
	InRoot   = "root"
)

// variableName matches the names of environment variables.
var variableName = lazy.Regexp(`^[A-Za-z_][A-Za-z0-9_]*$`)

func isVariable(name string) bool { return variableName().MatchString(name) }

// checkSteps finds the mistakes in the parts that take a virtual machine.
func (r *Recipe) checkSteps(d *decoder) {
	r.checkMounts(d)
	names := map[string]bool{}
	for i := range r.Steps {
		s, key := &r.Steps[i], fmt.Sprintf("steps[%d]", i)
		s.In = cmp.Or(s.In, InHelper)
		s.check(d, key)
		if names[s.Name] {
			d.fail(key+".name", "a step before is called %s, too", printable.Quote(s.Name))
		}
		names[s.Name] = true
		if s.In == InRoot && r.PartitionAt("/") < 0 {
			d.fail(key+".in", "there is no root to be in: no partition has mount: / or holds the store")
		}
	}
	if f := r.Output.FileFormat(); f.Live || f.Volume != "" {
		for _, part := range r.Privileged() {
			d.fail("output.format", "%s takes a disk, and %s has none; write it as %s", part, f.Name, grammar.Or(fileformat.Names(fileformat.Format.OfDisk)...))
		}
	}
	r.checkReadable(d)
}

// checkEncrypt finds the mistakes in a container around the file system.
func (p *Partition) checkEncrypt(d *decoder, key string) {
	switch {
	case p.Encrypt == "" && p.Passphrase != nil:
		d.fail(key+".passphrase", "is that of encrypt: luks, which is not there")
	case p.Encrypt == "" && p.LUKSUUID != "":
		d.fail(key+".luks-uuid", "is that of encrypt: luks, which is not there")
	case p.Encrypt != "luks":
	case p.Type == "esp":
		d.fail(key+".encrypt", "firmware cannot read an ESP that is encrypted")
	case p.Passphrase == nil:
		d.fail(key+".encrypt", "needs a passphrase: {file: PATH}, or {environment: NAME}")
	default:
		d.check(key+".passphrase", p.Passphrase.check())
	}
	if id, err := uuid.Parse(p.LUKSUUID); p.LUKSUUID != "" && (err != nil || id.String() != strings.ToLower(p.LUKSUUID)) {
		d.fail(key+".luks-uuid", "%s is not a UUID such as 6b4f0b6e-6d57-4d1c-9a3e-0e9b2f5a7c11", printable.Quote(p.LUKSUUID))
	}
}

func (s *Step) check(d *decoder, key string) {
	if s.Name == "" || strings.ContainsFunc(s.Name, func(r rune) bool { return r < ' ' }) {
		d.fail(key+".name", "%s is not a name: a line of text", printable.Quote(s.Name))
	}
	if kinds := count(s.Script != "", !s.File.IsZero(), len(s.Run) > 0); kinds != 1 {
		d.fail(key, "exactly one of script, file and run says what it does, and %d are given", kinds)
	}
	if len(s.Programs) > 0 && s.In != InHelper {
		d.fail(key+".programs", "are for in: helper; the image's root has its own")
	}
	for _, name := range s.Programs {
		if name == "" || strings.Contains(name, "/") {
			d.fail(key+".programs", "%s is not the name of a program", printable.Quote(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if !isVariable(name) {
			d.fail(key+".environment", "%s is not the name of a variable", quoteName(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		if _, twice := s.Env[name]; twice || !isVariable(name) {
			d.fail(key+".secrets", "%s is not the name of a variable, or one of environment, too", quoteName(name))
		}
		secret := s.Secrets[name]
		d.check(key+".secrets."+name, secret.check())
	}
}

func (s *Secret) check() error {
	if s.File.IsZero() == (s.Environment == "") {
		return errors.New("is taken either from a file or from a variable of the environment: {file: PATH} or {environment: NAME}")
	}
	if s.Environment != "" && !isVariable(s.Environment) { // which may be the secret itself
		return errors.New("environment is the name of a variable: letters, digits and _, the first no digit")
	}
	return nil
}

// checkMounts finds the mistakes in mount points.
func (r *Recipe) checkMounts(d *decoder) {
	before := len(d.errs)
	r.checkSubvolumes(d)
	at := map[string]string{}
	for i := range r.Disk.Partitions {
		p, key := &r.Disk.Partitions[i], fmt.Sprintf("disk.partitions[%d].mount", i)
		switch {
		case p.Mount == "":
		case !p.HoldsFiles():
			d.fail(key, "%s has no file system with files", p.Name)
		case !isPlace(p.Mount):
			d.fail(key, "%s is not an absolute path without . and ..", printable.Quote(p.Mount))
		case at[p.Mount] != "":
			d.fail(key, "%s is where %s is mounted, too", p.Mount, at[p.Mount])
		default:
			at[p.Mount] = p.Name
		}
		for n, s := range p.Subvolumes() {
			key := fmt.Sprintf("disk.partitions[%d].subvolumes[%d].mount", i, n)
			what := "subvolume " + s.Name + " of " + p.Name
			switch {
			case s.Mount == "" || s.Mount == p.Mount: // in place of the whole
			case at[s.Mount] != "":
				d.fail(key, "%s is where %s is mounted, too", s.Mount, at[s.Mount])
			default:
				at[s.Mount] = what
			}
		}
	}
	if len(d.errs) == before {
		r.checkStorePlace(d)
	}
}

// PartitionAt returns the number of the partition that steps find at a place, or -1.
func (r *Recipe) PartitionAt(at string) int {
	if m, ok := r.Holder(at); ok && m.At == at {
		return m.Partition
	}
	return -1
}

// StorePartition returns the number of the partition that holds the store, or -1.
func (r *Recipe) StorePartition() int {
	return slices.IndexFunc(r.Disk.Partitions, func(p Partition) bool { return p.Contents.Store })
}

// checkReadable refuses a disk whose kernels the boot loader cannot read.
func (r *Recipe) checkReadable(d *decoder) {
	if r.Bootloader.Loader.IsZero() {
		return
	}
	at, _ := r.BootFolder()
	if at < 0 {
		return
	}
	p, key, why := &r.Disk.Partitions[at], "encrypt", "encrypted"
	if p.Encrypt == "" {
		k := p.Kind()
		if k == nil || r.Bootloader.Loader.Kind.Reads(k) || r.IsISO() {
			return
		}
		key, why = "filesystem", k.String()
	}
	e := d.errorf(fmt.Sprintf("disk.partitions[%d].%s", at, key), "%s cannot read its menu and the kernels from %s, which is %s", r.Bootloader.Loader.Kind.Title, p.Name, why)
	e.Hint = "add a partition for them: {name: boot, filesystem: ext4, mount: /boot, size: fit+64MiB}"
	d.add(e)
}

// Privileged names the parts of the image that take a virtual machine, in the order in
// which they are done.
func (r *Recipe) Privileged() []string {
	var parts []string
	for i := range r.Disk.Partitions {
		p := &r.Disk.Partitions[i]
		if made := p.MadeBy(); len(made) > 0 {
			parts = append(parts, fmt.Sprintf("partition %s (%s)", p.Name, strings.Join(made, ", ")))
		}
	}
	for _, s := range r.Steps {
		parts = append(parts, fmt.Sprintf("step %q", s.Name))
	}
	return parts
}

// quoteName quotes what should be the name of a variable, without the value that may stand
// behind it: NAME=VALUE is how others write one.
func quoteName(name string) string {
	if name, _, ok := strings.Cut(name, "="); ok {
		return printable.Quote(name+"=") + " with what follows"
	}
	return printable.Quote(name)
}

// MadeBy names what the partition takes a virtual machine for; nothing if it does not.
func (p *Partition) MadeBy() []string {
	var names []string
	if k := p.Kind(); k != nil && k.Foreign {
		names = append(names, p.Filesystem)
	}
	if p.Encrypt != "" {
		names = append(names, p.Encrypt)
	}
	return names
}
