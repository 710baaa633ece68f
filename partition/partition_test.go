package partition

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/golden"
	"ingot/tests/testenv"
)

// run returns what a tool says, and fails the test where the tool fails.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// write makes a sparse file of a disk.
func write(t testing.TB, d *Disk) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(d.Map.Size()); err != nil {
		t.Fatal(err)
	}
	for l := range d.Map.Leaves(0, d.Map.Size()) {
		b, err := image.ReadAll(image.Section(l.Src, l.SrcOff, l.Len))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, l.Off); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// content returns a Map whose bytes are told from others.
func content(t testing.TB, text string, size int64) *image.Map {
	t.Helper()
	var b image.Builder
	b.Add(0, image.Bytes(text), nil)
	m, err := b.Map(size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func layOut(t testing.TB, table Table) *Disk {
	t.Helper()
	d, err := table.Layout()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var seed = image.NewSeed([]byte("partition"))

const miB = 1 << 20

// disks are tables of every kind; the golden files are what sfdisk says of them.
func disks(t testing.TB) map[string]Table {
	return map[string]Table{
		"gpt": {Seed: seed, Partitions: []Partition{
			{Name: "bios", Type: "bios-boot", Size: miB},
			{Name: "esp", Type: "esp", Content: content(t, "esp", 3*miB+1)},
			{Name: "Wurzel 🌳", Type: "root", Flags: []string{"boot", "grow", "attribute:55"}, Size: 4 * miB},
			{Type: "7EC6F557-3BC5-4ACA-B293-16EF5DF639D1", GUID: "d46cab43-0ab9-4f3b-a5f4-3d6d1c1a7a3e", Size: 512},
		}},
		"gpt-4k": {Seed: seed, SectorSize: 4096, Size: 64 * miB, GUID: "97fd5997-d90b-4aa3-8d16-c1723aea73c0", Partitions: []Partition{
			{Name: "root", Size: 40 * miB},
			{Name: "swap", Type: "swap", Start: 48 * miB, Size: 8 * miB},
		}},
		"gpt-large": {Seed: seed, Size: 15 << 40, Partitions: []Partition{{Name: "root", Size: 14 << 40}}},
		"mbr": {Kind: MBR, Seed: seed, Partitions: []Partition{
			{Name: "root", Flags: []string{"boot"}, Content: content(t, "root", 9*miB)},
			{Name: "swap", Type: "swap", Size: miB},
			{Type: "0x0e", Size: 5 * miB},
		}},
		"mbr-logical": {Kind: MBR, Signature: 0xcafe0001, Partitions: []Partition{
			{Name: "esp", Type: "esp", Size: 2 * miB},
			{Name: "a", Size: miB}, {Name: "b", Size: miB, Align: 2 * miB}, {Name: "c", Size: miB},
			{Name: "d", Start: 64 * miB, Size: miB, Type: "home"}, {Name: "e", Content: content(t, "e", 700)},
		}},
		"hybrid": {Kind: Hybrid, Seed: seed, Partitions: []Partition{
			{Name: "ESP", Type: "esp", Start: 8 * miB, Size: 8 * miB, InMBR: true},
			{Name: "BIOS", Type: "bios-boot", Start: 17408, Size: miB - 17408},
			{Name: "root", Size: 4 * miB, InMBR: true, Flags: []string{"boot"}},
		}},
	}
}

func TestJudges(t *testing.T) {
	sgdisk, sfdisk, fdisk := testenv.Judge(t, "sgdisk", "gdisk"), testenv.Judge(t, "sfdisk", "fdisk"), testenv.Judge(t, "fdisk", "fdisk")
	for name, table := range disks(t) {
		t.Run(name, func(t *testing.T) {
			path := write(t, layOut(t, table))
			if table.SectorSize == 4096 {
				// Only fdisk takes a file for a disk of large sectors.
				// Its columns are as wide as the path.
				out := regexp.MustCompile(` +`).ReplaceAllString(run(t, fdisk, "-b", "4096", "-l", path), " ")
				golden.Check(t, filepath.Join("testdata", name+".sfdisk"), strings.ReplaceAll(out, path, "disk.img"))
				return
			}
			if out := run(t, sfdisk, "-V", path); !strings.Contains(out, "No errors detected") && !strings.Contains(out, "Remaining") {
				t.Errorf("sfdisk -V: %s", out)
			}
			if table.Kind != MBR {
				// The MBR in front of it, as libfdisk reads it.
				mbr := run(t, fdisk, "--type", "dos", "--bytes", "-o", "Device,Boot,Start,Sectors,Id", "-l", path)
				golden.Check(t, filepath.Join("testdata", name+"-mbr"+".sfdisk"), regexp.MustCompile(` +`).ReplaceAllString(strings.ReplaceAll(mbr, path, "disk.img"), " "))
				if out := run(t, sgdisk, "-v", path); !strings.Contains(out, "No problems found") {
					t.Errorf("sgdisk -v: %s", out)
				}
			}
			golden.Check(t, filepath.Join("testdata", name+".sfdisk"), strings.ReplaceAll(run(t, sfdisk, "--dump", path), path, "disk.img"))
		})
	}
}

func TestTooSmallIsTyped(t *testing.T) {
	_, err := Table{Partitions: []Partition{{Name: "root", Size: miB, Content: content(t, "x", 3*miB)}}}.Layout()
	var small *image.TooSmallError
	if !errors.As(err, &small) || small.Need != 3*miB || small.Have != miB {
		t.Errorf("Layout() = %v; want a TooSmallError of %d and %d", err, 3*miB, miB)
	}
}
