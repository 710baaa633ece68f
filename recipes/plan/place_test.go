package plan

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestDiskErrors: what does not go on a disk is said at the partition, or at the bytes outside
// of them, that it is about, however these are called.
func TestDiskErrors(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/spl", "b/spl"} {
		write(t, filepath.Join(dir, name), strings.Repeat("x", 4096))
	}
	for disk, want := range map[string]string{
		"  raw: [{at: 64KiB, source: a/spl}, {at: 2MiB, source: b/spl}]\n  partitions: [{name: one, start: 2MiB, size: 1MiB}]\n":                                     "test.yaml:3:37: disk.raw[1]: raw bytes spl (bytes 2097152 to 2101247) and partition one (",
		"  raw: [{at: 64KiB, source: a/spl}, {at: 66KiB, source: b/spl}]\n  partitions: [{name: one, size: 1MiB}]\n":                                                 "test.yaml:3:9: disk.raw[0]: raw bytes spl (bytes 65536 to 69631) and raw bytes spl (",
		"  partitions: [{name: one, size: 1MiB}, {name: 'two: three', start: 512, size: 1MiB}]\n":                                                                    "test.yaml:3:41: disk.partitions[1]: two: three: start at byte 512: ",
		"  table: mbr\n  partitions: [{name: a, size: 1MiB}, {name: b, size: 1MiB}, {name: c, size: 1MiB}, {name: d, size: 1MiB}, {name: e, guid: x, size: 1MiB}]\n": "disk.partitions[4]: e: GUID x: an mbr table has none",
		"  guid: x\n  partitions: [{name: one, size: 1MiB}]\n":                                                                                                       `test.yaml:3:3: disk: disk GUID "x" is not of the form`,
	} {
		_, err := plan(t, dir, "name: x\ndisk:\n"+disk)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s%v\nwant %s", disk, err, want)
		}
	}
}
