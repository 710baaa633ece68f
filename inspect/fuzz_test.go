package inspect

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"testing"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition"
	"ingot/partition/erofs"
	"ingot/tests/fstest"
)

// seeds are small images of several kinds.
func seeds(f *testing.F) map[string][]byte {
	tree := image.NewTree()
	if err := tree.Put("/a", image.NewFile(0o644, image.Bytes("a"))); err != nil {
		f.Fatal(err)
	}
	iso, err := iso9660.Layout(tree, iso9660.Options{VolumeID: "SEED", Boot: []iso9660.Boot{{Platform: iso9660.UEFI, Image: image.Bytes("boot")}}})
	if err != nil {
		f.Fatal(err)
	}
	small, err := erofs.FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
	if err != nil {
		f.Fatal(err)
	}
	t := partition.Table{Align: 4096, Partitions: []partition.Partition{{Name: "a", Type: "linux", Content: small}, {Name: "b", Type: "esp", Size: 4096}}}
	disk, err := t.Layout()
	if err != nil {
		f.Fatal(err)
	}
	all := map[string][]byte{}
	for name, m := range map[string]*image.Map{"iso": iso, "erofs": small, "gpt": disk.Map} {
		if all[name], err = image.ReadAll(m); err != nil {
			f.Fatal(err)
		}
	}
	both := bytes.Clone(all["iso"])
	copy(both, all["gpt"][:16<<10])
	all["both"] = both
	return all
}

// resum makes the checksums of the primary GPT right.
func resum(b []byte) {
	le := binary.LittleEndian
	if len(b) < 1024 || string(b[512:520]) != "EFI PART" {
		return
	}
	h := b[512:604]
	if n, at := uint64(le.Uint32(h[80:]))*uint64(le.Uint32(h[84:])), le.Uint64(h[72:]); n < uint64(len(b)) && at < uint64(len(b))/512 && at*512+n <= uint64(len(b)) {
		le.PutUint32(h[88:], crc32.ChecksumIEEE(b[at*512:][:n]))
	}
	le.PutUint32(h[12:], 92)
	clear(h[16:20])
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
}

// FuzzIdentify changes small images in one place, or takes any bytes. Each volume can be read,
// or says why not.
func FuzzIdentify(f *testing.F) {
	images := seeds(f)
	names := slices.Sorted(maps.Keys(images)) // both, erofs, gpt, iso
	for k := range names {
		f.Add(byte(k), uint32(1024), []byte{0x53, 0xef})
	}
	f.Add(byte(3), uint32(440), []byte{1, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0})
	f.Add(byte(4), uint32(0), make([]byte, 1024))
	f.Fuzz(func(t *testing.T, kind byte, at uint32, change []byte) {
		if len(change) > 4096 {
			return
		}
		b := bytes.Clone(change)
		if k := int(kind) % (len(names) + 1); k < len(names) {
			b = bytes.Clone(images[names[k]])
			copy(b[at%uint32(len(b)):], change)
		}
		resum(b)
		var m image.Builder
		m.Add(0, image.Bytes(b), nil)
		built, err := m.Map(int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		i := Of(built)
		fstest.Budget(t, len(b)*(maxOverlap+1), func() {
			if err = i.Identify(t.Context()); err != nil {
				return
			}
			for _, v := range i.Volumes {
				if tree, err := v.Tree(); (tree == nil) == (err == nil) {
					t.Errorf("%s: Tree = %v, %v", v, tree, err)
				}
				if v.Size < 0 || v.Data.Size() != v.Size || v.Start < 0 || v.Start+v.Size > int64(len(b)) && v.File == "" {
					t.Errorf("%s: %d bytes at %d of %d", v, v.Size, v.Start, len(b))
				}
			}
		})
		if err != nil {
			t.Errorf("Identify = %v; want no error but one of the host", err)
		}
	})
}
