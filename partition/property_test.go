package partition

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
	"ingot/tests/testenv"
)

// anyTable draws a table that is small enough to be written and mostly possible.
func anyTable(t *rapid.T) Table {
	table := Table{
		Kind:       rapid.SampledFrom([]Kind{GPT, MBR, Hybrid}).Draw(t, "kind"),
		Seed:       image.NewSeed([]byte{rapid.Byte().Draw(t, "seed")}),
		Align:      rapid.SampledFrom([]int64{0, 4096, miB, 2 * miB}).Draw(t, "align"),
		SectorSize: rapid.SampledFrom([]int64{0, 0, 4096}).Draw(t, "sector"),
	}
	for i := range rapid.IntRange(1, 9).Draw(t, "partitions") {
		p := Partition{
			Name:  fmt.Sprintf("p%d", i),
			Type:  rapid.SampledFrom([]string{"linux", "esp", "swap", "home", ""}).Draw(t, "type"),
			Size:  rapid.Int64Range(1, 5*miB).Draw(t, "size"),
			InMBR: table.Kind == Hybrid && i < 2,
		}
		if rapid.IntRange(0, 4).Draw(t, "fixed") == 0 {
			p.Start = rapid.Int64Range(1, 64).Draw(t, "start") * miB
		}
		if rapid.Bool().Draw(t, "filled") {
			var b image.Builder
			b.Add(0, image.Bytes(p.Name), nil)
			p.Content, _ = b.Map(p.Size)
		}
		table.Partitions = append(table.Partitions, p)
	}
	return table
}

// TestRandomTables holds every table that is laid out against what was asked for, the
// reader and the judges.
func TestRandomTables(t *testing.T) {
	sfdisk, sgdisk := testenv.Judge(t, "sfdisk", "fdisk"), testenv.Judge(t, "sgdisk", "gdisk")
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		table := anyTable(rt)
		d, err := table.Layout()
		if err != nil {
			if !strings.Contains(err.Error(), "overlap") && !strings.Contains(err.Error(), "logical") {
				rt.Fatalf("Layout() = %v", err)
			}
			return
		}
		checkDisk(rt, table, d)
		// The judges take some 30 ms each: every fourth is theirs.
		if n++; n%4 == 0 && d.SectorSize == 512 {
			judgeDisk(rt, t, sfdisk, sgdisk, d)
		}
	})
}

func checkDisk(t *rapid.T, table Table, d *Disk) {
	again, err := table.Layout()
	if err != nil || !sameBytes(t, d.Map, again.Map) {
		t.Fatalf("two layouts of one table differ (%v)", err)
	}
	for i, p := range d.Partitions {
		asked := table.Partitions[i]
		switch {
		case asked.Start != 0 && p.Start != asked.Start:
			t.Errorf("%s starts at %d; want %d", p.Name, p.Start, asked.Start)
		case asked.Start == 0 && p.Start%max(table.Align, 4096) != 0:
			t.Errorf("%s starts at %d, which is not aligned", p.Name, p.Start)
		case p.Size < asked.Size || p.Size >= asked.Size+d.SectorSize:
			t.Errorf("%s has %d bytes; want %d in whole sectors of %d", p.Name, p.Size, asked.Size, d.SectorSize)
		}
		if asked.Content != nil && !sameBytes(t, image.Section(d.Map, p.Start, asked.Size), asked.Content) {
			t.Errorf("%s does not hold its content", p.Name)
		}
		for _, q := range d.Partitions[:i] {
			if p.Start < q.End() && q.Start < p.End() {
				t.Errorf("%s and %s overlap", q.Name, p.Name)
			}
		}
	}
	if d.Kind == MBR && d.SectorSize != 512 {
		return // nothing in an MBR tells the sector size
	}
	l, err := Read(d.Map, d.Map.Size())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Problems) != 0 || len(l.Partitions) != len(d.Partitions) {
		t.Fatalf("Read() has %d partitions, problems %q; want %d and none", len(l.Partitions), l.Problems, len(d.Partitions))
	}
	for i, p := range l.Partitions {
		if q := d.Partitions[i]; p.Start != q.Start || p.Size != q.Size || p.Number != q.Number {
			t.Errorf("Read() has partition %d of %d bytes at %d; want %d, %d, %d", p.Number, p.Size, p.Start, q.Number, q.Size, q.Start)
		}
	}
}

func sameBytes(t *rapid.T, a, b image.Blob) bool {
	x, err := image.ReadAll(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := image.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y)
}

func judgeDisk(rt *rapid.T, t *testing.T, sfdisk, sgdisk string, d *Disk) {
	path := write(t, d)
	out, err := exec.Command(sfdisk, "-V", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), "rror") && !strings.Contains(string(out), "No errors") {
		rt.Errorf("sfdisk -V %s: %v\n%s", filepath.Base(path), err, out)
	}
	if d.Kind == MBR {
		return
	}
	if out, err := exec.Command(sgdisk, "-v", path).CombinedOutput(); err != nil || !strings.Contains(string(out), "No problems found") {
		rt.Errorf("sgdisk -v: %v\n%s", err, out)
	}
}

// TestFitIsExact proves that the smallest disk is the smallest: one sector less is
// refused, whatever the table.
func TestFitIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := anyTable(t)
		sector := max(table.SectorSize, 512)
		table.Align = sector
		d, err := table.Layout()
		if err != nil {
			return
		}
		table.Size = d.Map.Size()
		if _, err := table.Layout(); err != nil {
			t.Errorf("Layout() of %d bytes = %v; want it to fit", table.Size, err)
		}
		table.Size -= sector
		if _, err := table.Layout(); err == nil || !strings.Contains(err.Error(), "beyond the disk's size") {
			t.Errorf("Layout() of %d bytes = %v; want it not to fit", table.Size, err)
		}
	})
}

// TestGUIDsStay proves that a partition keeps its GUID when another comes before it.
func TestGUIDsStay(t *testing.T) {
	a := layOut(t, Table{Seed: seed, Partitions: []Partition{{Name: "root", Size: miB}}})
	b := layOut(t, Table{Seed: seed, Partitions: []Partition{{Name: "esp", Size: miB}, {Name: "root", Size: miB}}})
	p, _ := a.Find("root")
	q, ok := b.Find("root")
	if !ok || p.GUID != q.GUID || p.GUID == b.Partitions[0].GUID {
		t.Errorf("GUID of root = %s; want %s", q.GUID, p.GUID)
	}
}

func TestEmbedding(t *testing.T) {
	all := disks(t)
	for name, want := range map[string]Region{
		"gpt":         {miB, miB, "partition bios"},
		"gpt-large":   {},
		"mbr":         {512, miB - 512, "the gap before partition root"},
		"mbr-logical": {512, miB - 512, "the gap before partition esp"},
		"hybrid":      {17408, miB - 17408, "partition BIOS"},
	} {
		if got := layOut(t, all[name]).Embedding; got != want {
			t.Errorf("%s: Embedding = %v; want %v", name, got, want)
		}
	}
}
