package partition

import (
	"strings"
	"testing"
)

func TestRefusals(t *testing.T) {
	many := func(n int, p Partition) []Partition {
		out := make([]Partition, n)
		for i := range out {
			out[i] = p
		}
		return out
	}
	root := Partition{Name: "root", Size: miB}
	for _, c := range []struct {
		name  string
		table Table
		want  string
	}{
		{"one name", Table{Partitions: []Partition{root, {Name: "esp", Size: miB}, root}},
			`partitions 1 (root) and 3 (root) have one name, "root"`},
		{"one label", Table{Partitions: []Partition{{Name: "a", Size: miB, Label: "data"}, {Name: "b", Size: miB, Label: "data"}}},
			`partitions 1 (a) and 2 (b) have one label, "data"`},
		{"one UUID", Table{Kind: MBR, Partitions: []Partition{{Size: miB, UUID: "ABCD-1234"}, {Size: miB, UUID: "abcd-1234"}}},
			`have one UUID, "abcd-1234"`},
		{"one GUID", Table{Partitions: []Partition{{Size: miB, GUID: "7ec6f557-3bc5-4aca-b293-16ef5df639d1"}, {Size: miB, GUID: "7EC6F557-3BC5-4ACA-B293-16EF5DF639D1"}}},
			`have one GUID, "7EC6F557-`},
		{"disk GUID", Table{GUID: "7ec6f557-3bc5-4aca-b293-16ef5df639d1", Partitions: []Partition{{Size: miB, GUID: "7EC6F557-3BC5-4ACA-B293-16EF5DF639D1"}}},
			`is that of the disk`},
		{"bad GUID", Table{Partitions: []Partition{{Name: "root", Size: miB, GUID: "abc"}}}, `partition root: GUID "abc" is not of the form`},
		{"overlap", Table{Partitions: []Partition{{Name: "a", Start: miB, Size: 3 * miB}, {Name: "b", Start: 2 * miB, Size: miB}}},
			"partition a (bytes 1048576 to 4194303) and partition b (bytes 2097152 to 3145727) overlap by 1 MiB"},
		{"too large", Table{Size: 4 * miB, Partitions: []Partition{{Name: "root", Size: 6 * miB}}},
			"the last one, root, ends 3.0 MiB (3,162,624 bytes) beyond the disk's size of 4 MiB"},
		{"no room at all", Table{Size: 512 * 20}, "the gpt table alone needs 33.5 KiB"},
		{"content", Table{Partitions: []Partition{{Name: "root", Size: miB, Content: content(t, "x", 3*miB)}}},
			"partition root: size 1 MiB, and what it holds needs 2 MiB more"},
		{"no size", Table{Partitions: []Partition{{Name: "root"}}}, "partition root: has neither a size nor anything in it"},
		{"negative", Table{Partitions: []Partition{{Size: -1}}}, "partition number 1: size of -1 bytes"},
		{"type", Table{Partitions: []Partition{{Name: "root", Type: "linx", Size: miB}}}, `partition root: unknown type "linx": known are linux, esp, bios-boot,`},
		{"byte in gpt", Table{Partitions: []Partition{{Name: "root", Type: "0x83", Size: miB}}}, "type 0x83 is a byte of an MBR, and the table is gpt"},
		{"guid in mbr", Table{Kind: MBR, Partitions: []Partition{{Name: "r", Type: "48465300-0000-11AA-AA11-00306543ECAC", Size: miB}}}, "has no byte in an MBR"},
		{"bios-boot in mbr", Table{Kind: MBR, Partitions: []Partition{{Name: "b", Type: "bios-boot", Size: miB}}}, "remove this partition"},
		{"extended", Table{Kind: MBR, Partitions: []Partition{{Type: "0x05", Size: miB}}}, "belongs to the table itself"},
		{"flag", Table{Partitions: []Partition{{Name: "r", Size: miB, Flags: []string{"bot"}}}}, `unknown flag "bot": known are `},
		{"attribute in mbr", Table{Kind: MBR, Partitions: []Partition{{Name: "r", Size: miB, Flags: []string{"hidden"}}}}, "is an attribute of a GPT"},
		{"attribute", Table{Partitions: []Partition{{Name: "r", Size: miB, Flags: []string{"attribute:64"}}}}, "bits 0 to 63"},
		{"flag against type", Table{Partitions: []Partition{{Name: "r", Type: "home", Size: miB, Flags: []string{"esp"}}}}, "a flag sets the type esp"},
		{"two active", Table{Kind: MBR, Partitions: []Partition{{Name: "a", Size: miB, Flags: []string{"boot"}}, {Name: "b", Size: miB, Flags: []string{"boot"}}}},
			"partition b: flag boot: partition a has it already"},
		{"logical active", Table{Kind: MBR, Partitions: append(many(4, Partition{Size: miB}), Partition{Size: miB, Flags: []string{"boot"}})},
			"partition number 6: flag boot: only the first 3 of more than 4"},
		{"mbr GUID", Table{Kind: MBR, GUID: "7ec6f557-3bc5-4aca-b293-16ef5df639d1"}, "an mbr table has a signature of 32 bits instead"},
		{"mbr of 3 TiB", Table{Kind: MBR, Partitions: []Partition{{Name: "root", Size: 3 << 40}}}, "an mbr table reaches 1.9 TiB (2,199,023,255,040 bytes) with sectors of 512 bytes; use table gpt"},
		{"gpt of 129", Table{Partitions: many(129, Partition{Size: miB})}, "129 partitions: table gpt holds 128"},
		{"mbr of 60", Table{Kind: MBR, Partitions: many(60, Partition{Size: miB})}, "60 partitions: table mbr holds 59"},
		{"long name", Table{Partitions: []Partition{{Name: strings.Repeat("n", 35) + "🌳", Size: miB}}}, "name is 37 UTF-16 units long, and a GPT holds 36"},
		{"NUL in name", Table{Partitions: []Partition{{Name: "a\x00b", Size: miB}}}, "is not UTF-8 without NUL"},
		{"start in table", Table{Partitions: []Partition{{Name: "a", Start: 512, Size: miB}}}, "start at byte 512: the gpt table needs the first 17408 bytes"},
		{"odd start", Table{Partitions: []Partition{{Name: "a", Start: miB + 1, Size: miB}}}, "multiple of the sector size 512"},
		{"own alignment", Table{Partitions: []Partition{{Name: "a", Start: 3 * miB, Align: 2 * miB, Size: miB}}}, "not a multiple of its own alignment, 2 MiB"},
		{"alignment", Table{Align: 1000}, "alignment of 1000 bytes"},
		{"disk size", Table{Size: miB + 1}, "disk size of 1048577 bytes"},
		{"sector size", Table{SectorSize: 1024}, "sectors of 512 or 4096 bytes"},
		{"hybrid without", Table{Kind: Hybrid, Partitions: []Partition{root}}, "mark one, or use table gpt"},
		{"hybrid with 4", Table{Kind: Hybrid, Partitions: many(4, Partition{Size: miB, InMBR: true})}, "4 partitions are to stand in the MBR: that of a hybrid table holds 3"},
		{"in MBR of gpt", Table{Partitions: []Partition{{Name: "a", Size: miB, InMBR: true}}}, "use table hybrid"},
		{"hybrid far out", Table{Kind: Hybrid, Partitions: []Partition{{Name: "a", Start: 4 << 40, Size: miB, InMBR: true}}}, "move it towards the start"},
		{"primary amid", Table{Kind: MBR, Partitions: append([]Partition{{Name: "p", Start: 40 * miB, Size: miB}, {Size: miB}, {Size: miB}, {Start: 20 * miB, Size: miB}}, Partition{Start: 60 * miB, Size: miB})},
			"partition p: lies amid the logical partitions"},
		{"logical out of order", Table{Kind: MBR, Partitions: append(many(4, Partition{Size: miB}), Partition{Start: 2 * miB, Size: miB})}, "stand in order"},
	} {
		d, err := c.table.Layout()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Layout() = %v, %v; want an error with %q", c.name, d, err, c.want)
		} else if strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("%s: error of more than a line: %q", c.name, err)
		}
	}
}

func TestParseKind(t *testing.T) {
	for s, want := range map[string]Kind{"": GPT, "gpt": GPT, "GPT": GPT, "mbr": MBR, "msdos": MBR, "dos": MBR, "hybrid": Hybrid} {
		if got, err := ParseKind(s); err != nil || got != want {
			t.Errorf("ParseKind(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	if _, err := ParseKind("apm"); err == nil || !strings.Contains(err.Error(), "known are gpt") {
		t.Errorf("ParseKind(apm) = %v; want an error that names the known ones", err)
	}
}
