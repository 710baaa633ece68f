package manifest

import (
	"testing"

	"ingot/image"
)

// FuzzParse reads any text. What it accepts can be compared with any disk.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"disk": {"size": 8, "digest": "sha256-1MiB:00"}, "partitions": [{"number": 1, "name": "a", "start": 2, "size": 3, "digest": "x"}]}`))
	f.Add([]byte(`{"files": [{"name": "kernel", "size": 1, "digest": "x"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse(text)
		if err != nil || m.Disk.Digest == "" {
			return
		}
		list, err := m.CompareDisk(t.Context(), image.MapOf(image.Bytes("a disk!!"), nil), image.WriteOptions{Workers: 1})
		if err != nil || len(list) == 0 || list[0].Part != "disk" {
			t.Errorf("CompareDisk by %q = %v, %v; want a difference", text, list, err)
		}
	})
}
