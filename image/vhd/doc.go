// Package vhd writes Microsoft's disk format of Virtual PC, Hyper-V and Azure, and reads it.
//
//	file, err := vhd.Layout(disk, seed)
//	err = image.WriteRaw(ctx, file, "web.vhd", image.WriteOptions{})
//
// It is the fixed kind, the only one that Azure takes: the bytes of the disk, and behind
// them a footer of 512 bytes. Where the file system knows holes it takes no more space
// than the dynamic kind.
//
// The disk is as large as the Map, rounded up to a whole MiB, as Azure requires; at most
// 2040 GiB. The time of the footer is zero, and its UUID is derived from the seed.
//
// The specification is Microsoft's "Virtual Hard Disk Image Format Specification", version
// 1.0: https://learn.microsoft.com/windows/win32/vstor/about-vhd.
// qemu-img calls the format vpc.
//
// [Map] returns the disk in a file of any maker, of the fixed or the dynamic kind. It does not
// trust the file, and refuses differencing files, which need another one.
package vhd
