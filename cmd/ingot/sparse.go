package main

import (
	"fmt"
	"math"

	"github.com/spf13/pflag"

	"ingot/image"
	"ingot/partition"
)

// sizeLimit is the flag --max-size, of verbs that read or write holes as zeros: an image of
// 4 MB can have a file of 16 TiB, and a disk of more.
type sizeLimit struct {
	text  string
	bytes int64 // set by check; 0 if the flag is not given
}

func (l *sizeLimit) add(f *pflag.FlagSet, what string) {
	f.StringVar(&l.text, "max-size", "", what)
}

// A disk is larger than what it holds, so its zeros count for less than those of files.
const (
	sparseFactor = 8
	sparseFiles  = 16 << 30
	sparseDisk   = 16 << 40
)

// check reads the flag.
func (l *sizeLimit) check() (err error) {
	if l.text != "" {
		l.bytes, err = parseLimit("max-size", l.text, "100GiB")
	}
	return err
}

// parseLimit reads the size of a flag, which is above 0. The example is one of its sizes.
func parseLimit(flag, text, example string) (int64, error) {
	n, err := partition.ParseBytes(text)
	if err != nil || n <= 0 {
		return 0, usageError{fmt.Errorf("--%s %q: a size such as %s was expected", flag, text, example)}
	}
	return n, nil
}

// of returns how many bytes are made of what an image holds: those that the flag says, or
// 8 times those that are there, and at least so many.
func (l *sizeLimit) of(disk *image.Map, least int64) int64 {
	if l.bytes > 0 {
		return l.bytes
	}
	return max(least, min(disk.Allocated(1), math.MaxInt64/sparseFactor)*sparseFactor)
}

// holesError says that holes would be read or written as more zeros than --max-size allows.
type holesError struct {
	what              string // will have the bytes
	size, held, limit int64  // in bytes; size is 0 where it is only more than the limit
}

func (e *holesError) Error() string {
	size := "more than " + partition.FormatBytes(e.limit)
	if e.size > 0 {
		size = partition.FormatBytes(e.size)
	}
	holes := ""
	if e.size == 0 || e.size/2 > e.held {
		holes = "most of them zeros of holes: "
	}
	return fmt.Sprintf("%s would have %s, %sthe source holds %s, and %s is the limit", e.what, size, holes, partition.FormatBytes(e.held), partition.FormatBytes(e.limit))
}

// contentsOf returns how many bytes all files of a tree have, holes among them. A file of
// several names counts once.
func contentsOf(t *image.Tree) int64 {
	seen := map[*image.Node]bool{}
	total := int64(0)
	var add func(n *image.Node)
	add = func(n *image.Node) {
		for _, e := range n.Entries() {
			add(e.Node)
		}
		if n.IsDir() || seen[n] {
			return
		}
		seen[n] = true
		total += min(n.Size(), math.MaxInt64-total)
	}
	add(t.Root)
	return total
}
