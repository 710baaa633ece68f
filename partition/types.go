package partition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/uuid"
)

// partitionType is what a type's name stands for. A type that has no byte cannot
// stand in an MBR.
type partitionType struct {
	name string
	guid string
	mbr  byte
}

// partitionTypes are the types with names, in the order that errors list them.
//
// GUIDs are those of the UEFI specification, of the Discoverable Partitions
// Specification (https://uapi-group.org/specifications/specs/discoverable_partitions_specification/)
// and, for bios-boot, of GRUB. The bytes are the ones that sfdisk --list-types shows.
var partitionTypes = append([]partitionType{
	{"linux", string(gpt.LinuxFilesystem), 0x83},
	{"esp", string(gpt.EFISystemPartition), 0xef},
	{"bios-boot", string(gpt.BIOSBoot), 0},
	{"boot", string(gpt.LinuxExtendedBoot), 0xea},
	{"swap", string(gpt.LinuxSwap), 0x82},
	{"home", string(gpt.LinuxHome), 0x83},
	{"srv", string(gpt.LinuxServerData), 0x83},
	{"var", "4D21B016-B534-45C2-A9FB-5C16E091FD2D", 0x83},
	{"tmp", "7EC6F557-3BC5-4ACA-B293-16EF5DF639D1", 0x83},
	{"lvm", string(gpt.LinuxLVM), 0x8e},
	{"raid", string(gpt.LinuxRAID), 0xfd},
	{"luks", string(gpt.LinuxLUKS), 0xe8},
	{"data", string(gpt.MicrosoftBasicData), 0x0c},
	{"fat12", string(gpt.MicrosoftBasicData), 0x01},
	{"fat16", string(gpt.MicrosoftBasicData), 0x0e},
	{"fat32", string(gpt.MicrosoftBasicData), 0x0c},
	{"ntfs", string(gpt.MicrosoftBasicData), 0x07},
	{"prep", string(gpt.PowerPCPRePBoot), 0x41},
}, discoverableTypes()...)

// typeAliases are other tools' names for the same types.
var typeAliases = map[string]string{
	"efi": "esp", "uefi": "esp", "efi-system": "esp",
	"bios": "bios-boot", "bios-grub": "bios-boot", "biosboot": "bios-boot",
	"xbootldr": "boot", "bls-boot": "boot", "linux-extended": "boot",
	"linux-swap": "swap", "linux-home": "home", "linux-server-data": "srv",
	"linux-root": "root", "linux-usr": "usr", "linux-lvm": "lvm", "linux-raid": "raid",
	"microsoft-basic-data": "data", "msdata": "data", "fat": "data",
}

// Types returns the names that [Partition.Type] knows, those that stand for the type of the
// table's architecture at the end.
func Types() []string {
	names := make([]string, 0, len(partitionTypes)+len(ofArch))
	for _, t := range partitionTypes {
		names = append(names, t.name)
	}
	return append(names, ofArch[:]...)
}

// KnownTypes says in words which types [Partition.Type] can be.
func KnownTypes() string {
	var names, arches []string
	for _, t := range partitionTypes[:len(partitionTypes)-len(discoverableTypes())] {
		names = append(names, t.name)
	}
	for _, a := range discoverable {
		arches = append(arches, a.arch)
	}
	return fmt.Sprintf("%s, %s (and these six for another architecture, as in root-arm64: %s), a GUID, or in an mbr table a byte such as 0x83",
		strings.Join(names, ", "), strings.Join(ofArch[:], ", "), strings.Join(arches, ", "))
}

// TypeName returns the name of a type by its GUID or, where that is empty, by its
// byte in an MBR; where it has no name, the GUID or the byte itself.
func TypeName(guid string, b byte) string {
	for _, t := range partitionTypes {
		if guid != "" && strings.EqualFold(t.guid, guid) || guid == "" && b != 0 && t.mbr == b {
			return t.name
		}
	}
	if guid != "" {
		return strings.ToUpper(guid)
	}
	return fmt.Sprintf("0x%02x", b)
}

// CanonicalType returns the one name of a type that can be spelled in several ways: "esp"
// for "EFI", for its GUID and, in an MBR, for 0xEF. arch is what [Table.Arch] is; of the
// types that differ by the architecture its own have the short names. The error is that of
// [Table.Layout] where there is no such type.
func CanonicalType(kind Kind, arch, s string) (string, error) {
	t, err := parseType(s, arch)
	if err != nil {
		return "", err
	}
	name := t.name
	switch {
	case t.mbr != 0 && t.guid == "" && kind == MBR:
		name = TypeName("", t.mbr)
	case t.mbr != 0 && t.guid == "":
		return "", fmt.Errorf("type %s is a byte of an MBR, and the table is %s: name the type or give its GUID", s, kind)
	case strings.EqualFold(t.name, t.guid) || fold(s) == strings.ToLower(t.guid):
		name = TypeName(t.guid, 0)
	}
	for _, short := range ofArch {
		if name == withArch(short, arch) {
			return short, nil
		}
	}
	return name, nil
}

