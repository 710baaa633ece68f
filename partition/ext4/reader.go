package ext4

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"ingot/image"
	"ingot/internal/grammar"
)

// A Reader reads an ext4, ext3 or ext2 file system without mounting it, also those of mke2fs,
// debugfs and the kernel: all block sizes, extents and indirect maps, linear and hash-tree
// directories, inline data. It verifies the checksums of the superblock, group descriptors,
// inodes, directories, extents and attributes. It does not read bitmaps and the journal.
//
// A Reader can read hostile volumes: damage is an error that names the block or the inode, and
// time and memory are proportional to the file system's metadata. An unreadable file,
// directory or attribute does not affect the rest, see [Reader.Tree]. Several goroutines may
// use a Reader at once.
type Reader struct {
	src       image.Blob
	sb        superblock
	blockSize int64
	blocks    int64
	inodeSize int64
	groups    []readGroup
	seed      uint32  // of metadata checksums
	checksums bool    // metadata_csum
	doubts    []error // in group descriptors that the reader uses nevertheless

	// unchecked turns off the verification of checksums, so that fuzz targets reach the code
	// behind it.
	unchecked bool
}

// readGroup is what a reader needs of a group descriptor.
type readGroup struct {
	inodeTable int64 // block
	inodes     int64 // the initialized ones of the table
	err        error // why none of its inodes can be read
}

// Open reads the superblock and the group descriptors of the file system in the first size
// bytes of r. It refuses a file system with an unknown feature, or with a journal that must be
// replayed first; but not one with a feature that only some inodes use, such as encryption. The
// contents of files are read through r; if r is an [image.Blob], they are parts of it.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	rd := &Reader{src: image.BlobOf(r, size)}
	if err := rd.readSuperblock(); err != nil {
		return nil, err
	}
	if err := rd.readGroups(); err != nil {
		return nil, err
	}
	if err := rd.checkJournal(); err != nil {
		return nil, err
	}
	return rd, nil
}

// featureNames names the bits of a word from the lowest on.
func featureNames(bits uint32, names map[uint32]string) []string {
	var out []string
	for i := range 32 {
		bit := uint32(1) << i
		if bits&bit == 0 {
			continue
		}
		name := names[bit]
		if name == "" {
			name = fmt.Sprintf("%#x", bit)
		}
		out = append(out, name)
	}
	return out
}

func wide(lo, hi uint32) int64 { return int64(uint64(hi)<<32 | uint64(lo)) }

// read fills p with the bytes of the volume at off.
func (r *Reader) read(p []byte, off int64) error {
	err := image.ReadFull(r.src, p, off)
	if err == nil {
		return nil
	}
	if err != io.ErrUnexpectedEOF {
		err = &image.ReadError{Err: err}
	}
	return fmt.Errorf("%d bytes at %d: %w", len(p), off, err)
}

func (r *Reader) readSuperblock() error {
	if have := r.src.Size(); have < superblockOffset+superblockSize {
		return fmt.Errorf("not an ext4 file system: %s are too few for a superblock", grammar.Count(have, "byte"))
	}
	p := make([]byte, superblockSize)
	if err := r.read(p, superblockOffset); err != nil {
		return fmt.Errorf("superblock: %w", err)
	}
	if _, err := binary.Decode(p, binary.LittleEndian, &r.sb); err != nil {
		return fmt.Errorf("superblock: %w", err)
	}
	sb := &r.sb
	if sb.Magic != superblockMagic {
		return fmt.Errorf("not an ext4 file system: the superblock's magic number is %#04x, not %#04x", sb.Magic, superblockMagic)
	}
	if sb.RevLevel == 0 {
		sb.InodeSize, sb.FirstIno = oldInodeSize, firstInode
		sb.FeatureCompat, sb.FeatureIncompat, sb.FeatureRoCompat = 0, 0, 0
	}
	if err := r.checkFeatures(p); err != nil {
		return err
	}
	return r.checkShape()
}

