package block

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"ingot/partition"
)

// readPartition returns the UUID and the name of the partition with this number, as the table
// on the disk has them; empty if it has none.
func readPartition(disk io.ReaderAt, number int) (uuid, name string) {
	size, err := sizeOf(disk)
	if err != nil {
		return "", ""
	}
	table, err := partition.ReadGPT(disk, size)
	if err != nil || !table.Protected { // Linux ignores such a GPT, which may be an earlier table's
		id := make([]byte, 4)
		if _, err := disk.ReadAt(id, mbrDiskID); err != nil || [4]byte(id) == [4]byte{} || number < 1 {
			return "", ""
		}
		// Linux numbers partitions of all types, logical ones from 5.
		return fmt.Sprintf("%08x-%02x", binary.LittleEndian.Uint32(id), number), ""
	}
	i := slices.IndexFunc(table.Partitions, func(p partition.Placed) bool { return p.Number == number })
	if i < 0 {
		return "", ""
	}
	return table.Partitions[i].PartUUID, table.Partitions[i].Name
}
