// Package diskfile decides in which format the disk lies in a file.
//
// Contents do not decide it, since a guest can write them: with the first bytes of a qcow2
// file on its raw disk, and the name of a file of the host in them, it would have the next
// program that trusts them read that file, or write it. So the format of a disk follows from
// the suffix of its file, or from a word behind the name:
//
//	web.qcow2        qcow2
//	web.img, web     raw, as a block device is
//	web.img:qcow2    qcow2
//	web.qcow2:raw    raw
//	web.vdi, web.vhd VDI and VHD; ingot reads them, QEMU does not get them
//	web.vmdk         refused: ingot reads no such file
//	web.img:ro       raw, and read-only for a guest
//	web.img:qcow2:ro both, in any order
//
// The name of a file may end in such a word itself: it is that file if there is none of the
// name without the word. If both exist, [Parse] refuses the name; another word makes it clear:
// "web.img:raw:raw" is the file "web.img:raw".
//
// [Name.Decide] is for code that only reads a file. It refuses one whose name says raw and
// whose bytes say qcow2, VDI or VHD, and files of other formats that [Detect] knows: disks of
// other programs, archives, compressed files. The word raw makes any file a raw disk.
package diskfile
