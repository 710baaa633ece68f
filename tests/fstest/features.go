package fstest

import (
	"math"
	"strings"

	"ingot/image"
)

// Features says what a file system can hold. The zero value is the least: regular
// files and directories whose names are up to 255 bytes long, their times, and
// nothing else.
type Features struct {
	// Block is the step, in bytes, in which a volume of this kind grows. 0: 4096.
	Block int64

	// MaxName is the longest name in bytes. 0: 255.
	MaxName int
	// HoldsName says which names of up to MaxName bytes can be held; nil: all that
	// [image.CheckName] lets pass.
	HoldsName func(name string) bool
	// Fold maps names that a directory cannot hold beside each other to one; nil:
	// names are different if their bytes are.
	Fold func(name string) string

	// MaxSymlink is the longest target in bytes. 0: no symlinks.
	MaxSymlink int
	// MaxLinks is how many names a file may have. 0: one.
	MaxLinks int
	// Specials is for devices, FIFOs and sockets.
	Specials bool
	// HoldsDevice says which device numbers of 12 and 20 bits can be held; nil: all.
	HoldsDevice func(image.Dev) bool
	// Modes and Owners are for what chmod and chown set.
	Modes, Owners bool
	// MaxXattr is the longest value, in bytes, that a file can hold under the name
	// "user.a", if that is its only extended attribute. 0: no extended attributes.
	MaxXattr int
	// Holes is for sparse files: what takes no space in the Tree takes none in the image.
	Holes bool

	// MaxFile is the size of the largest file in bytes. 0: no limit within 2^40.
	MaxFile int64
	// MaxEntries is how many entries with names of up to 8 bytes a directory holds.
	// 0: no limit within 200,000.
	MaxEntries int

	// First and Last are the seconds between which times can be held; Last 0: 2446, the
	// end of ext4's.
	First, Last int64
	// Time is what becomes of a time, where it is cut to a coarser step or moved into
	// the range; nil: it is kept to the nanosecond, and refused outside of the range.
	Time func(image.Time) image.Time

	// PlainRoot says that the root directory has no mode, owner and time to keep.
	PlainRoot bool
	// Adds are the paths that the file system puts into every volume.
	Adds []string

	// Labels are accepted and BadLabels refused; both may be empty. The same for UUIDs.
	Labels, BadLabels []string
	UUIDs, BadUUIDs   []string
}

func (f *Features) block() int64 {
	if f.Block == 0 {
		return 4096
	}
	return f.Block
}

func (f *Features) maxName() int {
	if f.MaxName == 0 {
		return 255
	}
	return f.MaxName
}

func (f *Features) maxFile() int64 {
	if f.MaxFile == 0 {
		return 1 << 40
	}
	return f.MaxFile
}

func (f *Features) maxEntries() int {
	if f.MaxEntries == 0 {
		return math.MaxInt
	}
	return f.MaxEntries
}

// lastTime is the end of what 34 bits of seconds from -2^31 on can name.
const firstTime, lastTime = -1 << 31, 1<<34 - 1<<31 - 1

func (f *Features) times() (first, last int64) {
	if f.Last == 0 {
		return firstTime, lastTime
	}
	return f.First, f.Last
}

// kept is what the file system makes of a time.
func (f *Features) kept(t image.Time) image.Time {
	if f.Time == nil {
		return t
	}
	return f.Time(t)
}

// holds says whether a directory can have an entry of this name.
func (f *Features) holds(name string) bool {
	return image.CheckName(name) == nil && len(name) <= f.maxName() && (f.HoldsName == nil || f.HoldsName(name))
}

func (f *Features) fold(name string) string {
	if f.Fold == nil {
		return name
	}
	return f.Fold(name)
}

// adds says whether a path is, or lies under, what the file system puts there itself.
func (f *Features) adds(path string) bool {
	for _, a := range f.Adds {
		if path == a || strings.HasPrefix(path, a+"/") {
			return true
		}
	}
	return false
}
