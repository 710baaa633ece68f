package plan

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/system"
	"ingot/image"
	"ingot/internal/printable"
	"ingot/lint"
	"ingot/partition"
	"ingot/partition/filesystems"
	"ingot/recipes"
)

// judge holds the systems of the menu against the image, which has no byte yet: what cannot boot
// is an error at the key of the recipe that would make it right. disk has the partitions of a
// disk; a live medium has none.
func (p *planner) judge(disk *partition.Disk) error {
	if slices.Contains(p.Lint.Ignore, recipes.IgnoreAll) {
		return nil
	}
	at, err := p.bootPartition()
	if err != nil || !p.Spreads() && p.trees[p.rootPartition(at)] == nil {
		return nil // there is no system
	}
	var checked []lint.Checked
	var keys []string
	look := p.lookRoot(at)
	for _, s := range p.toplevels() {
		if err := p.addChecked(at, look, s, &checked); err != nil {
			return err
		}
		for len(keys) < len(checked) {
			keys = append(keys, s.key)
		}
	}
	var errs []error
	for _, f := range lint.Check(checked, p.lintDisk(at, disk)) {
		if title := checked[f.System].Title; title != "" {
			f.What = title + ": " + f.What
		}
		switch {
		case slices.Contains(p.Lint.Ignore, f.Name):
		case f.Severity == lint.Error:
			errs = append(errs, p.refuse(f, keys[f.System]))
		case f.Severity == lint.Warning:
			p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("%s: %s (%s)", p.keyOf(f.Place, keys[f.System]), f.What, f.Name))
		}
	}
	return errors.Join(errs...)
}

// toplevel is a system of the recipe, by the key that names it.
type toplevel struct {
	key, title string
	path       string
	arguments  []string
}

// toplevels returns the systems that the menu boots, but not one that ingot makes.
func (p *planner) toplevels() (all []toplevel) {
	add := func(t toplevel) {
		if t.path != "" && !(p.store.made != nil && t.path == p.store.system) {
			all = append(all, t)
		}
	}
	add(toplevel{key: "system", path: p.store.system})
	for i, e := range p.Bootloader.Entries {
		add(toplevel{fmt.Sprintf("bootloader.entries[%d].system", i), e.Title, string(e.System), e.Arguments})
	}
	for i, g := range p.Bootloader.Generations {
		add(toplevel{key: fmt.Sprintf("bootloader.generations[%d]", i), title: fmt.Sprintf("generation %d", cmp.Or(g.Number, i+1)), path: string(g.Path)})
	}
	return all
}

// addChecked reads a system and its specialisations.
func (p *planner) addChecked(at int, look bootloader.Lookup, t toplevel, all *[]lint.Checked) error {
	s, err := p.readSystem(at, t.path)
	if err != nil {
		return p.At(t.key, err)
	}
	var add func(s *system.System, title string)
	add = func(s *system.System, title string) {
		c := lint.Checked{System: s, Title: title, Arguments: slices.Concat(s.Entry.Arguments, t.arguments, p.Bootloader.Arguments)}
		c.Wants, c.Err = p.expects(at, s)
		c.HasEtc = look(path.Join(s.Path, "etc")) != nil
		*all = append(*all, c)
		for _, of := range s.Specialisations {
			add(of.System, strings.TrimPrefix(title+", "+of.Name, ", "))
		}
	}
	add(s, t.title)
	return nil
}

// expectations are what a system expects, or why that is unknown.
type expectations struct {
	want *system.Expectations
	err  error
}

// expects reads what a system expects of its disk, and keeps it: to read an initial RAM disk takes
// time.
func (p *planner) expects(at int, s *system.System) (*system.Expectations, error) {
	e, ok := p.wants[s]
	if !ok {
		e.want, e.err = s.ExpectsWith(p.lookRoot(at), &p.initrds)
		if p.wants == nil {
			p.wants = map[*system.System]expectations{}
		}
		p.wants[s] = e
	}
	return e.want, e.err
}

