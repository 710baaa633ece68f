package partition

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// TestRaw: what lies outside of partitions is where it is wanted, partitions keep clear of
// it, and the tables say nothing else.
func TestRaw(t *testing.T) {
	spl, loader := bytes.Repeat([]byte("spl "), 8<<10), bytes.Repeat([]byte("loader "), 200_000)
	for _, kind := range []Kind{MBR, GPT, Hybrid} {
		t.Run(kind.String(), func(t *testing.T) {
			table := Table{Kind: kind, Seed: seed,
				Raw:        []Raw{{"code", 0, image.Bytes("boot code")}, {"spl", 32 << 10, image.Bytes(spl)}, {"loader", 512<<10 + 3, image.Bytes(loader)}},
				Partitions: []Partition{{Name: "root", Content: content(t, "root", 3*miB), InMBR: kind == Hybrid}}}
			d := layOut(t, table)
			if got, want := d.Partitions[0].Start, int64(2*miB); got != want {
				t.Errorf("the partition begins at %d; want %d, after what is raw", got, want)
			}
			for _, r := range table.Raw {
				want, err := image.ReadAll(r.Content)
				if err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(want))
				if _, err := d.Map.ReadAt(got, r.Start); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s at %d: %v, and other bytes than were given", r.Name, r.Start, err)
				}
			}
			disk := t.TempDir() + "/disk"
			if err := fstest.Write(d.Map, disk); err != nil {
				t.Fatal(err)
			}
			if out := fstest.Run(t, fstest.Judge(t, "sfdisk", "fdisk"), "--verify", disk); !strings.Contains(out, "No errors") {
				t.Errorf("sfdisk --verify: %s", out)
			}
			if kind != MBR {
				if out := fstest.Run(t, fstest.Judge(t, "sgdisk", "gdisk"), "--verify", disk); !strings.Contains(out, "No problems found") {
					t.Errorf("sgdisk --verify: %s", out)
				}
			}
			if st, err := os.Stat(disk); err != nil || st.Size() != d.Map.Size() {
				t.Errorf("the disk has another size than its Map: %v, %v", st, err)
			}
		})
	}
}

// TestRawGap: a boot loader's core image gets what is left before the first raw bytes.
func TestRawGap(t *testing.T) {
	d := layOut(t, Table{Kind: MBR, Seed: seed, Raw: []Raw{{"spl", 8 << 10, image.Bytes("spl")}}, Partitions: []Partition{{Name: "root", Size: miB}}})
	if got, want := d.Embedding, (Region{512, 8<<10 - 512, "the gap before raw bytes spl"}); got != want {
		t.Errorf("Embedding = %v; want %v", got, want)
	}
}

// TestRawAlone: they make the disk larger, as partitions do.
func TestRawAlone(t *testing.T) {
	d := layOut(t, Table{Kind: MBR, Seed: seed, Raw: []Raw{{"late", 5*miB + 1, image.Bytes("late")}}})
	if got := d.Map.Size(); got != 6*miB {
		t.Errorf("size %d; want %d", got, 6*miB)
	}
}

func TestRawRefusals(t *testing.T) {
	some := image.Bytes(make([]byte, 1024))
	root := []Partition{{Name: "root", Start: miB, Size: miB}}
	for _, c := range []struct {
		table Table
		want  string
	}{
		{Table{Raw: []Raw{{"spl", 8 << 10, some}}},
			"the gpt table (bytes 440 to 17407) and raw bytes spl (bytes 8192 to 9215) overlap by 1 KiB: move one of them"},
		{Table{Kind: MBR, Raw: []Raw{{"code", 0, some[:441]}}},
			"raw bytes code (bytes 0 to 440) and the mbr table (bytes 440 to 511) overlap by 1 byte"},
		{Table{Kind: MBR, Raw: []Raw{{"a", 1024, some}, {"b", 2047, some}}},
			"raw bytes a (bytes 1024 to 2047) and raw bytes b (bytes 2047 to 3070) overlap by 1 byte"},
		{Table{Kind: MBR, Raw: []Raw{{"a", miB + 1, some}}, Partitions: root},
			"partition root (bytes 1048576 to 2097151) and raw bytes a (bytes 1048577 to 1049600) overlap by 1 KiB"},
		{Table{Size: 4 * miB, Raw: []Raw{{"a", 4*miB - 2048, some}}},
			"the backup of the gpt table (bytes 4177408 to 4194303)"},
		{Table{Kind: MBR, Size: 4 * miB, Raw: []Raw{{"a", 4*miB - 1023, some}}},
			"the last one, raw bytes a, ends 512 bytes beyond the disk's size of 4 MiB"},
		{Table{Raw: []Raw{{"a", 0, image.Bytes(nil)}}}, "raw bytes a: there are none"},
		{Table{Raw: []Raw{{"a", -1, some}}}, "raw bytes a: 1024 bytes at byte -1"},
	} {
		if _, err := c.table.Layout(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Layout = %v; want %s", err, c.want)
		}
	}
}
