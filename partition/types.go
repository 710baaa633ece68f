package partition

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// partitionType is a type of partitions. An MBR cannot contain one without a byte.
type partitionType struct {
	name string
	guid string
	mbr  byte
}

//go:embed types.txt
var typesText string

// partitionTypes are the types with names.
var partitionTypes = readTypes(typesText)

func readTypes(text string) (types []partitionType) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		b, err := strconv.ParseUint(fields[2], 16, 8)
		if err != nil {
			panic(err) // the text is a part of this program
		}
		types = append(types, partitionType{fields[0], fields[1], byte(b)})
	}
	return types
}

// typeAliases are other tools' names for the same types.
var typeAliases = map[string]string{
	"efi": "esp", "uefi": "esp", "efi-system": "esp",
	"bios": "bios-boot", "bios-grub": "bios-boot", "biosboot": "bios-boot",
	"xbootldr": "boot", "bls-boot": "boot", "linux-extended": "boot",
	"linux-swap": "swap", "linux-home": "home", "linux-server-data": "srv",
	"linux-root": "root", "linux-usr": "usr", "linux-lvm": "lvm", "linux-raid": "raid",
	"microsoft-basic-data": "data", "msdata": "data", "fat": "data",
}

// Types returns the names that [Partition.Type] knows. Those that mean the type for the
// table's architecture are at the end.
func Types() []string {
	names := make([]string, 0, len(partitionTypes)+len(ofArch))
	for _, t := range partitionTypes {
		names = append(names, t.name)
	}
	return append(names, ofArch[:]...)
}

// KnownTypes describes the types that [Partition.Type] can be, for an error.
func KnownTypes() string {
	var names, arches []string
	for _, t := range partitionTypes {
		switch kind, arch, ok := splitArch(t.name); {
		case !ok:
			names = append(names, t.name)
		case kind == "root":
			arches = append(arches, arch)
		}
	}
	return fmt.Sprintf("%s, %s (and these six for another architecture, as in root-arm64: %s), a GUID, or in an mbr table a byte such as 0x83",
		strings.Join(names, ", "), strings.Join(ofArch[:], ", "), strings.Join(arches, ", "))
}

// TypeName returns the name of the type with a GUID or, if that is empty, with a byte in an
// MBR. For a type without a name it returns the GUID or the byte.
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
// for "EFI", for its GUID and, in an MBR, for 0xEF. Types for the architecture arch, as in
// [Table.Arch], have the short names, such as "root". For an unknown type the error is that of
// [Table.Layout].
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

// parseType reads a type of a table for an architecture. The result for a GUID has the byte of
// the named type with this GUID, if there is one; a missing GUID is empty, a missing byte 0.
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

// fold returns the name of a type or a flag as the tables here spell it.
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

// flagTypes are those of parted's flags that set the type.
var flagTypes = map[string]string{"esp": "esp", "bios-boot": "bios-boot", "bios-grub": "bios-boot", "swap": "swap", "lvm": "lvm", "raid": "raid", "bls-boot": "boot"}

// Flags returns the names that [Partition.Flags] knows.
//
// "boot" marks the partition that a PC starts from: the active one of an MBR, the
// one with the attribute "legacy BIOS bootable" of a GPT, both in a hybrid table.
// "required", "no-block-io", "legacy-boot", "grow", "read-only", "hidden" and
// "no-auto" are attributes of a GPT, as is "attribute:N" for bit N. "esp",
// "bios-boot", "swap", "lvm" and "raid" set the type, as in parted.
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

// flagSet is the meaning of a partition's flags.
type flagSet struct {
	active     bool
	attributes uint64
	typeName   string // the type that a flag sets; "" if none does
}

// FlagType returns the type that flags set, "" if none does.
func FlagType(kind Kind, flags []string) (string, error) {
	f, err := parseFlags(kind, flags)
	return f.typeName, err
}

// CanonicalFlags returns the flags of a partition, each by its one name and sorted, without the
// flag that sets the type typeName. It returns flags with an unknown name as they are.
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
			return f, fmt.Errorf("flag %q sets the type %s, and another flag sets %s", s, typeName, f.typeName)
		case isType:
			f.typeName = typeName
		default:
			return f, fmt.Errorf("unknown flag %q: known are %s", s, strings.Join(Flags(), ", "))
		}
	}
	return f, nil
}
