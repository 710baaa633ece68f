package digests

import (
	"io"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/image/tar"
	"ingot/partition/erofs"
	"ingot/partition/ext4"
	"ingot/partition/fat"
	"ingot/storedb"
	"ingot/tests/fstest"
)

// seeds is how many random trees each file system holds.
const seeds = 30

// unix is what the file systems of Unix can hold, ISO 9660's among them.
var unix = fstest.Features{
	MaxName: 200, MaxSymlink: 1000, MaxLinks: 1000, Specials: true, Modes: true, Owners: true, MaxXattr: 2000, Holes: true,
	HoldsDevice: func(d image.Dev) bool { return d.Major > 0 },
	First:       -1 << 31, Last: 1 << 32,
}

// dos is what FAT can hold.
var dos = fstest.Features{
	HoldsName: func(name string) bool {
		return !strings.ContainsAny(name, "\"*/:<>?\\|\n") && strings.Trim(name, " .") == name
	},
	Fold:  strings.ToUpper,
	First: 315532800, Last: 4354819199,
}

// plain is what a NAR can hold.
var plain = fstest.Features{MaxSymlink: 4095}

// layout is a file system that is a Map.
type layout func(*image.Tree, image.Seed) (*image.Map, error)

func (l layout) write(w io.Writer, t *image.Tree, seed image.Seed) error {
	m, err := l(t, seed)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, io.NewSectionReader(m, 0, m.Size()))
	return err
}

// inVolume is a file system of a partition, with as much free space.
func inVolume(fs fstest.FileSystem, label string, free int64) layout {
	return func(t *image.Tree, seed image.Seed) (*image.Map, error) {
		return fs.Layout(t, image.Volume{Label: label, Seed: seed, Size: image.Fit(free)})
	}
}

// socket leaves a file out of an archive, which holds all else of the trees.
func socket(string, error) {}

func TestRandomTrees(t *testing.T) {
	for _, c := range []struct {
		name     string
		features fstest.Features
		write    func(io.Writer, *image.Tree, image.Seed) error
	}{
		{"ext4", unix, inVolume(ext4.FileSystem{}, "root", 8<<20).write},
		{"ext4 without a journal", unix, inVolume(ext4.FileSystem{NoJournal: true}, "root", 8<<20).write},
		{"ext4 for old boot loaders", unix, inVolume(ext4.FileSystem{No64Bit: true, NoMetadataCsum: true, ReservedPercent: 5}, "", 0).write},
		{"fat12", dos, inVolume(fat.FileSystem{Bits: 12, Removable: true}, "FLOPPY", 0).write},
		{"fat16", dos, inVolume(fat.FileSystem{Bits: 16}, "DATA", 1<<20).write},
		{"fat32", dos, inVolume(fat.FileSystem{Bits: 32, HiddenSectors: 2048}, "ESP", 0).write},
		{"erofs", unix, layout(func(t *image.Tree, seed image.Seed) (*image.Map, error) {
			return erofs.FileSystem{}.Layout(t, image.Volume{Size: image.Fit(0), Label: "root", Seed: seed})
		}).write},
		{"iso9660", unix, layout(func(t *image.Tree, seed image.Seed) (*image.Map, error) {
			return iso9660.Layout(t, iso9660.Options{VolumeID: "digests", Publisher: "ingot", Seed: seed})
		}).write},
		{"iso9660 with joliet", dos, layout(func(t *image.Tree, seed image.Seed) (*image.Map, error) {
			return iso9660.Layout(t, iso9660.Options{VolumeID: "digests", Joliet: true, Seed: seed})
		}).write},
		{"tar", unix, layout(func(t *image.Tree, _ image.Seed) (*image.Map, error) {
			return tar.Layout(t, tar.Options{LeftOut: socket})
		}).write},
		{"tar for mksquashfs", unix, layout(func(t *image.Tree, _ image.Seed) (*image.Map, error) {
			return tar.Layout(t, tar.Options{WholeSeconds: true, LeftOut: socket})
		}).write},
		{"nar", plain, func(w io.Writer, t *image.Tree, _ image.Seed) error { return storedb.WriteNAR(w, t.Root) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, w := io.Pipe()
			defer r.Close()
			go func() {
				trees := fstest.Trees(c.features)
				var err error
				for seed := 0; seed < seeds && err == nil; seed++ {
					err = c.write(w, trees.Example(seed), image.NewSeed([]byte(c.name)))
				}
				w.CloseWithError(err)
			}()
			check(t, "random trees/"+c.name, r)
		})
	}
}
