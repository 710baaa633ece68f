package partition

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// sfdiskArches are the names of architectures that util-linux has for the specification's.
var sfdiskArches = map[string]string{
	"ARM-64": "arm64", "HPPA/PARISC": "parisc", "IA-64": "ia64", "LoongArch-64": "loongarch64", "MIPS-32 LE": "mips-le", "MIPS-64 LE": "mips64-le",
	"PPC64LE": "ppc64-le", "RISC-V-32": "riscv32", "RISC-V-64": "riscv64", "TILE-Gx": "tilegx",
}

// TestDiscoverableTypes compares the types that there are for each architecture with those
// of sfdisk, in both directions.
func TestDiscoverableTypes(t *testing.T) {
	theirs := map[string]string{}
	line := regexp.MustCompile(`^([0-9A-F-]{36})\s+Linux (root|/usr)( verity)?( sign\.)? \((.*)\)`)
	for l := range strings.Lines(run(t, testenv.Judge(t, "sfdisk", "fdisk"), "-X", "gpt", "-T")) {
		m := line.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		name := strings.TrimPrefix(m[2], "/")
		if m[3] != "" {
			name += "-verity"
		}
		if m[4] != "" {
			name += "-sig"
		}
		arch, ok := sfdiskArches[m[5]]
		if !ok {
			arch = strings.ToLower(m[5])
		}
		theirs[name+"-"+arch] = m[1]
	}
	if len(theirs) < 6*18 {
		t.Fatalf("sfdisk lists %d types of roots and /usr; want 6 for each of 18 architectures", len(theirs))
	}
	for _, own := range partitionTypes {
		if _, _, ok := splitArch(own.name); !ok {
			continue
		}
		if strings.HasSuffix(own.name, "-parisc") && theirs[own.name] == "" {
			continue // Debian 12's sfdisk does not know them, that of Debian 13 does
		}
		if own.guid != theirs[own.name] {
			t.Errorf("%s is %s; sfdisk has %q", own.name, own.guid, theirs[own.name])
		}
		delete(theirs, own.name)
	}
	for name, guid := range theirs {
		t.Errorf("%s, which sfdisk has as %s, is missing", name, guid)
	}
}

// TestTypesOfArch lays out disks for every architecture that a recipe can name, and has
// sfdisk say which types these have.
func TestTypesOfArch(t *testing.T) {
	sfdisk := testenv.Judge(t, "sfdisk", "fdisk")
	for arch, want := range map[string]string{
		"": "x86-64", "x86_64": "x86-64", "i686": "x86", "aarch64": "arm64", "armhf": "arm", "riscv64": "riscv64",
	} {
		for _, kind := range []Kind{GPT, MBR, Hybrid} {
			table := Table{Kind: kind, Arch: arch, Seed: seed}
			for i, name := range ofArch {
				if kind == MBR && i == 2 {
					break // enough for the primary ones
				}
				table.Partitions = append(table.Partitions, Partition{Name: name, Type: name, Size: miB, InMBR: kind == Hybrid && i < 2})
			}
			d := layOut(t, table)
			if kind != MBR {
				said := strings.ToUpper(run(t, sfdisk, "-d", write(t, d)))
				for i, p := range d.Partitions {
					j := slices.IndexFunc(partitionTypes, func(t partitionType) bool { return t.name == ofArch[i]+"-"+want })
					if guid := partitionTypes[j].guid; p.TypeGUID != guid || !strings.Contains(said, "TYPE="+guid) {
						t.Errorf("%s for %q in a %s table has the type %s; want %s\n%s", p.Name, arch, kind, p.TypeGUID, guid, said)
					}
				}
			}
			for _, p := range d.Partitions {
				if (kind == MBR || p.InMBR) && p.TypeByte != 0x83 {
					t.Errorf("%s for %q in a %s table has the type %#x; want 0x83", p.Name, arch, kind, p.TypeByte)
				}
			}
		}
	}
}

