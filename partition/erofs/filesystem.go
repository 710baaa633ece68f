package erofs

import (
	"cmp"

	"ingot/image"
	"ingot/partition/volume"
)

// Kind is EROFS.
var Kind = &volume.Kind{
	Name: "erofs", Title: "EROFS", Class: volume.Files,
	Identify:   identify,
	Open:       func(b image.Blob) (volume.Reader, error) { return Open(b, b.Size()) },
	FileSystem: FileSystem{},
	Keeps:      volume.AllAttributes,
	ReadOnly:   true,
	NoGRUB:     true, // 2.12 and older ones
}

func identify(p *volume.Probe) (volume.ID, bool) {
	const uuid, volumeName = superOffset + 48, superOffset + 64
	if !Detect(p) {
		return volume.ID{}, false
	}
	return volume.ID{UUID: p.UUID(uuid), Label: p.Text(volumeName, maxLabel+1)}, true
}

// FileSystem makes EROFS. If a volume is smaller than its size, zeros follow.
type FileSystem struct{}

var limits = volume.Limits{Name: "EROFS", Seed: "erofs", Label: maxLabel, Least: blockSize, Most: maxBlocks * blockSize}

// Check implements [volume.FileSystem].
func (FileSystem) Check(v image.Volume) error {
	return cmp.Or(limits.Check(v), image.CheckLabel(v.Label))
}

// UUID implements [volume.FileSystem].
func (FileSystem) UUID(v image.Volume) string { return limits.UUID(v) }

var _ volume.FileSystem = FileSystem{}