// checkFeatures refuses unreadable features and sets up checksums.
func (r *Reader) checkFeatures(p []byte) error {
	sb := &r.sb
	switch bad := sb.FeatureIncompat &^ (readable | incompatRecover); {
	case bad&incompatJournalDev != 0:
		return fmt.Errorf("is the external journal of an ext4 file system, not a file system")
	case bad != 0:
		return fmt.Errorf("has features that cannot be read: %s", strings.Join(featureNames(bad, incompatNames), ", "))
	}
	r.checksums = sb.FeatureRoCompat&roCompatMetadataCsum != 0
	if !r.checksums {
		return nil
	}
	if sb.ChecksumType != checksumCRC32C {
		return fmt.Errorf("superblock: checksum type %d is unknown; crc32c is %d", sb.ChecksumType, checksumCRC32C)
	}
	if got := crc32c(^uint32(0), p[:superblockSize-4]); got != sb.Checksum && !r.unchecked {
		return fmt.Errorf("superblock: checksum is %#08x, but it says %#08x", got, sb.Checksum)
	}
	r.seed = crc32c(^uint32(0), sb.UUID[:])
	if sb.FeatureIncompat&incompatCsumSeed != 0 {
		r.seed = sb.ChecksumSeed
	}
	return nil
}

// checkShape takes the sizes from the superblock and refuses impossible ones.
func (r *Reader) checkShape() error {
	sb := &r.sb
	if sb.LogBlockSize > maxLogBlockSize {
		return fmt.Errorf("superblock: a block of 2^%d KiB; the largest is 2^%d", sb.LogBlockSize, maxLogBlockSize)
	}
	r.blockSize, r.inodeSize = minBlockSize<<sb.LogBlockSize, int64(sb.InodeSize)
	r.blocks = int64(sb.BlocksCountLo)
	if sb.FeatureIncompat&incompat64Bit != 0 {
		r.blocks = wide(sb.BlocksCountLo, sb.BlocksCountHi)
	} else {
		sb.DescSize, sb.RBlocksCountHi, sb.FreeBlocksCountHi = oldDescSize, 0, 0
	}
	if have := r.src.Size() / r.blockSize; r.blocks < 0 || r.blocks > have {
		return fmt.Errorf("is cut off: the file system has %d blocks of %d bytes, but the image only %d", uint64(r.blocks), r.blockSize, have)
	}
	switch {
	case int64(sb.FirstDataBlock) >= r.blocks:
		return fmt.Errorf("superblock: the first data block is %d of %d", sb.FirstDataBlock, r.blocks)
	case sb.BlocksPerGroup < minBlocksPerGroup:
		return fmt.Errorf("superblock: groups of %d blocks; the smallest have %d", sb.BlocksPerGroup, minBlocksPerGroup)
	case r.inodeSize < oldInodeSize || r.inodeSize > r.blockSize || r.inodeSize&(r.inodeSize-1) != 0:
		return fmt.Errorf("superblock: inodes of %d bytes in blocks of %d", r.inodeSize, r.blockSize)
	case sb.InodesPerGroup == 0 || int64(sb.InodesPerGroup) > 8*r.blockSize:
		return fmt.Errorf("superblock: %d inodes in a group; a block of %d bytes maps 1 to %d", sb.InodesPerGroup, r.blockSize, 8*r.blockSize)
	case sb.DescSize < oldDescSize || sb.DescSize > maxDescSize || sb.DescSize&(sb.DescSize-1) != 0:
		return fmt.Errorf("superblock: group descriptors of %d bytes", sb.DescSize)
	case sb.FeatureIncompat&incompat64Bit != 0 && sb.DescSize < groupDescriptorSize:
		return fmt.Errorf("superblock: group descriptors of %d bytes; the feature 64bit needs %d", sb.DescSize, groupDescriptorSize)
	}
	return nil
}

// maxDoubts is the limit for Reader.doubts.
const maxDoubts = 100

// readGroups reads and checks all group descriptors.
func (r *Reader) readGroups() error {
	sb := &r.sb
	n := ceilDiv(r.blocks-int64(sb.FirstDataBlock), int64(sb.BlocksPerGroup))
	if ceilDiv(int64(sb.InodesCount), int64(sb.InodesPerGroup)) > n {
		return fmt.Errorf("superblock: %d inodes, but %d groups of %d", sb.InodesCount, n, sb.InodesPerGroup)
	}
	size := int64(sb.DescSize)
	perBlock := r.blockSize / size
	p := make([]byte, r.blockSize)
	for first := int64(0); first < n; first += perBlock {
		block := r.descriptorBlock(first / perBlock)
		if err := r.readBlock(p, block); err != nil {
			return fmt.Errorf("group descriptors: %w", err)
		}
		for g := first; g < min(first+perBlock, n); g++ {
			group, err := r.group(g, p[(g-first)*size:][:size])
			if err != nil {
				err = fmt.Errorf("group %d: %w", g, err)
			}
			if group.inodes == 0 {
				group.err = err
			} else if err != nil && len(r.doubts) < maxDoubts {
				r.doubts = append(r.doubts, err)
			}
			r.groups = append(r.groups, group)
		}
	}
	return nil
}