// parseType reads a type of a table for an architecture. A raw GUID or byte comes with the
// other half where one of the named types has it; what is missing is empty or 0.
func parseType(s, arch string) (partitionType, error) {
	name := fold(s)
	if alias, ok := typeAliases[name]; ok {
		name = alias
	}
	name = withArch(name, arch)
	for _, t := range partitionTypes {
		if t.name == name {
			return t, nil
		}
	}
	if hex, ok := strings.CutPrefix(name, "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 8)
		if err != nil || n == 0 {
			return partitionType{}, fmt.Errorf("type %q: an MBR type is a byte from 0x01 to 0xff", s)
		}
		if b := byte(n); b == 0xee || isExtended(b) {
			return partitionType{}, fmt.Errorf("type %q belongs to the table itself, not to a partition", s)
		}
		return partitionType{name: s, mbr: byte(n)}, nil
	}
	if len(name) == 36 {
		g, err := uuid.Parse(name)
		if err == nil && g != uuid.Nil {
			t := partitionType{name: s, guid: strings.ToUpper(g.String())}
			if i := slices.IndexFunc(partitionTypes, func(k partitionType) bool { return k.guid == t.guid }); i >= 0 {
				t.mbr = partitionTypes[i].mbr
			}
			return t, nil
		}
	}
	return partitionType{}, fmt.Errorf("unknown type %q: known are %s", s, KnownTypes())
}

// fold writes a name of a type or a flag the way the tables here spell it.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

// The attribute bits of a GPT entry: 0 to 2 are those of the UEFI specification,
// table 5.7; 59, 60 and 63 those of the Discoverable Partitions Specification; 62 is
// Microsoft's.
var attributeBits = map[string]uint{
	"required":    0,
	"no-block-io": 1,
	"legacy-boot": 2,
	"grow":        59,
	"read-only":   60,
	"hidden":      62,
	"no-auto":     63,
}

// flagTypes are flags of parted's that are types in truth.
var flagTypes = map[string]string{"esp": "esp", "bios-boot": "bios-boot", "bios-grub": "bios-boot", "swap": "swap", "lvm": "lvm", "raid": "raid", "bls-boot": "boot"}

// Flags returns the names that [Partition.Flags] knows.
//
// "boot" marks the partition that a PC starts from: the active one of an MBR, the
// one with the attribute "legacy BIOS bootable" of a GPT, both in a hybrid table.
// "required", "no-block-io", "legacy-boot", "grow", "read-only", "hidden" and
// "no-auto" are attributes of a GPT, as is "attribute:N" for bit N. "esp",
// "bios-boot", "swap", "lvm" and "raid" are there for people who know parted, and
// set the type.
func Flags() []string {
	names := []string{"boot"}
	for name := range attributeBits {
		names = append(names, name)
	}
	for name := range flagTypes {
		names = append(names, name)
	}
	slices.Sort(names)
	return append(names, "attribute:N")
}

// flagSet is what a partition's flags come to.
type flagSet struct {
	active     bool
	attributes uint64
	typeName   string // a type that a flag asks for
}

// FlagType returns the type that flags ask for, "" if none does.
func FlagType(kind Kind, flags []string) (string, error) {
	f, err := parseFlags(kind, flags)
	return f.typeName, err
}

// CanonicalFlags returns the flags of a partition of a type by one name each and in one
// order, without those that the type says; flags that there are not are left as they are.
func CanonicalFlags(kind Kind, flags []string, typeName string) []string {
	f, err := parseFlags(kind, flags)
	if err != nil {
		return flags
	}
	var names []string
	legacy := uint64(1) << attributeBits["legacy-boot"]
	if f.active || kind == GPT && f.attributes&legacy != 0 {
		names, f.attributes = []string{"boot"}, f.attributes&^legacy
	}
	for bit := range uint(64) {
		if f.attributes&(1<<bit) == 0 {
			continue
		}
		name := fmt.Sprintf("attribute:%d", bit)
		for known, b := range attributeBits {
			if b == bit {
				name = known
			}
		}
		names = append(names, name)
	}
	if f.typeName != "" && f.typeName != typeName {
		names = append(names, f.typeName)
	}
	slices.Sort(names)
	return names
}

func parseFlags(kind Kind, flags []string) (flagSet, error) {
	var f flagSet
	for _, s := range flags {
		name := fold(s)
		bit, attribute := attributeBits[name]
		if n, ok := strings.CutPrefix(name, "attribute:"); ok {
			v, err := strconv.ParseUint(n, 10, 8)
			if err != nil || v > 63 {
				return f, fmt.Errorf("flag %q: a GPT entry has the attribute bits 0 to 63", s)
			}
			bit, attribute = uint(v), true
		}
		typeName, isType := flagTypes[name]
		switch {
		case attribute && kind == MBR:
			return f, fmt.Errorf("flag %q is an attribute of a GPT, and the table is %s", s, kind)
		case attribute:
			f.attributes |= 1 << bit
		case name == "boot":
			f.active = true
			if kind != MBR {
				f.attributes |= 1 << attributeBits["legacy-boot"]
			}
		case isType && f.typeName != "" && f.typeName != typeName:
			return f, fmt.Errorf("flag %q asks for the type %s, and another flag for %s", s, typeName, f.typeName)
		case isType:
			f.typeName = typeName
		default:
			return f, fmt.Errorf("unknown flag %q: known are %s", s, strings.Join(Flags(), ", "))
		}
	}
	return f, nil
}
