// Package diskfile decides in which format the disk lies in a file.
//
// What a guest can write says nothing of that: a guest that writes the first bytes of a
// qcow2 file onto its raw disk, with the name of a file of the host in it, would have the
// next program that looks at them read that file, or write it. So the format of a disk is
// what the name of its file ends in, or a word behind the name:
//
//	web.qcow2        qcow2
//	web.img, web     raw, as a block device is
//	web.img:qcow2    qcow2
//	web.qcow2:raw    raw
//	web.vdi, web.vhd VDI and VHD, for what reads a disk itself; QEMU is not given them
//	web.vmdk         refused: ingot reads no such file
//	web.img:ro       raw, and the guest cannot write to it where that can be said
//	web.img:qcow2:ro both, in any order
//
// A file whose own name ends in such a word is found by that name if there is no file of
// the name before it. If there are both, the name is refused; with a word behind it, such as
// "web.img:raw:raw", it is the file "web.img:raw".
//
// [Name.Decide] is for what only reads a file itself: it refuses one whose name says raw and
// whose bytes say qcow2, VDI or VHD, since either may be meant, and files of other formats
// that [Detect] knows by their bytes: disks of other programs, archives, what is compressed.
// Whatever the bytes are, the word raw takes them for a disk's.
package diskfile
