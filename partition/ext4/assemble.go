package ext4

import (
	"fmt"
	"io/fs"
	"sort"

	"ingot/image"
)

// assembly adds the extents of a plan in the order of their offsets. Those of files already are
// in order, and it merges the sorted ones of metadata; sorting a million extents would cost
// more than making them.
type assembly struct {
	*plan
	image.Builder
	metadata []image.Extent // not yet added
}

// assemble turns a plan into the Map of a volume of size bytes.
func (p *plan) assemble(size int64) (*image.Map, error) {
	a := assembly{plan: p}
	a.addGroups()
	sort.Slice(a.metadata, func(i, j int) bool { return a.metadata[i].Off < a.metadata[j].Off })
	a.Grow(len(a.metadata) + len(p.runs) + len(p.allocation.xattrs) + len(p.trees) + 2)
	a.addBlocks(p.dindirect, image.Bytes(p.resizeDoubleIndirect()), 0, blockSize, name("double indirect block of the resize inode"))
	a.addDirectories()
	a.addAttributes()
	a.addSymlinks()
	a.addJournal()
	a.addFiles()
	for _, e := range a.metadata {
		a.AddExtent(e)
	}
	return a.Map(size)
}

// name is the Owner of a structure of the file system.
func name(format string, args ...any) *image.Owner {
	return &image.Owner{Name: "ext4 " + fmt.Sprintf(format, args...)}
}

// addMetadata adds n bytes of src at a block to the metadata.
func (a *assembly) addMetadata(block int64, src image.Blob, off, n int64, owner *image.Owner) {
	a.metadata = append(a.metadata, image.Extent{Off: block * blockSize, Len: n, Src: src, SrcOff: off, Owner: owner})
}

// addBlocks adds the metadata before a block, and then n bytes of src at the block.
func (a *assembly) addBlocks(block int64, src image.Blob, off, n int64, owner *image.Owner) {
	at := block * blockSize
	for len(a.metadata) > 0 && a.metadata[0].Off < at {
		a.AddExtent(a.metadata[0])
		a.metadata = a.metadata[1:]
	}
	a.AddExtent(image.Extent{Off: at, Len: n, Src: src, SrcOff: off, Owner: owner})
}

// addGroups adds the superblocks, descriptors, bitmaps and inode tables of all block groups,
// except for zeros.
func (a *assembly) addGroups() {
	descriptors := image.Computed(a.descBlocks*blockSize, func(b []byte, off int64) error {
		copy(b, a.descriptors()[off:])
		return nil
	})
	blockBitmaps := blocksBlob(a.groups, a.fillBlockBitmap)
	inodeBitmaps := blocksBlob(a.groups, a.fillInodeBitmap)
	tables := blocksBlob(ceilDiv(a.inodesUsed(), inodesPerBlock), a.inodeBlock)
	reserved := a.reservedGDTBlocks()
	for g := range a.groups {
		a.addSuperblock(g, descriptors, reserved)
		if !a.blockBitmapUninit(g) {
			a.addMetadata(a.groupAt[g].blockBitmap, blockBitmaps, g*blockSize, blockSize, name("block bitmap of group %d", g))
		}
		if !a.inodeBitmapUninit(g) {
			a.addMetadata(a.groupAt[g].inodeBitmap, inodeBitmaps, g*blockSize, blockSize, name("inode bitmap of group %d", g))
		}
		if n := a.usedInodesIn(g); n > 0 {
			n = ceilDiv(n, inodesPerBlock) * blockSize
			a.addMetadata(a.groupAt[g].inodeTable, tables, g*a.tableBlocks*blockSize, n, name("inode table of group %d", g))
		}
	}
}

