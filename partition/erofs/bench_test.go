package erofs

import (
	"fmt"
	"runtime"
	"testing"

	"ingot/image"
)

// BenchmarkLayout lays out a store of many small files, and tells what a file costs in
// memory.
func BenchmarkLayout(b *testing.B) {
	const files, perDir = 200_000, 100
	tree := image.NewTree()
	for i := range files / perDir {
		dir, err := tree.MakeDirs(fmt.Sprintf("/nix/store/%032d-path/lib", i))
		must(b, err)
		for j := range perDir {
			must(b, dir.Add(fmt.Sprintf("libsomething-%07d", j), image.NewFile(0o444, image.Hole(int64(j*100)))))
		}
	}
	var m *image.Map
	before := heap()
	for b.Loop() {
		m = layout(b, tree, image.Volume{})
	}
	b.ReportMetric(float64(heap()-before)/files, "B/file")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/files, "ns/file")
	runtime.KeepAlive(m)
	runtime.KeepAlive(tree)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
