package block

// What tells a partition table: UEFI specification 2.10, chapter 5.
const (
	mbrDiskID      = 440 // disk signature, 32 bits
	mbrSignatureAt = 510
	mbrEntriesAt   = 446
	mbrEntrySize   = 16
	mbrTypeAt      = 4
	gptMagic       = "EFI PART"
)
