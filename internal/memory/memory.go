// Package memory sets how much memory a process of ingot may let grow before garbage is
// collected.
//
// Ingot lives for a second or two, most of whose memory is a tree that is built once
// and kept: collecting garbage at every doubling took 12 % of the time of a plan of
// 100,000 files. It is let grow to five times what is in use instead, up to what ingot
// promises to stay below for a million files; near that the collector works as usual.
package memory

import (
	"math"
	"runtime/debug"
)

const (
	percent = 400
	limit   = 768 << 20
)

// Tune is called once, by main. What GOGC and GOMEMLIMIT say comes before it.
func Tune() {
	if set := debug.SetGCPercent(percent); set != 100 {
		debug.SetGCPercent(set)
	}
	if set := debug.SetMemoryLimit(limit); set != math.MaxInt64 {
		debug.SetMemoryLimit(set)
	}
}
