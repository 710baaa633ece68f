package block

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf16"
)

// readPartition returns the UUID and the name of the partition with this number,
// as the table on the disk has them; empty if it has no such entry.
func readPartition(disk io.ReaderAt, number int) (uuid, name string) {
	first := make([]byte, 8192)
	if n, err := disk.ReadAt(first, 0); n < 512 && err != nil {
		return "", ""
	}
	for _, sector := range []int64{512, 4096} {
		if string(first[sector:sector+8]) == gptMagic {
			return gptPartition(disk, first[sector:], sector, number)
		}
	}
	if signature := le.Uint32(first[mbrDiskID:]); signature != 0 && number > 0 {
		// The kernel counts logical partitions from 5 and names all of them so.
		return fmt.Sprintf("%08x-%02x", signature, number), ""
	}
	return "", ""
}

func gptPartition(disk io.ReaderAt, header []byte, sector int64, number int) (uuid, name string) {
	count, size := le.Uint32(header[gptEntryCountAt:]), le.Uint32(header[gptEntrySizeAt:])
	lba := le.Uint64(header[gptEntriesLBAAt:])
	if number < 1 || count > maxGPTEntries || uint64(number) > uint64(count) ||
		size < gptEntryBytes || size&(size-1) != 0 || size > maxGPTEntryBytes || lba > 1<<50 {
		return "", ""
	}
	entry := make([]byte, size)
	if _, err := disk.ReadAt(entry, int64(lba)*sector+int64(number-1)*int64(size)); err != nil {
		return "", ""
	}
	return guid(entry[gptUniqueGUIDAt:]), gptName(entry[gptNameAt : gptNameAt+gptNameBytes])
}

// guid spells a GUID, whose first three fields are little-endian on the disk.
func guid(b []byte) string {
	if bytes.Count(b[:16], []byte{0}) == 16 {
		return ""
	}
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

func gptName(field []byte) string {
	var units []uint16
	for i := 0; i+1 < len(field); i += 2 {
		u := le.Uint16(field[i:])
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}
