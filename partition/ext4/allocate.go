package ext4

import "io/fs"

// allocation has the positions of a census's blocks in a geometry. It uses all blocks from the
// first up to frontier, so that bitmaps follow from this number and the geometry.
type allocation struct {
	runs   []run
	places []filePlacement // by index in census.files
	trees  []uint32        // blocks of extent trees

	dindirect int64    // the resize inode's double indirect block
	xattrs    []uint32 // by index in census.attrs.blocks
	journal   filePlacement

	frontier  int64
	allocated int64
}

// run is an extent: blocks of a file that are contiguous on disk.
type run struct{ logical, physical, length uint32 }

// filePlacement has the runs of a file and the blocks of its extent tree, as ranges of
// allocation.runs and allocation.trees.
type filePlacement struct{ runs, runsEnd, tree, treeEnd uint32 }

// allocate allocates all blocks of c: first those of the file system and its directories, then
// the contents of the files in path order. It does not stop at the end of g, so that the result
// shows how many blocks are missing.
func (a *allocation) allocate(c *census, g *geometry) {
	at := allocator{used: g.used}
	a.runs, a.trees, a.xattrs = a.runs[:0], a.trees[:0], a.xattrs[:0]
	if a.places == nil {
		a.places = make([]filePlacement, len(c.files))
		a.runs = make([]run, 0, len(c.files))
	}
	at.take(1, func(start, _ int64) { a.dindirect = start })
	for i := range c.dirs {
		d := &c.dirs[i]
		a.places[d.file] = a.place(&at, func(yield func(piece)) { yield(piece{0, d.blocks}) })
	}
	at.take(int64(len(c.attrs.blocks)), func(start, n int64) {
		for i := range n {
			a.xattrs = append(a.xattrs, uint32(start+i))
		}
	})
	for i := range c.files {
		if n := c.files[i].node; n.Mode.Type() == fs.ModeSymlink && len(n.Link) >= fastSymlinkLength {
			a.places[i] = a.place(&at, func(yield func(piece)) { yield(piece{0, 1}) })
		}
	}
	a.journal = a.place(&at, func(yield func(piece)) { yield(piece{0, g.journal}) })
	for i := range c.files {
		if f := &c.files[i]; f.node.Mode.IsRegular() {
			a.places[i] = a.place(&at, func(yield func(piece)) { c.eachPiece(f, yield) })
		}
	}
	a.frontier, a.allocated = at.next, at.total
}

// place allocates the blocks of a file and, behind them, those of its extent tree.
func (a *allocation) place(at *allocator, pieces func(yield func(piece))) filePlacement {
	p := filePlacement{runs: uint32(len(a.runs)), tree: uint32(len(a.trees))}
	pieces(func(p piece) {
		logical := p.logical
		at.take(p.length, func(start, n int64) {
			for n > 0 {
				k := min(n, extentMaxLen)
				a.runs = append(a.runs, run{uint32(logical), uint32(start), uint32(k)})
				logical, start, n = logical+k, start+k, n-k
			}
		})
	})
	p.runsEnd = uint32(len(a.runs))
	at.take(extentTreeBlocks(int(p.runsEnd-p.runs)), func(start, n int64) {
		for i := range n {
			a.trees = append(a.trees, uint32(start+i))
		}
	})
	p.treeEnd = uint32(len(a.trees))
	return p
}

// allocator allocates the blocks between used spans, in order.
type allocator struct {
	used  []span // those behind next
	next  int64
	total int64
}

// take allocates n blocks, in as few runs as the used spans allow.
func (a *allocator) take(n int64, yield func(start, n int64)) {
	a.total += n
	for n > 0 {
		for len(a.used) > 0 && a.used[0].start == a.next {
			a.next, a.used = a.used[0].end, a.used[1:]
		}
		k := n
		if len(a.used) > 0 {
			k = min(k, a.used[0].start-a.next)
		}
		yield(a.next, k)
		a.next, n = a.next+k, n-k
	}
}
