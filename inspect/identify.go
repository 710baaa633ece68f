package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition"
)

// Identify finds the readings of the image and of its parts, which also report damage. The
// error is one of the host or the context, which also ends the reading of trees later on.
func (i *Image) Identify(ctx context.Context) error {
	i.left = i.Map.Size()
	disk := i.Map.Until(ctx)
	whole := &Volume{Placed: partition.Placed{Size: i.Map.Size()}, Data: disk}
	tables, err := i.tables(disk)
	if err == nil {
		whole.Readings, err = i.readings(disk, 0)
	}
	var parts []*Volume
	for _, t := range tables {
		var of []*Volume
		if err == nil && t.Table != nil {
			of, err = i.partitions(disk, t)
		}
		parts = append(parts, of...)
	}
	if err == nil {
		err = i.choose(disk, whole, tables, parts)
	}
	if ended := context.Cause(ctx); ended != nil {
		return ended
	}
	return err
}

// tables reads each partition table that the disk has.
func (i *Image) tables(disk *image.Map) ([]*Reading, error) {
	var all []*Reading
	for _, t := range []struct {
		kind Kind
		read func(io.ReaderAt, int64) (*partition.Listing, error)
	}{{GPT, partition.ReadGPT}, {MBR, partition.ReadMBR}, {APM, partition.ReadAPM}} {
		l, err := t.read(disk, disk.Size())
		switch {
		case errors.Is(err, partition.ErrNoTable):
			continue
		case IsHost(err):
			return nil, err
		}
		r := &Reading{Kind: t.kind, Size: disk.Size(), Table: l, Err: err}
		if l != nil {
			r.Warnings = l.Problems
		}
		all = append(all, r)
	}
	return all, nil
}

