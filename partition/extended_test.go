package partition

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// records writes an MBR, and extended boot records at the sectors that they are for.
func records(size int64, at map[int64][4]mbrEntry) []byte {
	b := make([]byte, size)
	for sector, entries := range at {
		copy(b[sector*512:], mbrRecord{Signature: 0x1234, Entries: entries}.encode())
	}
	return b
}

// chains are odd chains of logical partitions: each with the numbers and the first sectors that
// Linux gives to what it finds, and a part of the problem that is told.
var chains = map[string]struct {
	at      map[int64][4]mbrEntry
	want    string
	problem string
	judged  bool // partx, which has the same rules, is asked
}{
	"first record empty": {map[int64][4]mbrEntry{
		0:   {{}, {Type: 5, FirstLBA: 100, Sectors: 900}},
		100: {{}, {Type: 5, FirstLBA: 100, Sectors: 100}},
		200: {{Type: 0x83, FirstLBA: 10, Sectors: 20}, {Type: 5, FirstLBA: 200, Sectors: 100}},
		300: {{Type: 0x83, FirstLBA: 10, Sectors: 20}},
	}, "5 at 210, 6 at 310", "", true},
	"a record in the middle empty": {map[int64][4]mbrEntry{
		0:   {{}, {Type: 0xf, FirstLBA: 100, Sectors: 900}},
		100: {{Type: 0x83, FirstLBA: 10, Sectors: 20}, {Type: 5, FirstLBA: 100, Sectors: 100}},
		200: {{}, {Type: 5, FirstLBA: 200, Sectors: 100}},
		300: {{Type: 0x83, FirstLBA: 10, Sectors: 20}},
	}, "5 at 110, 6 at 310", "", true},
	"two in one record": {map[int64][4]mbrEntry{
		0:   {{Type: 0x83, FirstLBA: 1100, Sectors: 50}, {Type: 5, FirstLBA: 100, Sectors: 900}},
		100: {{Type: 0x83, FirstLBA: 10, Sectors: 20}, {Type: 0x82, FirstLBA: 40, Sectors: 20}, {Type: 5, FirstLBA: 200, Sectors: 100}},
		300: {{Type: 0x83, FirstLBA: 10, Sectors: 20}},
	}, "1 at 1100, 5 at 110, 6 at 140, 7 at 310", "", true},
	"the link first": {map[int64][4]mbrEntry{
		0:   {{}, {Type: 5, FirstLBA: 100, Sectors: 900}},
		100: {{Type: 5, FirstLBA: 200, Sectors: 100}, {Type: 0x83, FirstLBA: 10, Sectors: 20}},
		300: {{Type: 0x83, FirstLBA: 10, Sectors: 20}},
	}, "5 at 110, 6 at 310", "", true},
	"extended inside extended": {map[int64][4]mbrEntry{
		0:   {{}, {Type: 5, FirstLBA: 100, Sectors: 900}},
		100: {{Type: 0x83, FirstLBA: 10, Sectors: 20}, {Type: 0xf, FirstLBA: 200, Sectors: 100}, {Type: 0x85, FirstLBA: 400, Sectors: 100}},
		300: {{Type: 0x83, FirstLBA: 10, Sectors: 20}},
		500: {{Type: 0x83, FirstLBA: 10, Sectors: 20}},
	}, "5 at 110, 6 at 310", "", true},
	"rubbish in the third entry": {map[int64][4]mbrEntry{
		0:   {{}, {Type: 5, FirstLBA: 100, Sectors: 900}},
		100: {{Type: 0x83, FirstLBA: 10, Sectors: 20}, {}, {Type: 0x83, FirstLBA: 5000, Sectors: 20}, {Type: 0x83, FirstLBA: 50, Sectors: 20}},
	}, "5 at 110, 6 at 150", "", true},
	"a loop": {map[int64][4]mbrEntry{
		0:   {{}, {Type: 5, FirstLBA: 100, Sectors: 900}},
		100: {{Type: 0x83, FirstLBA: 10, Sectors: 20}, {Type: 5, FirstLBA: 100, Sectors: 100}},
		200: {{Type: 0x83, FirstLBA: 10, Sectors: 20}, {Type: 5, FirstLBA: 0, Sectors: 100}},
	}, "5 at 110, 6 at 210", "returns to sector 100", false},
	"a loop of one empty record": {map[int64][4]mbrEntry{
		0:   {{}, {Type: 5, FirstLBA: 100, Sectors: 900}},
		100: {{}, {Type: 5, FirstLBA: 0, Sectors: 100}},
	}, "", "returns to sector 100", false},
	"a link beyond the disk": {map[int64][4]mbrEntry{
		0:   {{}, {Type: 5, FirstLBA: 100, Sectors: 900}},
		100: {{Type: 0x83, FirstLBA: 10, Sectors: 20}, {Type: 5, FirstLBA: 90000, Sectors: 100}},
	}, "5 at 110", "logical partition 6 has its boot record at sector 90100, beyond the disk", false},
	"no record": {map[int64][4]mbrEntry{
		0:   {{}, {Type: 5, FirstLBA: 100, Sectors: 900}},
		100: {{Type: 0x83, FirstLBA: 10, Sectors: 20}, {Type: 5, FirstLBA: 300, Sectors: 100}},
	}, "5 at 110", "logical partition 6 has no boot record at sector 400", false},
	"two extended partitions": {map[int64][4]mbrEntry{
		0:   {{Type: 5, FirstLBA: 100, Sectors: 100}, {Type: 0xf, FirstLBA: 300, Sectors: 100}},
		100: {{Type: 0x83, FirstLBA: 10, Sectors: 20}},
		300: {{Type: 0x83, FirstLBA: 10, Sectors: 20}},
	}, "5 at 110, 6 at 310", "", false},
}