func TestCanonicalFlags(t *testing.T) {
	for _, c := range []struct {
		kind  Kind
		flags string
		name  string
		want  string
	}{
		{GPT, "", "", ""}, {GPT, "boot", "", "boot"}, {GPT, "legacy-boot", "", "boot"}, {GPT, "ATTRIBUTE:2,boot", "", "boot"},
		{MBR, "boot", "", "boot"}, {Hybrid, "boot", "", "boot"}, {Hybrid, "legacy-boot", "", "legacy-boot"},
		{GPT, "Read_Only,attribute:59,no-auto", "", "grow,no-auto,read-only"}, {GPT, "attribute:50", "", "attribute:50"},
		{GPT, "esp", "esp", ""}, {GPT, "bios_grub", "", "bios-boot"}, {GPT, "nonesuch", "", "nonesuch"},
	} {
		var flags []string
		if c.flags != "" {
			flags = strings.Split(c.flags, ",")
		}
		if got := strings.Join(CanonicalFlags(c.kind, flags, c.name), ","); got != c.want {
			t.Errorf("CanonicalFlags(%s, %s, %q) = %s; want %s", c.kind, c.flags, c.name, got, c.want)
		}
	}
}

func TestCanonicalType(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		arch string
		s    string
		want string // "" is an error
	}{
		{GPT, "", "EFI", "esp"}, {GPT, "", "esp", "esp"}, {MBR, "", "0xEF", "esp"}, {MBR, "", "0xef", "esp"},
		{GPT, "", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "esp"}, {GPT, "", "0xef", ""}, {Hybrid, "", "0xef", ""},
		{GPT, "", "bios_grub", "bios-boot"}, {GPT, "", "Linux_Swap", "swap"}, {MBR, "", "0x82", "swap"}, {MBR, "", "0x83", "linux"},
		{MBR, "", "0x0b", "0x0b"}, {MBR, "", "0xB", "0x0b"}, {GPT, "", "fat16", "fat16"}, {MBR, "", "fat16", "fat16"},
		{GPT, "x86_64", "root", "root"}, {GPT, "x86_64", "root-x86-64", "root"}, {GPT, "x86_64", "root-x86_64", "root"},
		{GPT, "x86_64", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "root"}, {GPT, "x86_64", "root-aarch64", "root-arm64"},
		{GPT, "aarch64", "root", "root"}, {GPT, "aarch64", "root-arm64", "root"}, {GPT, "aarch64", "b921b045-1df0-41c3-af44-4c6f280d3fae", "root"},
		{GPT, "aarch64", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "root-x86-64"}, {GPT, "riscv64", "usr-verity-sig-riscv64", "usr-verity-sig"},
		{GPT, "", "48465300-0000-11aa-aa11-00306543ecac", "48465300-0000-11AA-AA11-00306543ECAC"},
		{GPT, "", "", ""}, {GPT, "", "linx", ""}, {GPT, "", "root-vax", ""}, {GPT, "m68k", "root", ""},
	} {
		got, err := CanonicalType(c.kind, c.arch, c.s)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("CanonicalType(%s, %q, %q) = %q, %v; want %q", c.kind, c.arch, c.s, got, err, c.want)
		}
	}
	for _, name := range Types() {
		if got, err := CanonicalType(GPT, "", name); err != nil || got != name && !strings.HasSuffix(name, "-x86-64") {
			t.Errorf("CanonicalType(%q) = %q, %v; want it unchanged", name, got, err)
		}
	}
}

// TestTypesText: the table of types holds well-formed GUIDs, and each name once.
func TestTypesText(t *testing.T) {
	if got, want := len(partitionTypes), 18+6*19; got != want {
		t.Errorf("there are %d types; want %d", got, want)
	}
	seen := map[string]bool{}
	for _, p := range partitionTypes {
		if guid, err := parseGUID(p.guid); err != nil || guid != p.guid || seen[p.name] {
			t.Errorf("type %s: %q, %v, in the table before: %v", p.name, p.guid, err, seen[p.name])
		}
		seen[p.name] = true
	}
}