// lintDisk describes the image as systems find it.
func (p *planner) lintDisk(at int, disk *partition.Disk) lint.Disk {
	d := lint.Disk{Arch: p.Arch, Changes: len(p.Steps) > 0, Alone: p.IsVolume()}
	live := func(name string) *image.Node {
		switch {
		case p.Packs() && !p.packsRoot() && strings.TrimPrefix(name, "/") == storeImage:
			return image.NewFile(0o444, nil) // which is packed later
		case p.trees[at] == nil:
			return nil
		}
		return p.trees[at].Lookup(name)
	}
	switch {
	case p.IsNetboot():
		d.Netboot, d.Look = true, live
	case p.IsISO():
		d.ISO = &lint.Partition{FileSystem: filesystems.Named("iso9660"), Label: p.isoOptions().VolumeID, UUID: p.isoOptions().VolumeUUID(), Look: live}
	case disk != nil:
		for i := range p.Disk.Partitions {
			d.Partitions = append(d.Partitions, p.lintPartition(i, disk))
		}
	}
	return d
}

func (p *planner) lintPartition(i int, disk *partition.Disk) lint.Partition {
	part := &p.Disk.Partitions[i]
	out := lint.Partition{Name: part.Name, Type: part.Type, Label: part.Label, Opaque: part.Source != nil, FileSystem: part.Kind()}
	if j := slices.IndexFunc(disk.Partitions, func(o partition.Placed) bool { return o.Name == part.Name }); j >= 0 {
		out.Number, out.GUID = disk.Partitions[j].Number, disk.Partitions[j].PartUUID
	}
	if disk.GUID == "" { // an MBR has no names
		out.Name = ""
	}
	if part.Kind() != nil && part.Source == nil {
		out.UUID = p.uuid(i)
	}
	for _, s := range part.Subvolumes() {
		out.Subvolumes = append(out.Subvolumes, strings.Trim(s.Name, "/"))
	}
	if part.Encrypt != "" {
		out.LUKS = p.luksUUID(i)
	}
	for _, m := range p.Mounts() {
		if m.Partition == i {
			out.MountPoints = append(out.MountPoints, m.At)
		}
	}
	return out
}

// keyOf returns the key of the recipe that a finding is about; system is that of the system's.
func (p *planner) keyOf(at lint.Place, system string) string {
	if at.Partition >= 0 {
		key := fmt.Sprintf("disk.partitions[%d]", at.Partition)
		if at.Field != "" {
			key += "." + string(at.Field)
		}
		return key
	}
	switch at.Field {
	case lint.VolumeID:
		return "output.volume"
	case lint.UUID:
		return "output.uuid"
	case lint.Store:
		return "output.store"
	case lint.Signature:
		return "disk.signature"
	case lint.Arch:
		return "arch"
	case lint.System:
		return system
	}
	return "disk"
}

// refuse makes an error of a finding: the key, what is wrong there, and what to write.
func (p *planner) refuse(f lint.Finding, system string) *recipes.Error {
	key := p.keyOf(f.Place, system)
	e := p.At(key, &Finding{f})
	if f.Want == "" {
		rule, _ := lint.RuleNamed(f.Name)
		e.Hint = lowerFirst(strings.TrimSuffix(cmp.Or(f.Out, rule.Out), "."))
		return e
	}
	e.Hint = fmt.Sprintf("write %s: %s", key[strings.LastIndexByte(key, '.')+1:], printable.Name(yamlText(f.Want)))
	return e
}

// A Finding is the cause of an error about an image that would not boot.
type Finding struct{ lint.Finding }

func (e *Finding) Error() string { return fmt.Sprintf("%s (%s)", e.What, e.Name) }

// Findings returns the names of all findings in an error, by which a recipe passes over them.
func Findings(err error) (names []string) {
	switch e := err.(type) {
	case *Finding:
		return []string{e.Name}
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			for _, name := range Findings(err) {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	case interface{ Unwrap() error }:
		return Findings(e.Unwrap())
	}
	return names
}

func lowerFirst(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// yamlText writes a text as YAML reads it as one.
func yamlText(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./", r))
	}) && strings.ContainsFunc(s[:1], func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' })
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		plain = false
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