// partitions identifies the partitions of a table. One beyond the disk's end has no bytes.
func (i *Image) partitions(disk *image.Map, t *Reading) (all []*Volume, err error) {
	for _, p := range t.Table.Partitions {
		v := &Volume{Placed: p, Table: t}
		if p.Start < disk.Size() {
			v.Size = min(v.Size, disk.Size()-v.Start)
		} else {
			v.Start, v.Size = disk.Size(), 0
		}
		v.Data = image.Section(disk, v.Start, v.Size)
		if v.Readings, err = i.readings(v.Data, v.Start); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// choose sets the readings of the image as a whole, and its volumes.
func (i *Image) choose(disk *image.Map, whole *Volume, tables []*Reading, parts []*Volume) error {
	table := best(tables, parts)
	useTable, err := i.prefersTable(whole, table, parts)
	if err != nil {
		return err
	}
	var inside []*Volume
	if r := find(whole.Readings, ISO9660); r != nil && r.Err == nil {
		if inside, err = i.insideISO(disk, r); err != nil {
			return err
		}
	}
	whole.InUse = !useTable
	for _, v := range parts {
		v.InUse = useTable && v.Table == table
	}
	isISO := whole.InUse && whole.Kind() == ISO9660
	if isISO {
		beside(whole, table, parts)
	}
	for _, v := range inside {
		v.InUse = isISO && v.BootImage == 0
	}
	i.Volumes = append(append([]*Volume{whole}, parts...), inside...)
	slices.SortStableFunc(i.Volumes, func(a, b *Volume) int { return order(a, table) - order(b, table) })
	if !whole.InUse && len(whole.Readings) == 0 {
		i.Volumes = slices.DeleteFunc(i.Volumes, func(v *Volume) bool { return v == whole })
	}
	i.Readings = whole.Readings
	if table != nil {
		others := slices.DeleteFunc(slices.Clone(tables), func(r *Reading) bool { return r == table })
		if tables = append([]*Reading{table}, others...); useTable {
			i.Readings = append(tables, whole.Readings...)
			return nil
		}
	}
	i.Readings = append(slices.Clone(whole.Readings), tables...)
	return nil
}

// order sorts volumes: those in use, then those of the best table, then the others.
func order(v *Volume, table *Reading) int {
	switch {
	case v.InUse:
		return 0
	case v.Table == table:
		return 1
	}
	return 2
}

// best returns the best table: the first with a partition that holds something known, else the
// first with a partition, else the first. A GPT without a protective entry comes behind an MBR,
// as in Linux and UEFI.
func best(tables []*Reading, parts []*Volume) *Reading {
	var found *Reading
	most := -1
	for _, t := range tables {
		worth := 0
		for _, v := range parts {
			if v.Table == t && v.Size > 0 {
				worth = max(worth, 2)
				if r := v.Reading(); r != nil && r.known() {
					worth = max(worth, 4)
				}
			}
		}
		switch {
		case t.Table == nil, t.Kind == GPT && !t.Table.Protected:
			worth--
		case t.Kind == GPT && worth > 0: // with checksums, and an MBR that leads to it
			worth = 5
		}
		if worth > most {
			found, most = t, worth
		}
	}
	return found
}

// prefersTable says whether the image is a disk with partitions, and not one volume.
func (i *Image) prefersTable(whole *Volume, table *Reading, parts []*Volume) (bool, error) {
	if table == nil || table.Table == nil {
		return false, nil
	}
	holds, any := false, false
	for _, v := range parts {
		if v.Table != table || v.Size == 0 {
			continue
		}
		any = true
		if r := v.Reading(); r != nil && r.known() && r.Kind != ISO9660 { // the whole once more
			holds = true
		}
	}
	r := whole.Reading()
	switch {
	case r == nil:
		return true, nil
	case !r.known(): // a signature alone
		return any || table.Kind == GPT, nil
	case r.Kind != ISO9660 && table.Kind == GPT && table.Table.Protected:
		return any, nil
	case r.Kind != ISO9660:
		return holds, nil
	case !holds:
		return false, nil
	}
	// The tables of an ISO make it bootable from a stick, and list the same files once more. But
	// a disk can begin with an ISO that only leads firmware to an ESP.
	iso, isISO := r.open.(*iso9660.Reader)
	tree, err := r.Tree()
	switch {
	case IsHost(err):
		return false, err
	case err != nil || !isISO:
		return false, nil
	}
	files, err := hasFiles(iso, tree)
	return !files, err
}

// hasFiles says whether an ISO holds any file but its own boot catalog, which xorriso makes a
// file. The error is one of the host.
func hasFiles(iso *iso9660.Reader, tree *image.Tree) (bool, error) {
	catalog, err := iso.Catalog()
	if IsHost(err) {
		return false, err
	}
	found := errors.New("a file is there") // which ends the walk
	err = tree.Walk(func(_ string, n *image.Node) error {
		if n.IsDir() {
			return nil
		}
		if err != nil || catalog == nil || !n.Mode.IsRegular() || n.Size() != catalog.Size() {
			return found
		}
		same, err := equal(n.Data, catalog)
		switch {
		case IsHost(err):
			return err
		case err != nil || !same:
			return found
		}
		return nil
	})
	if err == found {
		return true, nil
	}
	return false, err
}

func equal(a, b image.Blob) (bool, error) {
	x, err := image.ReadAll(a)
	if err != nil {
		return false, err
	}
	y, err := image.ReadAll(b)
	return bytes.Equal(x, y), err
}

func find(all []*Reading, kind Kind) *Reading {
	for _, r := range all {
		if r.Kind == kind {
			return r
		}
	}
	return nil
}

// ofISO are kinds of file systems that lie in ISOs, so that a partition may list them once
// more.
var ofISO = []Kind{ISO9660, FAT, "squashfs", "udf", "hfsplus", "hfs", "cramfs", "romfs"}

// beside marks partitions that hold files beside those of an ISO: they lie behind its end, or
// have a kind that is never part of one. An ESP holds boot loaders and does not count; in many
// ISOs it is an image of the boot catalog, with the type of Windows data.
func beside(whole *Volume, table *Reading, parts []*Volume) {
	iso, ok := whole.Reading().open.(*iso9660.Reader)
	if !ok {
		return
	}
	images, _ := iso.Boot() // an error is one of the image's warnings
	for _, v := range parts {
		r := v.Reading()
		if slices.ContainsFunc(images, func(b iso9660.BootImage) bool { return b.Offset == v.Start }) {
			continue
		}
		if v.Table != table || r == nil || !r.known() || !v.HoldsFiles() || v.Type == "esp" {
			continue
		}
		v.InUse = v.Start >= iso.Size() || !slices.Contains(ofISO, r.Kind)
	}
}

// roots are the files of an ISO that can hold a live system.
var roots = []string{"/root.erofs", "/root.squashfs", "/nix-store.squashfs"}

// insideISO returns the volumes in an ISO: live systems, and the images of its boot catalog.
func (i *Image) insideISO(disk *image.Map, r *Reading) (all []*Volume, err error) {
	tree, err := r.Tree()
	if IsHost(err) {
		return nil, err
	}
	if err == nil {
		for _, name := range roots {
			v, err := i.file(tree, name)
			if err != nil {
				return nil, err
			}
			if v != nil {
				all = append(all, v)
			}
		}
	}
	iso, ok := r.open.(*iso9660.Reader)
	if !ok {
		return all, nil
	}
	images, err := iso.Boot()
	if err != nil {
		if IsHost(err) {
			return nil, err
		}
		r.Warnings = append(r.Warnings, fmt.Sprintf("El Torito: %v", err))
		return all, nil
	}
	for n, b := range images {
		v := &Volume{BootImage: n + 1}
		v.Start, v.Size = b.Offset, i.Map.Size()-b.Offset // its own header has its size
		if v.Type = b.Platform.String(); v.Size <= 0 {
			r.Warnings = append(r.Warnings, fmt.Sprintf("El Torito: boot image %d lies at byte %d, beyond the end at %d", n+1, b.Offset, i.Map.Size()))
			continue
		}
		v.Data = image.Section(disk, v.Start, v.Size)
		if v.Readings, err = i.readings(v.Data, v.Start); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// file returns a file of a tree as a volume, or nil if there is no such file.
func (i *Image) file(tree *image.Tree, name string) (*Volume, error) {
	n := tree.Lookup(name)
	if n == nil || !n.Mode.IsRegular() || n.Data == nil {
		return nil, nil
	}
	v := &Volume{File: name, Data: n.Data, Placed: partition.Placed{Size: n.Size()}}
	var err error
	v.Readings, err = i.readings(v.Data, 0)
	return v, err
}