// addSuperblock adds the superblock and the descriptors of group g, if it has them.
func (a *assembly) addSuperblock(g int64, descriptors, reserved image.Blob) {
	if !hasSuperblock(g) {
		return
	}
	at := g * blocksPerGroup
	e := image.Extent{Off: at * blockSize, Len: superblockSize, Src: image.Bytes(a.superblock(g)), Owner: name("superblock of group %d", g)}
	if g == 0 {
		e.Off = superblockOffset
	}
	a.metadata = append(a.metadata, e)
	a.addMetadata(at+1, descriptors, 0, a.descBlocks*blockSize, name("group descriptors in group %d", g))
	if g == 0 && a.reservedGDT > 0 && a.groups > 1 {
		a.addMetadata(a.firstReservedGDT(), reserved, 0, reserved.Size(), name("reserved group descriptors"))
	}
}

// addDirectories adds the blocks of all directories, which are parts of one Blob.
func (a *assembly) addDirectories() {
	first := make([]int64, len(a.dirs)+1)
	for i := range a.dirs {
		first[i+1] = first[i] + a.dirs[i].blocks
	}
	blob := blocksBlob(first[len(a.dirs)], func(b []byte, block int64) {
		i := sort.Search(len(a.dirs), func(i int) bool { return first[i+1] > block })
		ino := inodeNumber(a.dirs[i].file)
		a.dirs[i].dirBlock(b, int(block-first[i]), ino, a.ofInode(ino))
	})
	for i := range a.dirs {
		place := a.dirs[i].file
		for _, r := range a.runsOf(place) {
			a.addBlocks(int64(r.physical), blob, (first[i]+int64(r.logical))*blockSize, int64(r.length)*blockSize, a.files[place].owner)
		}
		a.addTree(&a.places[place], inodeNumber(place), a.files[place].owner)
	}
}

func (a *assembly) runsOf(place int) []run {
	return a.runs[a.places[place].runs:a.places[place].runsEnd]
}

// addTree adds the blocks of an extent tree.
func (a *assembly) addTree(f *filePlacement, ino uint32, of *image.Owner) {
	at := a.trees[f.tree:f.treeEnd]
	if len(at) == 0 {
		return
	}
	var root [60]byte
	tree := make(image.Bytes, len(at)*blockSize)
	putExtentTree(root[:], tree, at, a.runs[f.runs:f.runsEnd], a.ofInode(ino))
	owner := &image.Owner{Name: "ext4 extent tree of " + pathOf(of)}
	for i, block := range at {
		a.addBlocks(int64(block), tree, int64(i)*blockSize, blockSize, owner)
	}
}

func (a *assembly) addAttributes() {
	owner := name("extended attributes")
	for i, at := range a.allocation.xattrs {
		at, block := int64(at), &a.attrs.blocks[i]
		blob := blocksBlob(1, func(b []byte, _ int64) { block.xattrBlock(b, at, a.checksums) })
		a.addBlocks(at, blob, 0, blockSize, owner)
	}
}

func (a *assembly) addSymlinks() {
	for i := range a.files {
		if f := &a.files[i]; f.node.Mode.Type() == fs.ModeSymlink {
			for _, r := range a.runsOf(i) {
				a.addBlocks(int64(r.physical), image.Bytes(f.node.Link), 0, int64(len(f.node.Link)), f.owner)
			}
		}
	}
}

func (a *assembly) addJournal() {
	if a.geometry.journal == 0 {
		return
	}
	owner := name("journal")
	first := a.runs[a.allocation.journal.runs]
	a.addBlocks(int64(first.physical), image.Bytes(a.journalSuperblock()), 0, superblockSize, owner)
	a.addTree(&a.allocation.journal, journalInode, owner)
}

func (a *assembly) addFiles() {
	for i := range a.files {
		f := &a.files[i]
		if !f.node.Mode.IsRegular() {
			continue
		}
		for _, r := range a.runsOf(i) {
			off := int64(r.logical) * blockSize
			n := min(int64(r.length)*blockSize, f.node.Data.Size()-off)
			a.addBlocks(int64(r.physical), f.node.Data, off, n, f.owner)
		}
		a.addTree(&a.places[i], inodeNumber(i), f.owner)
	}
}
