package partition

import (
	"strings"
	"testing"

	"ingot/image"

	"pgregory.net/rapid"
)

// TestDivide: shares are of what is left, and together they fill the disk.
func TestDivide(t *testing.T) {
	share := func(s Share) Partition { return Partition{Share: s} }
	for _, c := range []struct {
		name  string
		table Table
		want  []int64 // in MiB
	}{
		{"all", Table{Partitions: []Partition{share(100_00)}}, []int64{98}},
		{"two", Table{Partitions: []Partition{share(40_00), share(60_00)}}, []int64{39, 59}},
		{"beside others", Table{Partitions: []Partition{{Size: miB}, {Size: 32*miB - 1024}, share(50_00), {Content: content(t, "x", 5*miB)}}}, []int64{1, 31, 30, 5}},
		{"not all", Table{Partitions: []Partition{share(10_00)}}, []int64{9}},
		{"mbr", Table{Kind: MBR, Partitions: []Partition{share(100_00)}}, []int64{99}},
		{"logical", Table{Kind: MBR, Partitions: []Partition{{Size: miB}, {Size: miB}, {Size: miB}, {Size: miB}, share(100_00)}}, []int64{1, 1, 1, 1, 93}},
		{"around raw bytes", Table{Kind: MBR, Raw: []Raw{{"a", 512 << 10, image.Bytes(make([]byte, 2*miB))}}, Partitions: []Partition{share(100_00)}}, []int64{97}},
	} {
		c.table.Size, c.table.Seed = 100*miB, seed
		d, err := c.table.Layout()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, p := range d.Partitions {
			if got := p.Size / miB; got != c.want[i] {
				t.Errorf("%s: partition %d has %d MiB; want %d", c.name, p.Number, got, c.want[i])
			}
		}
	}
}

func TestDivideRefusals(t *testing.T) {
	for _, c := range []struct {
		table Table
		want  string
	}{
		{Table{Partitions: []Partition{{Share: 1}}}, "partitions have shares of the disk, but it has no size"},
		{Table{Size: 8 * miB, Partitions: []Partition{{Share: 60_00}, {Share: 40_01}}}, "the shares of the disk's partitions add up to 100.01%"},
		{Table{Size: 8 * miB, Partitions: []Partition{{Share: 100_00}, {Size: 6 * miB}}}, "nothing is left of the disk's size of 8 MiB for the shares"},
		{Table{Size: 8 * miB, Partitions: []Partition{{Share: 10_00}}}, "nothing is left of the disk's size of 8 MiB for the shares"},
	} {
		if _, err := c.table.Layout(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Layout = %v; want %s", err, c.want)
		}
	}
}

// TestDivideBlamesNoShare: what overlaps whatever the shares are is told as it is.
func TestDivideBlamesNoShare(t *testing.T) {
	table := Table{Size: 8 * miB, Partitions: []Partition{{Share: 100_00}}, Raw: []Raw{{Name: "spl", Start: 8 << 10, Content: image.Bytes("x")}}}
	const want = "the gpt table (bytes 440 to 17407) and raw bytes spl"
	if _, err := table.Layout(); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Layout = %v; want %s", err, want)
	}
}

// TestDivideIsTight: a unit of the alignment more would not fit.
func TestDivideIsTight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := Table{Kind: Kind(rapid.IntRange(0, 1).Draw(t, "kind")), Size: rapid.Int64Range(20, 4000).Draw(t, "size")*miB + 512, Seed: seed}
		n := rapid.IntRange(1, 6).Draw(t, "partitions")
		for range n {
			table.Partitions = append(table.Partitions, Partition{Size: rapid.Int64Range(1, 2*miB).Draw(t, "bytes")})
		}
		at := rapid.IntRange(0, n-1).Draw(t, "the one that takes the rest")
		table.Partitions[at] = Partition{Share: AllOfIt}
		divided, err := table.Divide()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := divided.Layout(); err != nil {
			t.Fatal(err)
		}
		divided.Partitions[at].Size += defaultAlign
		if _, err := divided.Layout(); err == nil {
			t.Fatalf("with %d bytes more the partition still fits", defaultAlign)
		}
	})
}

func TestParseShare(t *testing.T) {
	for text, want := range map[string]Share{"40%": 40_00, " 100 % ": 100_00, "0.01%": 1, "33.3%": 33_30, "12.34%": 12_34} {
		got, err := ParseShare(text)
		if err != nil || got != want {
			t.Errorf("ParseShare(%q) = %d, %v; want %d", text, got, err, want)
		}
		if back, err := ParseShare(got.String()); err != nil || back != want {
			t.Errorf("ParseShare(%q) = %d, %v; want %d", got, back, err, want)
		}
	}
	for _, text := range []string{"", "%", "40", "0%", "0.00%", "100.01%", "1.234%", "-1%", "x%", "1e1%", "4294967297%", "+4%"} {
		if got, err := ParseShare(text); err == nil {
			t.Errorf("ParseShare(%q) = %d; want an error", text, got)
		}
	}
}
