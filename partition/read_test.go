package partition

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/testenv"
)

// bytesOf returns the disk's bytes; it must be small.
func bytesOf(t testing.TB, d *Disk) []byte {
	t.Helper()
	b, err := image.ReadAll(d.Map)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadWhatWasWritten(t *testing.T) {
	for name, table := range disks(t) {
		t.Run(name, func(t *testing.T) {
			d := layOut(t, table)
			l, err := Read(d.Map, d.Map.Size())
			if err != nil {
				t.Fatal(err)
			}
			compare(t, d, l)
		})
	}
}

func compare(t testing.TB, d *Disk, l *Listing) {
	t.Helper()
	if len(l.Problems) != 0 {
		t.Errorf("Problems = %q; want none", l.Problems)
	}
	if l.Kind != d.Kind || l.GUID != d.GUID || l.Signature != d.Signature || l.SectorSize != d.SectorSize {
		t.Errorf("Read() = %v %q %#x %d; want %v %q %#x %d", l.Kind, l.GUID, l.Signature, l.SectorSize, d.Kind, d.GUID, d.Signature, d.SectorSize)
	}
	if len(l.Partitions) != len(d.Partitions) {
		t.Fatalf("Read() has %d partitions; want %d", len(l.Partitions), len(d.Partitions))
	}
	for i, got := range l.Partitions {
		want := d.Partitions[i]
		if d.Kind == MBR {
			want.Name = ""
		}
		want.Partition, got.Partition = Partition{Name: want.Name, InMBR: want.InMBR}, Partition{Name: got.Name, InMBR: got.InMBR}
		if !equal(got, want) {
			t.Errorf("partition %d = %+v; want %+v", i, got, want)
		}
	}
}

func equal(a, b Placed) bool {
	return a.Name == b.Name && a.InMBR == b.InMBR && a.Number == b.Number && a.Start == b.Start && a.Size == b.Size &&
		a.GUID == b.GUID && a.TypeGUID == b.TypeGUID && a.TypeByte == b.TypeByte && a.Attributes == b.Attributes &&
		a.Active == b.Active && a.Logical == b.Logical && a.PartUUID == b.PartUUID
}

func TestReadDamagedGPT(t *testing.T) {
	good := bytesOf(t, layOut(t, disks(t)["gpt"]))
	end := len(good)
	for _, c := range []struct {
		name string
		at   []int
		want string // part of a problem, or of the error
		fail bool
	}{
		{"primary header", []int{512 + 60}, "ingot uses the backup", false},
		{"primary signature", []int{512}, "ingot uses the backup", false},
		{"primary array", []int{1024 + 300}, "array of entries at sector 2", false},
		{"backup header", []int{end - 512 + 60}, "backup GPT cannot be used", false},
		{"backup array", []int{end - 33*512 + 3}, "backup GPT cannot be used", false},
		{"protective MBR", []int{450}, "does not protect", false},
		{"both headers", []int{512 + 60, end - 512 + 60}, "gpt: primary: header", true},
		{"both signatures", []int{512, end - 512}, "neither a primary nor a backup", true},
	} {
		b := bytes.Clone(good)
		for _, at := range c.at {
			b[at] ^= 0xff
		}
		l, err := Read(bytes.NewReader(b), int64(len(b)))
		if c.fail {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: Read() = %v; want an error with %q", c.name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: Read() = %v; want a listing", c.name, err)
			continue
		}
		if len(l.Partitions) != 4 || !strings.Contains(strings.Join(l.Problems, "\n"), c.want) {
			t.Errorf("%s: %d partitions, problems %q; want 4 and %q", c.name, len(l.Partitions), l.Problems, c.want)
		}
	}
}

func TestReadGrownDisk(t *testing.T) {
	b := append(bytesOf(t, layOut(t, disks(t)["gpt"])), make([]byte, miB)...)
	l, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(l.Problems) != 1 || !strings.Contains(l.Problems[0], "has grown") {
		t.Errorf("Read() = %+v, %v; want the one problem that the disk has grown", l, err)
	}
}

func TestReadNoTable(t *testing.T) {
	fat := make([]byte, 4096)
	copy(fat[54:], "FAT16   ")
	fat[510], fat[511] = 0x55, 0xaa
	code := bytes.Repeat([]byte{0x90}, 4096)
	code[510], code[511] = 0x55, 0xaa
	for name, b := range map[string][]byte{"zeros": make([]byte, 8192), "short": make([]byte, 100), "fat": fat, "code": code} {
		if _, err := Read(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrNoTable) {
			t.Errorf("%s: Read() = %v; want ErrNoTable", name, err)
		}
	}
}

func TestReadWhatSfdiskWrote(t *testing.T) {
	sfdisk := testenv.Judge(t, "sfdisk", "fdisk")
	for name, c := range map[string]struct {
		script string
		want   []string
	}{
		"dos":  {"label: dos\nsize=4MiB,bootable\n,8MiB,E\n,1MiB\n,1MiB\n,1MiB\n,1MiB,S\n", []string{"1 linux", "3 linux", "4 linux", "5 linux", "6 swap"}},
		"gpt":  {"label: gpt\nsize=4MiB,type=U,name=boot\nsize=1MiB,type=H,attrs=RequiredPartition\n", []string{"1 esp", "2 home"}},
		"none": {"label: gpt\n", nil},
	} {
		path := t.TempDir() + "/disk"
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(32 * miB); err != nil {
			t.Fatal(err)
		}
		run(t, "/bin/sh", "-c", `printf "$1" | "$2" -q "$3"`, "sh", c.script, sfdisk, path)
		l, err := Read(f, 32*miB)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, p := range l.Partitions {
			got = append(got, string(rune('0'+p.Number))+" "+p.Type)
		}
		if strings.Join(got, ",") != strings.Join(c.want, ",") || len(l.Problems) != 0 {
			t.Errorf("%s: Read() = %q, problems %q; want %q", name, got, l.Problems, c.want)
		}
	}
}

func TestReadExtendedLoop(t *testing.T) {
	d := layOut(t, disks(t)["mbr-logical"])
	b := bytesOf(t, d)
	// The first record's second entry names the next record; let it name the first.
	at := 10240*512 + mbrSignatureOffset + 6 + 16 + 8 // the position in the second entry
	copy(b[at:], []byte{0, 0, 0, 0})
	l, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(l.Problems) == 0 {
		t.Errorf("Read() = %+v, %v; want a problem with the chain", l, err)
	}
}
