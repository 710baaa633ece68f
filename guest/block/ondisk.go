package block

import "encoding/binary"

// The partition tables: UEFI specification 2.10, chapter 5.
const (
	mbrSignatureAt   = 510
	mbrDiskID        = 440 // disk signature, 32 bits
	mbrEntriesAt     = 446
	mbrEntrySize     = 16
	mbrTypeAt        = 4
	mbrProtective    = 0xEE
	gptMagic         = "EFI PART"
	gptEntriesLBAAt  = 72
	gptEntryCountAt  = 80
	gptEntrySizeAt   = 84
	gptUniqueGUIDAt  = 16
	gptNameAt        = 56
	gptNameBytes     = 72
	gptEntryBytes    = 128 // or these times a power of two
	maxGPTEntries    = 1024
	maxGPTEntryBytes = 4096
)

var le = binary.LittleEndian
