package erofs

import (
	"encoding/binary"
	"testing"
)

// TestStructureSizes: a field too many, or of the wrong width, moves all that follows.
func TestStructureSizes(t *testing.T) {
	for _, s := range []struct {
		structure any
		want      int
	}{
		{superblock{}, superSize}, {inodeCompact{}, compactSize}, {inodeExtended{}, extendedSize},
	} {
		if got := binary.Size(s.structure); got != s.want {
			t.Errorf("%T has %d bytes; want %d", s.structure, got, s.want)
		}
	}
}
