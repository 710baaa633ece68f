package storedisk

import (
	"fmt"

	"ingot/guest/wire"
	"ingot/image"
	"ingot/partition/ext4"
)

// rootLabel is that of the root in the models' machines.
const rootLabel = "nixos"

// RootSize is the default size of a root: 1 GiB, as in the models.
const RootSize = 1 << 30

// Root lays out the root of a system whose store is elsewhere: an empty ext4 file system, which
// the system fills. Until then it takes no room, however large it is.
func Root(size int64) (*image.Map, error) {
	v := image.Volume{Label: rootLabel, Size: image.Exactly(size), Seed: image.NewSeed([]byte("root of a store"))}
	m, err := ext4.FileSystem{}.Layout(image.NewTree(), v)
	if err != nil {
		return nil, fmt.Errorf("root of %d bytes: %w", size, err)
	}
	return m, nil
}

// RootWords are those by which the guest finds that root, and shows it the store.
func RootWords() []string {
	return []string{wire.RootWord.With("LABEL=" + rootLabel), string(wire.WritableWord)}
}
