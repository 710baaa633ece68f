package grub

// The places in GRUB's boot.img and diskboot.img that its installer fills in, as
// include/grub/i386/pc/boot.h and the two assembler files under grub-core/boot/i386/pc
// name them (https://git.savannah.gnu.org/cgit/grub.git/tree/grub-core/boot/i386/pc).
const (
	// The boot sector's code; the disk signature and the table follow it.
	bootMachineCodeEnd = 440

	// The 64-bit number of the core image's first sector.
	bootMachineKernelSector = 0x5c
	// A jump over the code that mistrusts the drive number in DL. On a hard disk that
	// number can be wrong, so two NOPs take its place.
	bootMachineDriveCheck = 0x66
	nop                   = 0x90

	sectorSize = 512

	// The list of blocks at the end of the core image's first sector, diskboot.img: a
	// 64-bit sector, a 16-bit count and the segment to load them to. It lists what
	// comes after that first sector.
	bootMachineBlockList        = 0x1f4
	bootMachineBlockListCount   = bootMachineBlockList + 8
	bootMachineBlockListSegment = bootMachineBlockList + 10
	bootMachineKernelSegment    = 0x820

	// In boot_hybrid.img, the boot sector of an ISO on a disk, the 64-bit number of the
	// sector to load.
	hybridKernelSector = 0x1b0
	// The first block of an image in the format i386-pc-eltorito is cdboot.img, the
	// rest is what a disk's core image is: its first sector ends with the list of blocks.
	cdSectors   = 4
	cdBlockList = cdSectors*sectorSize + bootMachineBlockList
)
