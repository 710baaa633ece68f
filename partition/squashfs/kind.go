package squashfs

import "ingot/partition/volume"

// Kind is squashfs. ingot makes none in partitions, since it knows the size only after the
// compression.
var Kind = &volume.Kind{
	Name: "squashfs", Class: volume.Files,
	Identify:   volume.Magic(0, "hsqs", "sqsh"),
	Keeps:      volume.AllAttributes,
	ReadOnly:   true,
	GRUBModule: "squash4",
}
