package fat

import (
	"fmt"
	"sort"

	"ingot/image"
)

// A kind is the choice before a layout: a type of FAT, and the sizes of sectors and clusters.
type kind struct {
	bits int   // 12, 16, 32
	ss   int64 // sector size in bytes
	spc  int64 // sectors per cluster
}

// clusterSize is in bytes.
func (k kind) clusterSize() int64 { return k.ss * k.spc }

// The borders between the types, of "FAT Type Determination".
const (
	leastFAT16 = 4085
	leastFAT32 = 65525
	// mostFAT32 excludes the marks among the numbers of 28 bits.
	mostFAT32 = 0x0FFFFFF5
)

// bitsFor returns the type of a volume with so many clusters.
func bitsFor(clusters int64) int {
	switch {
	case clusters < leastFAT16:
		return 12
	case clusters < leastFAT32:
		return 16
	}
	return 32
}

// margin is the distance of volumes from a border between two types. The specification
// advises it, since the limits of many drivers are wrong by 1, 2, 8, 10 or 16.
const margin = 16

// clusterLimits are the limits for new volumes, by the bits of a table's entry.
var clusterLimits = map[int]struct{ least, most int64 }{
	12: {1, leastFAT16 - 1 - margin},
	16: {leastFAT16 + margin, leastFAT32 - 1 - margin},
	32: {leastFAT32 + margin, mostFAT32},
}

func (k kind) minClusters() int64 { return clusterLimits[k.bits].least }
func (k kind) maxClusters() int64 { return clusterLimits[k.bits].most }

// usual reports whether formatters make such volumes. With more than 2^21 clusters, tables are
// large and the search for free space is slow; so from 8, 16 and 32 GiB on, FAT32 has larger
// clusters.
func (k kind) usual(clusters int64) bool {
	switch {
	case k.bits == 12:
		return k.clusterSize() <= 4096
	case k.bits == 32:
		return clusters <= 1<<21 || k.clusterSize() == maxClusterSize
	}
	return true
}

// defaultRootEntries is the minimum size of the root directory of FAT12 and FAT16: that of a
// 1.44 MB floppy disk, and the specification's for FAT16.
func (k kind) defaultRootEntries() int64 {
	if k.bits == 12 {
		return 224
	}
	return 512
}

// rootEntries returns the size of the root directory in entries, in whole sectors. On FAT32 it
// is in clusters, so the result is 0.
func (k kind) rootEntries(need int64) int64 {
	if k.bits == 32 {
		return 0
	}
	return roundUp(max(need, k.defaultRootEntries()), k.ss/dirEntrySize)
}

// fatSectors is the size of one table with an entry for each cluster.
func (k kind) fatSectors(clusters int64) int64 {
	return divUp((clusters+firstCluster)*int64(k.bits), 8*k.ss)
}

// capacity is the number of clusters in a table of so many sectors.
func (k kind) capacity(fatSectors int64) int64 {
	return fatSectors*k.ss*8/int64(k.bits) - firstCluster
}

// dataStart is the first sector of the first cluster. Reserved sectors align it, so that
// clusters of 4 KiB can be cloned.
func (k kind) dataStart(fatSectors, rootEntries int64) int64 {
	reserved := int64(1)
	if k.bits == 32 {
		reserved = reserved32
	}
	align := int64(1)
	if k.clusterSize() >= 4096 {
		align = 4096 / k.ss
	}
	return roundUp(reserved+numFATs*fatSectors+rootEntries*dirEntrySize/k.ss, align)
}

// sectors is the size of the smallest volume with so many clusters.
func (k kind) sectors(clusters, rootEntries int64) int64 {
	return k.dataStart(k.fatSectors(clusters), k.rootEntries(rootEntries)) + clusters*k.spc
}

// A geometry is a kind with all numbers of the BPB.
type geometry struct {
	kind
	totalSectors int64
	fatSectors   int64
	rootEntries  int64
	clusters     int64
}

func (g geometry) reservedSectors() int64 {
	return g.dataStart() - numFATs*g.fatSectors - g.rootEntries*dirEntrySize/g.ss
}

func (g geometry) dataStart() int64 { return g.kind.dataStart(g.fatSectors, g.rootEntries) }

// clusterOffset returns where a cluster lies, in bytes.
func (g geometry) clusterOffset(cluster int64) int64 {
	return g.dataStart()*g.ss + (cluster-firstCluster)*g.clusterSize()
}

// whole returns the geometry that uses all of a volume's sectors. The tables depend on the
// number of clusters, which depends on the tables: whole searches the smallest tables that
// have an entry for every cluster. (The formula of the specification makes tables that are up
// to 8 sectors too large.) The result may be invalid.
func (k kind) whole(sectors, rootEntries int64) geometry {
	g := geometry{kind: k, totalSectors: sectors, rootEntries: k.rootEntries(rootEntries)}
	clusters := func(fatSectors int64) int64 {
		return max(sectors-k.dataStart(fatSectors, g.rootEntries), 0) / k.spc
	}
	most := int(k.fatSectors(sectors / k.spc))
	g.fatSectors = 1 + int64(sort.Search(most, func(i int) bool {
		return clusters(int64(i)+1) <= k.capacity(int64(i)+1)
	}))
	g.clusters = clusters(g.fatSectors)
	return g
}

// trimmed returns the geometry with the most clusters, which may not use some sectors at the
// end of the volume. Where a table grows by a sector, or the type would change, a volume can
// hold less than a slightly smaller one; without trimming, a tree might fit only into the
// smaller one.
func (k kind) trimmed(sectors, rootEntries int64) geometry {
	g := k.whole(sectors, rootEntries)
	if g.clusters > k.maxClusters() {
		return g.trim(k.fatSectors(k.maxClusters()), k.maxClusters())
	}
	if less := g.fatSectors - 1; less > 0 && k.capacity(less) > g.clusters {
		return g.trim(less, k.capacity(less))
	}
	return g
}

