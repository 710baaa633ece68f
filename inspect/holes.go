package inspect

import (
	"fmt"
	"math"

	"ingot/image"
	"ingot/partition"
)

// Holes are zeros that take no space: an image of 4 MB can have a file of 16 TiB, and a disk of
// more. So what is made of an image is limited to 8 times the bytes that it holds, or to a
// number of bytes if that is more. A disk is larger than what it holds, so its zeros count for
// less than those of files.
const (
	holesFactor       = 8
	LeastFiles  int64 = 16 << 30
	LeastDisk   int64 = 16 << 40
)

// LimitOf returns how many bytes may be made of what a disk holds, least or more.
func LimitOf(disk *image.Map, least int64) int64 {
	return max(least, min(disk.Allocated(1), math.MaxInt64/holesFactor)*holesFactor)
}

// A HolesError says that holes would be read or written as more zeros than a limit allows.
type HolesError struct {
	What              string // will have the bytes
	Size, Held, Limit int64  // in bytes; Size is 0 if it is only known to be more than the limit
}

func (e *HolesError) Error() string {
	size := "more than " + partition.FormatBytes(e.Limit)
	if e.Size > 0 {
		size = partition.FormatBytes(e.Size)
	}
	holes := ""
	if e.Size == 0 || e.Size/2 > e.Held {
		holes = "most of them zeros of holes: "
	}
	return fmt.Sprintf("%s would have %s, %sthe source holds %s, and %s is the limit", e.What, size, holes, partition.FormatBytes(e.Held), partition.FormatBytes(e.Limit))
}

// ContentsOf returns how many bytes all files of a tree have, holes among them. A file of
// several names counts once.
func ContentsOf(t *image.Tree) (total int64) {
	seen := map[*image.Node]bool{}
	_ = t.Walk(func(_ string, n *image.Node) error {
		if !n.IsDir() && !seen[n] {
			seen[n] = true
			total += min(n.Size(), math.MaxInt64-total)
		}
		return nil
	})
	return total
}
