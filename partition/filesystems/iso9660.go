package filesystems

import (
	"strings"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition/volume"
)

// iso is ISO 9660, which ingot writes as an image of its own, not into partitions.
var iso = &volume.Kind{
	Name: "iso9660", Title: "ISO 9660", Class: volume.Files,
	Identify: identifyISO,
	Open:     func(b image.Blob) (volume.Reader, error) { return iso9660.Open(b, b.Size()) },
	Keeps:    volume.AllAttributes &^ volume.Xattrs,
	ReadOnly: true,
}

// The primary volume descriptor: ECMA-119, 8.4.
const (
	isoDescriptor  = 16 * 2048
	isoVolume      = isoDescriptor + 40
	isoVolumeBytes = 32
	isoCreated     = isoDescriptor + 813 // 16 digits and a zone
	isoModified    = isoDescriptor + 830
)

// identifyISO returns, as the UUID, the time of the volume's last change or else of its
// creation, as blkid and udev format it: 2026-11-21-10-30-00-00.
func identifyISO(p *volume.Probe) (volume.ID, bool) {
	if !iso9660.Detect(p) {
		return volume.ID{}, false
	}
	id := volume.ID{Label: p.Text(isoVolume, isoVolumeBytes)}
	for _, at := range []int64{isoModified, isoCreated} {
		d := string(p.Bytes(at, 16))
		if strings.Trim(d, "0123456789") == "" && strings.Trim(d, "0") != "" {
			id.UUID = strings.Join([]string{d[:4], d[4:6], d[6:8], d[8:10], d[10:12], d[12:14], d[14:16]}, "-")
			break
		}
	}
	return id, true
}