func (g geometry) trim(fatSectors, clusters int64) geometry {
	g.fatSectors, g.clusters = fatSectors, clusters
	g.totalSectors = g.dataStart() + clusters*g.spc
	return g
}

// valid reports whether the number of clusters is one of the type.
func (g geometry) valid() bool {
	return g.clusters >= g.minClusters() && g.clusters <= g.maxClusters()
}

// kinds returns the kinds that the options allow, in the order of the package comment.
func (f FileSystem) kinds() []kind {
	ss := f.sectorSize()
	var out []kind
	add := func(bits int, sizes ...int64) {
		for _, size := range sizes {
			k := kind{bits, ss, size / ss}
			if k.spc > 0 && (f.Bits == 0 || f.Bits == bits) && (f.SectorsPerCluster == 0 || int64(f.SectorsPerCluster) == k.spc) {
				out = append(out, k)
			}
		}
	}
	fat12 := func() { add(12, 512, 1<<10, 2<<10, 4<<10, 8<<10, 16<<10, 32<<10) }
	if f.Removable {
		fat12()
	}
	add(32, 4<<10, 8<<10, 16<<10, 32<<10)
	add(16, 4<<10, 8<<10, 16<<10, 32<<10, 2<<10, 1<<10, 512)
	if !f.Removable {
		fat12()
	}
	add(32, 2<<10, 1<<10, 512)
	return out
}

// A demand is what a tree needs of a geometry.
type demand struct {
	rootEntries int64
	// clusters returns the number of clusters for the tree and for the free space.
	clusters func(kind) int64
}

// holds reports whether k can hold the tree in a volume that is large enough.
func (d demand) holds(k kind) bool {
	return d.clusters(k) <= k.maxClusters() && k.rootEntries(d.rootEntries) < 1<<16
}

func (d demand) fits(g geometry) bool {
	return g.valid() && d.holds(g.kind) && g.clusters >= d.clusters(g.kind)
}

// choose returns the geometry for a volume of a given size. It prefers usual geometries that
// use the whole volume, then unusual ones, then trimmed ones.
func (f FileSystem) choose(sectors int64, d demand) (geometry, bool) {
	kinds := f.kinds()
	for _, usual := range []bool{true, false} {
		for _, k := range kinds {
			g := k.whole(sectors, d.rootEntries)
			if d.fits(g) && (!usual || k.usual(g.clusters)) {
				return g, true
			}
		}
	}
	for _, k := range kinds {
		if g := k.trimmed(sectors, d.rootEntries); d.fits(g) {
			return g, true
		}
	}
	return geometry{}, false
}

// least returns the number of sectors of the smallest volume of any layout.
func (f FileSystem) least(d demand) (int64, error) {
	least := int64(maxSectors + 1)
	for _, k := range f.kinds() {
		if d.holds(k) {
			least = min(least, k.sectors(max(d.clusters(k), k.minClusters()), d.rootEntries))
		}
	}
	if least > maxSectors {
		return 0, f.beyond(d)
	}
	return max(least, minBytes/f.sectorSize()), nil
}

// beyond returns the error for a tree that no volume can hold. It describes the kind that
// holds the most.
func (f FileSystem) beyond(d demand) error {
	best := f.kinds()[0]
	for _, k := range f.kinds()[1:] {
		if k.maxClusters()-d.clusters(k) > best.maxClusters()-d.clusters(best) {
			best = k
		}
	}
	if n := best.rootEntries(d.rootEntries); n >= 1<<16 {
		return fmt.Errorf("the root directory needs %d entries; that of a FAT%d has at most 65535, of a FAT32 65536", d.rootEntries, best.bits)
	}
	most := min(best.maxClusters(), maxSectors/best.spc)
	return fmt.Errorf("%d clusters of %d bytes are needed; a FAT%d has at most %d of that size", d.clusters(best), best.clusterSize(), best.bits, most)
}

// geometry returns the layout of a volume and its size in bytes.
func (f FileSystem) geometry(s image.Size, d demand) (geometry, int64, error) {
	least, err := f.least(d)
	if err != nil {
		return geometry{}, 0, err
	}
	size := s.Bytes
	if s.Fit {
		size = least * f.sectorSize()
	}
	g, ok := f.choose(size/f.sectorSize(), d)
	if !ok {
		return g, 0, &image.TooSmallError{What: "bytes", Need: least * f.sectorSize(), Have: size}
	}
	return g, size, nil
}

// floppies are the sectors per track and the heads of floppy disks, by their sectors.
var floppies = map[int64]struct{ perTrack, heads uint16 }{
	720: {9, 2}, 1440: {9, 2}, 2400: {15, 2}, 2880: {18, 2}, 5760: {36, 2},
}

// heads returns the sectors per track and the heads: the standard ones for a floppy disk of
// this size, else those that a BIOS computes for a disk that ends with the volume
// ("LBA-assisted translation").
func (f FileSystem) heads(sectors int64) (perTrack, heads uint16) {
	if floppy, ok := floppies[sectors]; ok && f.Removable && f.sectorSize() == 512 {
		return floppy.perTrack, floppy.heads
	}
	for heads = 16; heads < 128 && (sectors+int64(f.HiddenSectors))*f.sectorSize() > int64(heads)*1024*63*512; {
		heads *= 2
	}
	if (sectors+int64(f.HiddenSectors))*f.sectorSize() > 128*1024*63*512 {
		heads = 255
	}
	return 63, heads
}

func divUp(n, d int64) int64   { return (n + d - 1) / d }
func roundUp(n, d int64) int64 { return divUp(n, d) * d }