// TestLogicalPartitions numbers logical partitions as Linux does.
func TestLogicalPartitions(t *testing.T) {
	partx := testenv.Judge(t, "partx", "util-linux")
	for name, c := range chains {
		b := records(2*miB, c.at)
		l, err := ReadMBR(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, p := range l.Partitions {
			got = append(got, fmt.Sprintf("%d at %d", p.Number, p.Start/512))
			if p.Logical != (p.Number > 4) {
				t.Errorf("%s: partition %d is logical: %v", name, p.Number, p.Logical)
			}
		}
		if s := strings.Join(got, ", "); s != c.want || !strings.Contains(strings.Join(l.Problems, "\n"), c.problem) || (c.problem == "") != (len(l.Problems) == 0) {
			t.Errorf("%s: %s, problems %q; want %s, %q", name, s, l.Problems, c.want, c.problem)
		}
		if !c.judged {
			continue
		}
		path := filepath.Join(t.TempDir(), "disk")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		var theirs []string
		for line := range strings.Lines(run(t, partx, "--raw", "--noheadings", "--output", "NR,START,TYPE", path)) {
			if f := strings.Fields(line); len(f) == 3 && f[2] != "0x5" && f[2] != "0xf" {
				theirs = append(theirs, f[0]+" at "+f[1])
			}
		}
		if s := strings.Join(theirs, ", "); s != c.want {
			t.Errorf("%s: partx says %s; want %s", name, s, c.want)
		}
	}
}

// TestEmptyRecords: a chain of records without partitions is given up.
func TestEmptyRecords(t *testing.T) {
	at := map[int64][4]mbrEntry{0: {{Type: 5, FirstLBA: 100, Sectors: 900}}}
	for i := range int64(200) {
		at[100+i] = [4]mbrEntry{{}, {Type: 5, FirstLBA: uint32(i + 1), Sectors: 1}}
	}
	b := records(2*miB, at)
	l, err := ReadMBR(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(l.Problems) != 1 || !strings.Contains(l.Problems[0], "more than 100 records without a partition, up to sector 201") {
		t.Errorf("ReadMBR = %+v, %v", l, err)
	}
}

// TestManyLogicalPartitions: no disk has more partitions than Linux shows.
func TestManyLogicalPartitions(t *testing.T) {
	at := map[int64][4]mbrEntry{0: {{Type: 5, FirstLBA: 100, Sectors: 900}}}
	for i := range int64(300) {
		at[100+i] = [4]mbrEntry{{Type: 0x83, FirstLBA: 500, Sectors: 1}, {Type: 5, FirstLBA: uint32(i + 1), Sectors: 1}}
	}
	b := records(2*miB, at)
	l, err := ReadMBR(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(l.Partitions) != 251 || len(l.Problems) != 1 || !strings.Contains(l.Problems[0], "more than 255 partitions") {
		t.Errorf("ReadMBR has %d partitions, %q, %v; want 251", len(l.Partitions), l.Problems, err)
	}
}

// TestReadAPM reads what parted writes, and what has no map.
func TestReadAPM(t *testing.T) {
	parted := testenv.Judge(t, "parted", "parted")
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, 8*miB), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, parted, "-s", path, "mklabel", "mac", "mkpart", "first", "ext2", "1MiB", "2MiB", "mkpart", "second", "hfs+", "3MiB", "5MiB")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ReadAPM(bytes.NewReader(b), int64(len(b)))
	if err != nil || l.Kind != APM || len(l.Problems) > 0 {
		t.Fatalf("ReadAPM = %+v, %v", l, err)
	}
	var theirs []string // number, start, end, size, file system, name
	for line := range strings.Lines(run(t, parted, "-s", "-m", path, "unit", "B", "print")) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) > 5 && f[5] != "Apple" && f[0] != path {
			theirs = append(theirs, fmt.Sprintf("%s %s %s %s", f[0], f[5], strings.TrimSuffix(f[1], "B"), strings.TrimSuffix(f[3], "B")))
		}
	}
	var got []string
	for _, p := range l.Partitions {
		got = append(got, fmt.Sprintf("%d %s %d %d", p.Number, p.Name, p.Start, p.Size))
	}
	if strings.Join(got, "; ") != strings.Join(theirs, "; ") || len(got) != 2 || !strings.HasPrefix(l.Partitions[0].Type, "Apple_") {
		t.Errorf("ReadAPM has %q; parted has %q", got, theirs)
	}
	for want, change := range map[string]func(b []byte){
		"no partition table":       func(b []byte) { b[0] = 0 },
		"no partition table ":      func(b []byte) { b[512] = 0 },
		"apm: blocks of 513 bytes": func(b []byte) { b[3] = 1 },
	} {
		damaged := bytes.Clone(b)
		change(damaged)
		if _, err := ReadAPM(bytes.NewReader(damaged), int64(len(damaged))); err == nil || !strings.Contains(err.Error()+" ", want) {
			t.Errorf("ReadAPM = %v; want %s", err, want)
		}
	}
	copy(b[516:], []byte{0xff, 0xff, 0xff, 0xff}) // entries
	clear(b[512*4 : 512*5])
	if l, err := ReadAPM(bytes.NewReader(b), int64(len(b))); err != nil || len(l.Problems) != 2 {
		t.Errorf("ReadAPM of a map of 2^32 entries = %+v, %v", l, err)
	}
}
