// Package swap makes Linux swap areas.
//
//	m, err := swap.Area{}.Layout(nil, image.Volume{Label: "swap", Size: image.Exactly(2 << 30)})
//
// An area is one page of header and zeros, so that it takes no space in a sparse
// image. [Area] has the methods of a file system, but holds no files: its Tree is
// nil or empty. The size [image.Fit](n) makes an area into which n bytes can be
// swapped.
//
// # Limits
//
// Version 1, little-endian, without bad pages. An area has from 10 pages, the minimum of
// mkswap and the kernel, to 2^32; if a size is no multiple of the page, the rest stays
// unused. Pages have 4096 bytes. A kernel with larger pages, as on some ARM, POWER and MIPS
// machines, refuses the area.
package swap
