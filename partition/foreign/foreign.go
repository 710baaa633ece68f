package foreign

import (
	"fmt"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/partition/volume"
)

// A FileSystem is one that another program makes.
type FileSystem struct {
	Program string // that makes it
	Module  string // of the kernel that mounts it
	// Smallest is the smallest useful size in bytes.
	Smallest int64
	// Subvolumes are those that a btrfs gets before its files.
	Subvolumes []Subvolume

	label     int // bytes of a label, at most
	labelFlag string
	uuid      func(id string) []string // arguments
	always    []string                 // other arguments

	// The overhead: bytes of an empty file system, bytes of each file beside its blocks, and a
	// percentage of the data.
	metadata, perNode, percentage int64
}

// SubvolumeProgram makes subvolumes.
const SubvolumeProgram = "btrfs"

// The kinds.
var (
	Btrfs = kind("btrfs", identifyBtrfs, FileSystem{
		Program: "mkfs.btrfs", Module: "btrfs", label: 255, labelFlag: "-L",
		uuid:   func(id string) []string { return []string{"-U", id} },
		always: []string{"-q", "-f", "-K"}, Smallest: 128 << 20, metadata: 160 << 20, perNode: 2 << 10, percentage: 12,
	})
	XFS = kind("xfs", identifyXFS, FileSystem{
		Program: "mkfs.xfs", Module: "xfs", label: 12, labelFlag: "-L",
		uuid:   func(id string) []string { return []string{"-m", "uuid=" + id} },
		always: []string{"-q", "-f", "-K"}, Smallest: 300 << 20, metadata: 128 << 20, perNode: 1 << 10, percentage: 8,
	})
	F2FS = kind("f2fs", identifyF2FS, FileSystem{
		Program: "mkfs.f2fs", Module: "f2fs", label: 512, labelFlag: "-l",
		uuid:   func(id string) []string { return []string{"-U", id} },
		always: []string{"-q", "-f"}, Smallest: 64 << 20, metadata: 160 << 20, perNode: 4 << 10, percentage: 12,
	})
)

func kind(name string, identify func(*volume.Probe) (volume.ID, bool), f FileSystem) *volume.Kind {
	k := &volume.Kind{
		Name: name, Class: volume.Files, Identify: identify, FileSystem: f, Foreign: true,
		Keeps: volume.AllAttributes, Least: f.Smallest, GRUBModule: f.Module,
	}
	if name == "btrfs" {
		k.Options = func() volume.Options { return new(BtrfsOptions) }
	}
	return k
}

var _ volume.FileSystem = FileSystem{}

// Check implements [volume.FileSystem].
func (f FileSystem) Check(v image.Volume) error {
	if strings.HasPrefix(v.Label, "-") {
		return fmt.Errorf("label %s: begins with a hyphen, as the options of %s do", printable.Quote(v.Label), f.Program)
	}
	return f.limits().Check(v)
}

func (f FileSystem) limits() volume.Limits {
	name := strings.TrimPrefix(f.Program, "mkfs.")
	return volume.Limits{Name: name, Seed: name, Label: f.label, Least: f.Smallest}
}

// UUID implements [volume.FileSystem].
func (f FileSystem) UUID(v image.Volume) string { return f.limits().UUID(v) }

// Layout implements [volume.FileSystem]. It returns zeros, which the tool will overwrite. A
// size that fits is an estimate.
func (f FileSystem) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	bytes, nodes := weigh(t)
	need := max(f.Smallest, bytes+bytes/100*f.percentage+nodes*f.perNode+f.metadata)
	switch {
	case v.Size.Fit:
		return image.Hole(roundUp(need+v.Size.Bytes, 1<<20)), nil
	case v.Size.Bytes < f.Smallest || bytes > v.Size.Bytes:
		return nil, &image.TooSmallError{What: "bytes", Need: need, Have: v.Size.Bytes}
	}
	return image.Hole(v.Size.Bytes), nil
}

// weigh returns the bytes of all files in whole blocks, and the number of nodes.
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

// Command returns the command that makes the file system on a device.
func (f FileSystem) Command(uuid, label, device string) []string {
	args := append([]string{f.Program}, f.always...)
	args = append(args, f.uuid(uuid)...)
	if label != "" {
		args = append(args, f.labelFlag, label)
	}
	return append(args, device)
}
