package partition

import (
	"fmt"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// TestBlkidSeesPartitions has libblkid read each table, by which a system finds its
// root: numbers, places and PARTUUIDs.
func TestBlkidSeesPartitions(t *testing.T) {
	partx := testenv.Judge(t, "partx", "util-linux")
	for name, table := range disks(t) {
		t.Run(name, func(t *testing.T) {
			d := layOut(t, table)
			path := write(t, d)
			out := run(t, partx, "--raw", "--noheadings", "--output", "NR,START,SECTORS,UUID",
				"--sector-size", fmt.Sprint(d.SectorSize), path)
			seen := map[string]bool{}
			for line := range strings.Lines(out) {
				seen[strings.TrimSpace(line)] = true
			}
			for _, p := range d.Partitions {
				// It counts 512 bytes whatever the sector size.
				if want := fmt.Sprintf("%d %d %d %s", p.Number, p.Start/512, p.Size/512, p.PartUUID); !seen[want] {
					t.Errorf("partx does not show %q, but\n%s", want, out)
				}
			}
		})
	}
}
