// Package swap makes Linux swap areas.
//
//	m, err := swap.Area{}.Layout(nil, image.Volume{Label: "swap", Size: image.Exactly(2 << 30)})
//
// An area is one page of header and zeros, so that it takes no space in a sparse
// image. [Area] has the methods of a file system, but holds no files: its Tree is
// nil or empty. [image.Fit] asks for an area into which so many bytes can be
// swapped.
//
// # Limits
//
// Version 1, little-endian, without bad pages. Ten pages are the least (mkswap and
// the kernel want that), 2^32 pages the most; a size that is not a multiple of the
// page leaves the rest unused. The page size is that of the kernel that will use
// the area, 4096 bytes except on some ARM, POWER and MIPS machines; a kernel with
// another one refuses it.
package swap
