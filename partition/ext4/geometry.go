package ext4

// geometry has the positions that depend only on the size of a volume and the number of its
// inodes: of superblocks, descriptors, bitmaps and inode tables. Numbers without a unit count
// blocks.
type geometry struct {
	blocks         int64 // of the file system; a volume may end with a few more
	groups         int64 // block groups
	inodesPerGroup int64
	tableBlocks    int64 // of one group's inode table
	descSize       int64 // of one group descriptor, bytes
	descBlocks     int64 // of the group descriptors
	reservedGDT    int64 // behind them, for the descriptors of future groups
	journal        int64

	// short is how many more blocks an omitted last group would have needed to be useful; 0 if
	// none was omitted.
	short int64

	groupAt []groupPlace
	used    []span // of all of the above but the journal, in order
	free    int64  // all blocks outside of used
}

// groupPlace has the positions of the parts of one group.
type groupPlace struct{ blockBitmap, inodeBitmap, inodeTable int64 }

// span is the blocks from start up to end.
type span struct{ start, end int64 }

// minLastGroup is how many blocks the last group must have beside its own metadata. mke2fs
// omits smaller ones, too.
const minLastGroup = 50

// bytesPerInode is mke2fs's ratio, and roomOfGroup the resulting inodes of a whole group.
const (
	bytesPerInode = 16 << 10
	roomOfGroup   = blocksPerGroup * blockSize / bytesPerInode
)

// room is the number of inodes of an empty volume of so many blocks: one for each
// [bytesPerInode] of all its groups, as if the last one were whole. When a volume grows, new
// groups have as many inodes as the old ones, and its last group gets no more. Very small
// volumes have one for each block, like mke2fs's.
func room(blocks int64) int64 {
	return min(blocks, ceilDiv(blocks, blocksPerGroup)*roomOfGroup)
}

// hasSuperblock reports whether group g has a copy of the superblock and of the descriptors
// (sparse_super): groups 0, 1 and the powers of 3, 5 and 7.
func hasSuperblock(g int64) bool {
	if g <= 1 {
		return true
	}
	for _, base := range [...]int64{3, 5, 7} {
		p := base
		for p < g {
			p *= base
		}
		if p == g {
			return true
		}
	}
	return false
}

// defaultJournal is mke2fs's size of the journal in blocks, for a volume of so many blocks.
// Below 8 MiB there is none.
func defaultJournal(blocks int64) int64 {
	journal := int64(0)
	for _, step := range [...]struct{ from, journal int64 }{
		{2048, 1024}, {32 << 10, 4096}, {256 << 10, 8192}, {512 << 10, 16384},
		{4 << 20, 32768}, {8 << 20, 65536}, {16 << 20, 131072}, {32 << 20, 262144},
	} {
		if blocks >= step.from {
			journal = step.journal
		}
	}
	return journal
}

// newGeometry returns the geometry of a volume with so many blocks, without its journal. inodes
// returns the minimum number of inodes for a number of blocks; the result may have fewer, since
// a group holds at most [maxInodesPerGroup]. Group descriptors have descSize bytes.
func newGeometry(blocks int64, inodes func(blocks int64) int64, descSize int64) geometry {
	short := int64(0)
	for {
		g := geometry{blocks: blocks, groups: ceilDiv(blocks, blocksPerGroup), descSize: descSize, short: short}
		perGroup := ceilDiv(ceilDiv(inodes(blocks), g.groups), inodesPerBlock) * inodesPerBlock
		g.inodesPerGroup = min(perGroup, maxInodesPerGroup)
		g.tableBlocks = g.inodesPerGroup / inodesPerBlock
		g.descBlocks = ceilDiv(g.groups*descSize, blockSize)
		g.reservedGDT = reservedGDT(blocks, g.descBlocks, descSize)
		need := g.superBlocks(g.groups-1) + 2 + g.tableBlocks + minLastGroup
		last := blocks - (g.groups-1)*blocksPerGroup
		if last >= need {
			g.placeGroups()
			return g
		}
		if short = max(short, need-last); g.groups == 1 {
			g.short, g.blocks = short, 0
			return g
		}
		blocks -= last
	}
}

// reservedGDT is the number of blocks reserved for descriptors, as by mke2fs, so that a volume
// can grow 1024-fold while mounted.
func reservedGDT(blocks, descBlocks, descSize int64) int64 {
	groups := ceilDiv(min(blocks*1024, maxBlocks), blocksPerGroup)
	return min(ceilDiv(groups*descSize, blockSize)-descBlocks, addressesPerBlock)
}

// superBlocks is the number of blocks at the start of a group for the superblock, the
// descriptors, and more descriptors in the future.
func (g *geometry) superBlocks(group int64) int64 {
	if !hasSuperblock(group) {
		return 0
	}
	return 1 + g.descBlocks + g.reservedGDT
}

// placeGroups packs the bitmaps and inode tables of 16 groups (flex_bg) at the start of the
// first of them, around the superblocks of groups.
func (g *geometry) placeGroups() {
	const perFlex = 1 << logGroupsPerFlex
	g.groupAt = make([]groupPlace, g.groups)
	for first := int64(0); first < g.groups; first += perFlex {
		flex := g.groupAt[first:min(first+perFlex, g.groups)]
		at := first * blocksPerGroup
		for i := range flex {
			flex[i].blockBitmap = g.take(&at, 1)
		}
		for i := range flex {
			flex[i].inodeBitmap = g.take(&at, 1)
		}
		for i := range flex {
			flex[i].inodeTable = g.take(&at, g.tableBlocks)
		}
		g.usedSupers(at, (first+int64(len(flex)))*blocksPerGroup)
	}
	g.free = g.blocks
	for _, s := range g.used {
		g.free -= s.end - s.start
	}
}

// take allocates n contiguous blocks at *at or, if a group's superblock is in the way, behind
// it, and moves *at to their end.
func (g *geometry) take(at *int64, n int64) int64 {
	for {
		group := (*at + n - 1) / blocksPerGroup // the last that these blocks touch
		start := group * blocksPerGroup
		end := start + g.superBlocks(group)
		if *at >= end || *at+n <= start || start == end {
			break
		}
		g.use(start, end)
		*at = end
	}
	start := *at
	*at += n
	g.use(start, *at)
	return start
}

// usedSupers marks the remaining superblocks between two blocks of a flex group as used.
func (g *geometry) usedSupers(from, to int64) {
	for group := ceilDiv(from, blocksPerGroup); group < to/blocksPerGroup; group++ {
		if n := g.superBlocks(group); n > 0 {
			g.use(group*blocksPerGroup, group*blocksPerGroup+n)
		}
	}
}

// use appends to the used spans.
func (g *geometry) use(start, end int64) {
	if n := len(g.used); n > 0 && g.used[n-1].end == start {
		g.used[n-1].end = end
		return
	}
	g.used = append(g.used, span{start, end})
}

// groupSpan is the blocks of a group.
func (g *geometry) groupSpan(group int64) span {
	return span{group * blocksPerGroup, min((group+1)*blocksPerGroup, g.blocks)}
}

// overhead is the number of blocks of metadata, as in s_overhead_clusters.
func (g *geometry) overhead() int64 { return g.blocks - g.free + g.journal }

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
