package files

import (
	"cmp"
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
)

// Limits bound what [Unpack] takes. The zero value of each is its default.
type Limits struct {
	// Bytes are those of contents, extended attributes and targets of links. Holes of files
	// that were left in memory are not counted. Default: [DefaultBytes].
	Bytes int64
	// Files counts all that has a name, folders and links too. Default: [DefaultFiles].
	Files int64
}

const (
	DefaultBytes int64 = 16 << 30
	DefaultFiles int64 = 2_000_000
)

// NoLimits is for a trusted sender.
var NoLimits = Limits{math.MaxInt64, math.MaxInt64}

func (l Limits) orDefault() Limits {
	return Limits{cmp.Or(l.Bytes, DefaultBytes), cmp.Or(l.Files, DefaultFiles)}
}

// Limits that no flag moves, for nothing that people make comes near them.
const (
	// maxName and maxTarget are what Linux takes as a path, PATH_MAX without its zero.
	maxName   = 4095
	maxTarget = 4095
	// maxDepth bounds the descriptors of folders: one for each on the way to a file.
	maxDepth = 512
	// maxPending bounds the attributes of the folders on the way to a file, which are set
	// when all in them is there: a default access list would change what is made. Each
	// attribute costs its bytes and attributeCost.
	maxPending    = 32 << 20
	attributeCost = 128
	// maxTrailing is what may follow a stream's end: tar pads to 10 KiB.
	maxTrailing = 64 << 10
)

// A LimitError says that a stream holds more than the receiver takes: one of Bytes and
// Files is the limit, and the other 0.
type LimitError struct {
	Name         string // of what did not fit any more
	Bytes, Files int64
}

func (e *LimitError) Error() string {
	if e.Files > 0 {
		return fmt.Sprintf("%.200q: there are more than %d files and folders, which is the limit", e.Name, e.Files)
	}
	return fmt.Sprintf("%.200q: with it, there are more than %s (%d bytes), which is the limit", e.Name, humanize.IBytes(uint64(e.Bytes)), e.Bytes)
}

// budget is what is left of the limits.
type budget struct {
	limits       Limits
	bytes, files int64 // that were taken
	memory       int64 // bytes that were read from the sender's memory
}

// count takes one more file.
func (b *budget) count(name string) error {
	if b.files >= b.limits.Files {
		return &LimitError{Name: name, Files: b.limits.Files}
	}
	b.files++
	return nil
}

// spend takes bytes.
func (b *budget) spend(name string, n int64) error {
	if n < 0 || n > b.limits.Bytes-b.bytes {
		return &LimitError{Name: name, Bytes: b.limits.Bytes}
	}
	b.bytes += n
	return nil
}

// spendMemory takes bytes of the sender's memory, each of which is sent once: files with the
// same pages are hard links, and come once.
func (b *budget) spendMemory(name string, n, size int64) error {
	if n > size-b.memory {
		return fmt.Errorf("tar stream: %.200q: more than %d bytes are to be read from a memory of that size: some of it comes twice", name, size)
	}
	b.memory += n
	return b.spend(name, n)
}
