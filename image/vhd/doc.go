// Package vhd writes Microsoft's disk format of Virtual PC, Hyper-V and Azure, and reads it.
//
//	file, err := vhd.Layout(disk, seed)
//	err = image.WriteRaw(ctx, file, "web.vhd", image.WriteOptions{})
//
// It is the fixed kind, the only one that Azure takes: the bytes of the disk, and behind
// them a footer of 512 bytes. Where the file system knows holes it takes no more space
// than the dynamic kind.
//
// The disk is as large as the Map, rounded up to a whole MiB, as Azure asks for; at most
// 2040 GiB. The time of the footer is zero, and its UUID is derived from the seed.
//
// The specification is Microsoft's "Virtual Hard Disk Image Format Specification", version
// 1.0: https://learn.microsoft.com/windows/win32/vstor/about-vhd.
// qemu-img calls the format vpc.
//
// [Map] is the way back: the disk in a file of the fixed or the dynamic kind, of anyone's
// making. It does not trust the file. Differencing files, which need another one, are
// refused.
package vhd
