package plan

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"

	"ingot/image"
)

// SummaryContents is what the file system of a partition holds, the boot loader's
// files included.
type SummaryContents struct {
	Files       int           `json:"files"` // a file with several names is one
	Directories int           `json:"directories"`
	Symlinks    int           `json:"symlinks"`
	Others      int           `json:"others"` // devices, FIFOs and sockets
	Bytes       int64         `json:"bytes"`  // of the files
	Largest     []SummaryFile `json:"largest,omitempty"`
}

// SummaryFile is a file outside of the store and its size.
type SummaryFile struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
}

// cut cuts the list of files. A raw partition has nothing to be cut.
func (c *SummaryContents) cut(largest int) *SummaryContents {
	if c == nil {
		return nil
	}
	s := *c
	s.Largest = s.Largest[:min(largest, len(s.Largest))]
	return &s
}

// contents counts what the trees hold, while they are there.
func (p *planner) contents() []*SummaryContents {
	out := make([]*SummaryContents, len(p.trees))
	for i, t := range p.trees {
		if t != nil {
			out[i] = count(t, p.storeFolder(i))
		}
	}
	return out
}

// mostFiles is how many files a plan remembers by name, and worthNaming the size from
// which it does: a home directory has a great many small ones.
const (
	mostFiles   = 1000
	worthNaming = 64 << 10
)

func count(t *image.Tree, store string) *SummaryContents {
	c := &SummaryContents{}
	seen := map[*image.Node]bool{} // files of the store that are deduplicated, say
	t.Walk(func(path string, n *image.Node) error {
		switch n.Mode.Type() {
		case fs.ModeDir:
			c.Directories++
		case fs.ModeSymlink:
			c.Symlinks++
		case 0:
			if seen[n] {
				break
			}
			seen[n] = true
			c.Files++
			c.Bytes += n.Size()
			if n.Size() >= worthNaming && !strings.HasPrefix(path, store) {
				c.Largest = append(c.Largest, SummaryFile{path, n.Size()})
			}
		default:
			c.Others++
		}
		return nil
	})
	slices.SortStableFunc(c.Largest, func(a, b SummaryFile) int { return cmp.Compare(b.Size, a.Size) })
	c.Largest = slices.Clip(c.Largest[:min(mostFiles, len(c.Largest))])
	return c
}
