package swap

import (
	"strings"

	"ingot/partition/volume"
)

// Kind is a swap area, also one with the image of a suspended machine.
var Kind = &volume.Kind{
	Name: "swap", Class: volume.Memory,
	Identify:      identify,
	FileSystem:    Area{},
	PartitionType: "swap",
	ImpliedBy:     []string{"swap"},
}

// identify searches the signature at the end of the first page, for any page size.
func identify(p *volume.Probe) (volume.ID, bool) {
	for size := int64(page); size <= maxPage; size *= 2 {
		text := string(p.Bytes(size-int64(len(signature)), len(signature)))
		switch {
		case text == signature:
			return volume.ID{UUID: p.UUID(headerOffset + uuidOffset), Label: p.Text(headerOffset+labelOffset, maxLabel)}, true
		case text == "SWAP-SPACE": // version 0
			return volume.ID{}, true
		case strings.HasPrefix(text, "S1SUSPEND"):
			return volume.ID{Type: "swsuspend"}, true
		}
	}
	return volume.ID{}, false
}

var _ volume.FileSystem = Area{}
