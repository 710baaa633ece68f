package block

import (
	"errors"
	"io"
	"slices"

	"ingot/partition"
)

// readPartition returns the UUID and the name of the partition with this number, as the table
// on the disk has them; empty if it has no such entry.
func readPartition(disk io.ReaderAt, number int) (uuid, name string) {
	size, err := sizeOf(disk)
	if err != nil {
		return "", ""
	}
	table, err := partition.ReadGPT(disk, size)
	if errors.Is(err, partition.ErrNoTable) {
		table, err = partition.ReadMBR(disk, size)
	}
	if err != nil {
		return "", "" // a table that only the kernel knows
	}
	i := slices.IndexFunc(table.Partitions, func(p partition.Placed) bool { return p.Number == number })
	if i < 0 {
		return "", ""
	}
	return table.Partitions[i].PartUUID, table.Partitions[i].Name
}
