package recipes

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"ingot/image"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/partition"
	"ingot/partition/ext4"
)

// A tool is a program of the host's that makes file systems for which there is no writer.
type tool struct {
	program    string
	module     string // of the kernel that mounts it
	grub       string // GRUB's module that reads it
	label      int    // how many bytes a label has at most
	labelFlag  string
	uuid       func(id string) []string // arguments
	always     []string
	smallest   int64 // that it makes, or that is of use
	metadata   int64 // what it takes for itself, whatever it holds
	perNode    int64 // what a file takes beside its blocks
	percentage int64 // what is taken beside the data, of the data
}

// foreign are these file systems. What the sizes add up to is meant to be generous: an
// estimate that is too small fails when nearly all is done.
var foreign = map[string]tool{
	"btrfs": {
		program: "mkfs.btrfs", module: "btrfs", grub: "btrfs", label: 255, labelFlag: "-L",
		uuid:   func(id string) []string { return []string{"-U", id} },
		always: []string{"-q", "-f", "-K"}, smallest: 128 << 20, metadata: 160 << 20, perNode: 2 << 10, percentage: 12,
	},
	"xfs": {
		program: "mkfs.xfs", module: "xfs", grub: "xfs", label: 12, labelFlag: "-L",
		uuid:   func(id string) []string { return []string{"-m", "uuid=" + id} },
		always: []string{"-q", "-f", "-K"}, smallest: 300 << 20, metadata: 128 << 20, perNode: 1 << 10, percentage: 8,
	},
	"f2fs": {
		program: "mkfs.f2fs", module: "f2fs", grub: "f2fs", label: 512, labelFlag: "-l",
		uuid:   func(id string) []string { return []string{"-U", id} },
		always: []string{"-q", "-f"}, smallest: 64 << 20, metadata: 160 << 20, perNode: 4 << 10, percentage: 12,
	},
}

// luksHeader is what cryptsetup puts before the data of a LUKS 2 container:
// https://gitlab.com/cryptsetup/LUKS2-docs, section 2, with the default sizes.
const luksHeader = 16 << 20

// madeBy names what the partition takes a virtual machine for; nothing if it does not.
func (p *Partition) madeBy() []string {
	var names []string
	if _, ok := foreign[p.Filesystem]; ok {
		names = append(names, p.Filesystem)
	}
	if p.Encrypt != "" {
		names = append(names, p.Encrypt)
	}
	return names
}

// foreignFileSystem stands for a file system that a tool will make: what can be known of
// it before.
type foreignFileSystem struct{ tool }

// Check implements [partition.FileSystem].
func (f foreignFileSystem) Check(v image.Volume) error {
	name := strings.TrimPrefix(f.program, "mkfs.")
	switch _, err := uuid.Parse(v.UUID); {
	case v.UUID != "" && (err != nil || len(v.UUID) != 36):
		return fmt.Errorf("UUID %s: %s has one of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx (hexadecimal)", printable.Quote(v.UUID), name)
	case len(v.Label) > f.label:
		return fmt.Errorf("label %s: %d bytes long; %s holds at most %d", printable.Quote(v.Label), len(v.Label), name, f.label)
	case !utf8.ValidString(v.Label) || strings.ContainsFunc(v.Label, unicode.IsControl) || strings.HasPrefix(v.Label, "-"):
		return fmt.Errorf("label %s: is not UTF-8 text without control characters, or begins with a hyphen", printable.Quote(v.Label))
	case !v.Size.Fit && v.Size.Bytes < f.smallest:
		return fmt.Errorf("%s of %s: %w", name, grammar.Count(v.Size.Bytes, "byte"), &image.TooSmallError{What: "bytes", Need: f.smallest, Have: v.Size.Bytes})
	}
	return nil
}

// UUID implements [partition.FileSystem].
func (f foreignFileSystem) UUID(v image.Volume) string {
	if v.UUID != "" {
		return strings.ToLower(v.UUID)
	}
	return v.Seed.UUID(strings.TrimPrefix(f.program, "mkfs.")).String()
}

// Layout implements [partition.FileSystem]: the bytes are zeros until the tool has made
// others of them. A size that fits is an estimate.
func (f foreignFileSystem) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	var b image.Builder
	bytes, nodes := weigh(t)
	need := max(f.smallest, bytes+bytes/100*f.percentage+nodes*f.perNode+f.metadata)
	switch {
	case v.Size.Fit:
		return b.Map(roundUp(need+v.Size.Bytes, 1<<20))
	case v.Size.Bytes < f.smallest || bytes > v.Size.Bytes:
		return nil, &image.TooSmallError{What: "bytes", Need: need, Have: v.Size.Bytes}
	}
	return b.Map(v.Size.Bytes)
}

// weigh returns the blocks of files, in bytes, and how many nodes there are.
func weigh(t *image.Tree) (bytes, nodes int64) {
	const block = 4096
	seen := map[*image.Node]bool{}
	t.Walk(func(_ string, n *image.Node) error {
		if !seen[n] {
			seen[n] = true
			nodes++
			if n.Mode.IsRegular() {
				bytes += roundUp(n.Size(), block)
			}
		}
		return nil
	})
	return bytes, nodes
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

var _ partition.FileSystem = foreignFileSystem{}

// arguments are those of the tool.
func (f tool) arguments(uuid, label, device string) []string {
	args := append([]string{f.program}, f.always...)
	args = append(args, f.uuid(uuid)...)
	if label != "" {
		args = append(args, f.labelFlag, label)
	}
	return append(args, device)
}

// A chore is a partition that is made in the virtual machine.
type chore struct {
	at       int // of the recipe's partitions
	name     string
	number   int    // of the disk's
	uuid     string // of the file system
	label    string
	tool     *tool      // nil where the bytes are known
	source   *image.Map // an ext4 with the files, or else the bytes
	spare    bool       // the files have a lost+found of their own, beside ext4's
	luks     string     // the UUID of the container; empty without
	password *Secret
}

// luksUUID returns the identifier of a partition's container.
func (p *planner) luksUUID(i int) string {
	return p.seed.Sub("partition " + p.Disk.Partitions[i].Name).UUID("luks").String()
}

// placeForeign lays out a partition that is made in the virtual machine: a hole of its
// size, and what it will be filled from.
func (p *planner) placeForeign(i int, tree *image.Tree, v image.Volume) (*image.Map, error) {
	part := &p.Disk.Partitions[i]
	c := chore{at: i, name: part.Name, uuid: p.uuid(i), label: part.Label}
	inner, extra := v, int64(0)
	if part.Encrypt != "" {
		c.luks, c.password, extra = p.luksUUID(i), part.Passphrase, luksHeader
		if !v.Size.Fit {
			inner.Size.Bytes -= extra
		}
	}
	fs := part.fileSystem()
	content, err := fs.Layout(tree, inner)
	if err != nil {
		return nil, err
	}
	if t, ok := foreign[part.Filesystem]; ok {
		c.tool = &t
		files := image.Volume{Size: image.Fit(0), Seed: v.Seed.Sub("files")}
		if c.source, err = (ext4.FileSystem{NoJournal: true}).Layout(tree, files); err != nil {
			return nil, err
		}
		c.spare = tree.Lookup("/lost+found") != nil
	} else {
		c.source = content
	}
	p.chores = append(p.chores, c)
	var hole image.Builder
	return hole.Map(content.Size() + extra)
}

// grubModules are what GRUB needs to read a partition, beside what it always has.
func (p *planner) grubModules(at int) []string {
	if t, ok := foreign[p.Disk.Partitions[at].Filesystem]; ok {
		return []string{t.grub}
	}
	return nil
}