// descriptorBlock is the position of the i-th block of group descriptors: behind the superblock
// and the blocks before it or, with meta_bg, in the first of the groups that it describes.
func (r *Reader) descriptorBlock(i int64) int64 {
	first := int64(r.sb.FirstDataBlock)
	if first == 0 && r.blockSize == minBlockSize {
		first = 1 // with bigalloc; the superblock still lies 1024 bytes from the start
	}
	if r.sb.FeatureIncompat&incompatMetaBG == 0 || i < int64(r.sb.FirstMetaBg) {
		return first + 1 + i
	}
	group := i * (r.blockSize / int64(r.sb.DescSize))
	block := first + group*int64(r.sb.BlocksPerGroup)
	if r.hasSuper(group) {
		block++
	}
	return block
}

func (r *Reader) hasSuper(group int64) bool {
	switch {
	case r.sb.FeatureCompat&compatSparseSuper2 != 0:
		return group == 0 || slices.Contains(r.sb.BackupBgs[:], uint32(group))
	case r.sb.FeatureRoCompat&roCompatSparseSuper != 0:
		return hasSuperblock(group)
	}
	return true
}

// group reads the descriptor of a group. As Linux does for read-only mounts, it uses one with a
// wrong checksum nevertheless, since inodes have checksums of their own; but then it does not
// know which inodes are initialized.
func (r *Reader) group(g int64, p []byte) (readGroup, error) {
	full := make([]byte, groupDescriptorSize)
	copy(full, p)
	var d groupDescriptor
	if _, err := binary.Decode(full, binary.LittleEndian, &d); err != nil {
		return readGroup{}, err
	}
	var doubt error
	csum, flags := d.Checksum, d.Flags
	switch {
	case r.checksums:
		csum = groupChecksum(r.seed, g, p)
	case r.sb.FeatureRoCompat&roCompatGdtCsum != 0:
		csum = gdtChecksum(r.sb.UUID, uint32(g), p)
	default:
		flags = 0 // without checksums, everything is initialized
	}
	if csum != d.Checksum && !r.unchecked {
		doubt, flags = fmt.Errorf("the descriptor's checksum is %#04x, but it says %#04x", csum, d.Checksum), 0
	}
	perGroup := int64(r.sb.InodesPerGroup)
	table := ceilDiv(perGroup*r.inodeSize, r.blockSize)
	group := readGroup{inodeTable: wide(d.InodeTableLo, d.InodeTableHi), inodes: perGroup}
	if err := r.within(group.inodeTable, table); err != nil {
		return readGroup{}, fmt.Errorf("inode table: %w", err)
	}
	unused := int64(d.ItableUnusedHi)<<16 | int64(d.ItableUnusedLo)
	switch {
	case flags&groupInodeUninit != 0:
		group.inodes = 0
	case flags != 0 && unused > perGroup:
		return readGroup{}, fmt.Errorf("%d inodes are unused, of %d", unused, perGroup)
	case flags != 0:
		group.inodes -= unused
	}
	return group, doubt
}

// within refuses blocks outside of the file system.
func (r *Reader) within(block, n int64) error {
	if block < int64(r.sb.FirstDataBlock) || block == 0 || n < 0 || block > r.blocks-n {
		return fmt.Errorf("blocks [%d, %d) are not within the %d of the file system", block, uint64(block)+uint64(n), r.blocks)
	}
	return nil
}

func (r *Reader) readBlock(p []byte, block int64) error {
	if err := r.within(block, 1); err != nil {
		return err
	}
	return r.read(p, block*r.blockSize)
}

// Tree reads all directories and inodes and returns the files, including the directory
// lost+found. It does not read contents, which are parts of the Reader's source, with the
// holes of the files.
//
// Damaged and unreadable files, such as encrypted ones, are among the Flaws of the Tree: it
// lacks unreadable inodes, unreadable contents are [image.Unreadable], and a directory has
// the entries of its readable blocks. There is no Tree, but an error, if the root is
// unreadable, if directories are more than [image.MaxDepth] deep, or if reading the source
// fails.
func (r *Reader) Tree() (*image.Tree, error) {
	w := newWalk(r)
	if err := w.run(); err != nil {
		return nil, err
	}
	return w.tree, nil
}
