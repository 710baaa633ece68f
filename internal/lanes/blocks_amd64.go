//go:build amd64 && cgo

package lanes

/*
#cgo CFLAGS: -O2
#cgo noescape ingot_sha256_lanes
#cgo nocallback ingot_sha256_lanes
#cgo noescape ingot_sha256_one
#cgo nocallback ingot_sha256_one
#include "blocks_amd64.h"
*/
import "C"

import "unsafe"

// wide reports whether streams can be hashed side by side here.
var wide = C.ingot_sha256_wide() != 0

// parallel hashes n blocks of each lane.
func parallel(states *[8][width]uint32, p *[width]*byte, n int) {
	at := func(i int) *C.uint8_t { return (*C.uint8_t)(p[i]) }
	C.ingot_sha256_lanes((*C.uint32_t)(unsafe.Pointer(states)), C.size_t(n),
		at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7),
		at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15))
}

// sequential hashes whole blocks of one stream.
func sequential(state *[8]uint32, p []byte) {
	if len(p) > 0 {
		C.ingot_sha256_one((*C.uint32_t)(&state[0]), (*C.uint8_t)(&p[0]), C.size_t(len(p)/blockSize))
	}
}
