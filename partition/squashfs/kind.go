package squashfs

import "ingot/partition/volume"

// Kind is squashfs. Nothing makes one for a partition: how large it becomes is known only once
// all is compressed.
var Kind = &volume.Kind{
	Name: "squashfs", Class: volume.Files,
	Identify:   volume.Magic(0, "hsqs", "sqsh"),
	Keeps:      volume.AllAttributes,
	ReadOnly:   true,
	GRUBModule: "squash4",
}
