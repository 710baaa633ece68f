package initramfs

import (
	"bytes"
	"strings"
	"testing"

	"ingot/image"
)

// TestMember: an archive that refers to the bytes of its file is that of Pack.
func TestMember(t *testing.T) {
	for _, name := range []string{"a", "ab", "abc", "abcd", "nix-store.squashfs"} {
		for size := range 6 {
			data := image.Bytes(strings.Repeat("x", size))
			tree := image.NewTree()
			if err := tree.Put("/"+name, image.NewFile(0o444, data)); err != nil {
				t.Fatal(err)
			}
			packed, err := Pack(tree, None)
			if err != nil {
				t.Fatal(err)
			}
			want, err := image.ReadAll(packed)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Member(name, data)
			if err != nil {
				t.Fatal(err)
			}
			got, err := image.ReadAll(m)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("Member(%s, %d bytes) = %q, %v; want %q", name, size, got, err, want)
			}
		}
	}
	for size, want := range map[int64]string{1<<32 - 1: "", 1 << 32: "a: 4294967296 bytes; a cpio archive holds files up to 4294967295"} {
		m, err := Member("a", image.Section(endless{}, 0, size))
		if want == "" && (err != nil || m.Size() < size) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d bytes: %v; want %q", size, err, want)
		}
	}
	if _, err := Member("a/b", nil); err == nil {
		t.Error("a/b is accepted for a name")
	}
}

// endless is a blob of any size.
type endless struct{}

func (endless) ReadAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (endless) Size() int64                           { return 1 << 40 }
