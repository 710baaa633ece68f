//go:build !amd64 || !cgo

package lanes

// wide says that streams cannot be hashed side by side: what is below is never called.
const wide = false

func parallel(*[8][width]uint32, *[width]*byte, int) { panic("lanes: not for this processor") }

func sequential(*[8]uint32, []byte) { panic("lanes: not for this processor") }
