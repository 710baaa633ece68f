package erofs

import (
	"fmt"

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

// FileSystem is EROFS as what a partition holds: zeros follow a volume that is smaller.
type FileSystem struct{}

func options(v image.Volume) Options { return Options{Label: v.Label, UUID: v.UUID, Seed: v.Seed} }

const maxVolume = maxBlocks * blockSize

// Check implements [volume.FileSystem].
func (FileSystem) Check(v image.Volume) error {
	if err := options(v).Check(); err != nil {
		return err
	}
	switch n := v.Size.Bytes; {
	case n < 0:
		return fmt.Errorf("size is %d bytes; it must not be negative", n)
	case n > maxVolume:
		return fmt.Errorf("size is %d bytes; EROFS allows %d", n, int64(maxVolume))
	case !v.Size.Fit && n < blockSize:
		return fmt.Errorf("an EROFS of %d bytes: %w", n, &image.TooSmallError{What: "bytes", Need: blockSize, Have: n})
	}
	return nil
}

// UUID implements [volume.FileSystem].
func (FileSystem) UUID(v image.Volume) string {
	id, err := options(v).volumeUUID()
	if err != nil {
		return ""
	}
	return id.String()
}

// Layout implements [volume.FileSystem].
func (f FileSystem) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	if err := f.Check(v); err != nil {
		return nil, err
	}
	m, err := Layout(t, options(v))
	if err != nil {
		return nil, err
	}
	size := v.Size.Bytes
	switch {
	case v.Size.Fit && size == 0:
		return m, nil
	case v.Size.Fit: // what a file takes that has so many bytes: its blocks, and one for its inode
		size = m.Size() + alignUp(size, blockSize) + blockSize
	case m.Size() > size:
		return nil, &image.TooSmallError{What: "bytes", Need: m.Size(), Have: size}
	}
	var b image.Builder
	b.Add(0, m, nil)
	return b.Map(size)
}

var _ volume.FileSystem = FileSystem{}
