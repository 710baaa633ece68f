package recipes

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"slices"

	"ingot/partition/filesystems"
	"ingot/partition/volume"
)

var _ alternatives = (*FileSystemOptions)(nil)

func (*FileSystemOptions) alternatives() (keys []string) {
	for _, k := range filesystems.Makeable() {
		if k.Options != nil {
			keys = append(keys, keysOf(reflect.TypeOf(k.Options()).Elem())...)
		}
	}
	return keys
}

// choose makes the options of all kinds, unless they are there.
func (o *FileSystemOptions) choose(name string) reflect.Value {
	if *o == nil {
		for _, k := range filesystems.Makeable() {
			if k.Options != nil {
				*o = append(*o, fileSystemOptions{k, k.Options()})
			}
		}
	}
	for _, of := range *o {
		fields, _ := fieldsOf(reflect.ValueOf(of.Options).Elem())
		if f, ok := fields[name]; ok {
			return f.value()
		}
	}
	panic("recipes: no file system has the option " + name)
}

// of returns the options of a kind, or nil.
func (o FileSystemOptions) of(k *volume.Kind) volume.Options {
	for _, of := range o {
		if of.kind == k {
			return of.Options
		}
	}
	return nil
}

// check refuses options of other kinds than that of the file system, and those that contradict
// the partition.
func (o FileSystemOptions) check(d *decoder, key, filesystem string) {
	for _, of := range o {
		if of.kind.Name != filesystem {
			d.refuse(of.Options, key, keysOf(reflect.TypeOf(of.Options).Elem()), "is a matter of %s, and the file system is %s", of.kind.Name, cmp.Or(filesystem, "left out"))
		}
	}
}

// canonical returns the options without what is the default at the place.
func (o FileSystemOptions) canonical(at volume.Place) FileSystemOptions {
	o = slices.Clone(o)
	for i := range o {
		o[i].Options = o[i].Canonical(at)
	}
	return o
}

// Kind returns the kind of file system, or nil for a raw partition.
func (p *Partition) Kind() *volume.Kind {
	if k := filesystems.Named(p.Filesystem); k != nil && k.FileSystem != nil {
		return k
	}
	return nil
}

// HoldsFiles reports whether the partition has a file system that files can lie in.
func (p *Partition) HoldsFiles() bool {
	k := p.Kind()
	return k != nil && k.Class == volume.Files
}

// place describes the partition to the options of its file system.
func (p *Partition) place() volume.Place {
	return volume.Place{Type: p.Type, Size: p.Size.Size, Share: p.Size.Share != 0}
}

// FileSystem returns the writer of a partition's file system, nil for a raw one.
func (p *Partition) FileSystem() volume.FileSystem {
	k := p.Kind()
	if k == nil {
		return nil
	}
	return k.Maker(p.Options.of(k), p.place())
}

// impliedBy returns the kind that programs expect in a partition of a type, or nil.
func impliedBy(partitionType string) *volume.Kind {
	for _, k := range filesystems.Makeable() {
		if slices.Contains(k.ImpliedBy, partitionType) {
			return k
		}
	}
	return nil
}

// isESP reports whether the partition is of the type esp and has the file system that it has to
// have.
func (p *Partition) isESP() bool { return p.Type == "esp" && p.Kind() == impliedBy("esp") }

// MarshalJSON writes the options where the keys of all file systems stand, before contents:
// identifiers are derived from the text.
func (p Partition) MarshalJSON() ([]byte, error) {
	type plain Partition
	last := struct {
		Contents Contents `json:"contents,omitzero"`
	}{p.Contents}
	p.Contents = Contents{}
	objects := []any{plain(p)}
	for _, of := range p.Options {
		objects = append(objects, of.Options)
	}
	return marshalAsOne(append(objects, last)...)
}

// marshalAsOne writes several objects as one with the keys of all.
func marshalAsOne(objects ...any) ([]byte, error) {
	var all [][]byte
	for _, o := range objects {
		text, err := json.Marshal(o)
		if err != nil {
			return nil, err
		}
		if text = text[1 : len(text)-1]; len(text) > 0 {
			all = append(all, text)
		}
	}
	return slices.Concat([]byte("{"), bytes.Join(all, []byte(",")), []byte("}")), nil
}

func filesystemNames() []string { return filesystems.Names(filesystems.Makeable()) }
