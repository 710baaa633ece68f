package fstest

import "runtime/metrics"

// Allocated returns about how many bytes are allocated while fn runs, by all goroutines,
// what was freed meanwhile included. Small objects are counted when the page they share is
// full, so that a few KiB may be missing.
//
// It takes a microsecond: fuzz targets can call it each time.
func Allocated(fn func()) int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	read := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	before := read()
	fn()
	return read() - before
}

// Budget fails a test in which fn allocates more than a parser of n bytes from outside
// may: 64 bytes for each, and 4 MiB for tables and buffers.
func Budget(t T, n int, fn func()) {
	t.Helper()
	if got, most := Allocated(fn), int64(n)*64+4<<20; got > most {
		t.Errorf("reading %d bytes allocates %d; want at most %d", n, got, most)
	}
}
