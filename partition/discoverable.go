package partition

import (
	"slices"
	"strings"
)

// Of root and /usr, their hash trees and the signatures of these, the Discoverable
// Partitions Specification has a type for each architecture, so that a disk can hold the
// roots of several:
// https://uapi-group.org/specifications/specs/discoverable_partitions_specification/

// ofArch are these types without their architecture, in the order of the GUIDs below.
var ofArch = [...]string{"root", "root-verity", "root-verity-sig", "usr", "usr-verity", "usr-verity-sig"}

// archTypes are the GUIDs of these types for one architecture.
type archTypes struct {
	arch  string
	guids [len(ofArch)]string
}

// discoverable are their GUIDs, by the specification's name of the architecture.
var discoverable = []archTypes{
	{"x86", [...]string{
		"44479540-F297-41B2-9AF7-D131D5F0458A",
		"D13C5D3B-B5D1-422A-B29F-9454FDC89D76",
		"5996FC05-109C-48DE-808B-23FA0830B676",
		"75250D76-8CC6-458E-BD66-BD47CC81A812",
		"8F461B0D-14EE-4E81-9AA9-049B6FB97ABD",
		"974A71C0-DE41-43C3-BE5D-5C5CCD1AD2C0",
	}},
	{"x86-64", [...]string{
		"4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
		"2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5",
		"41092B05-9FC8-4523-994F-2DEF0408B176",
		"8484680C-9521-48C6-9C11-B0720656F69E",
		"77FF5F63-E7B6-4633-ACF4-1565B864C0E6",
		"E7BB33FB-06CF-4E81-8273-E543B413E2E2",
	}},
	{"alpha", [...]string{
		"6523F8AE-3EB1-4E2A-A05A-18B695AE656F",
		"FC56D9E9-E6E5-4C06-BE32-E74407CE09A5",
		"D46495B7-A053-414F-80F7-700C99921EF8",
		"E18CF08C-33EC-4C0D-8246-C6C6FB3DA024",
		"8CCE0D25-C0D0-4A44-BD87-46331BF1DF67",
		"5C6E1C76-076A-457A-A0FE-F3B4CD21CE6E",
	}},
	{"arc", [...]string{
		"D27F46ED-2919-4CB8-BD25-9531F3C16534",
		"24B2D975-0F97-4521-AFA1-CD531E421B8D",
		"143A70BA-CBD3-4F06-919F-6C05683A78BC",
		"7978A683-6316-4922-BBEE-38BFF5A2FECC",
		"FCA0598C-D880-4591-8C16-4EDA05C7347C",
		"94F9A9A1-9971-427A-A400-50CB297F0F35",
	}},
	{"arm", [...]string{
		"69DAD710-2CE4-4E3C-B16C-21A1D49ABED3",
		"7386CDF2-203C-47A9-A498-F2ECCE45A2D6",
		"42B0455F-EB11-491D-98D3-56145BA9D037",
		"7D0359A3-02B3-4F0A-865C-654403E70625",
		"C215D751-7BCD-4649-BE90-6627490A4C05",
		"D7FF812F-37D1-4902-A810-D76BA57B975A",
	}},
	{"arm64", [...]string{
		"B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
		"DF3300CE-D69F-4C92-978C-9BFB0F38D820",
		"6DB69DE6-29F4-4758-A7A5-962190F00CE3",
		"B0E01050-EE5F-4390-949A-9101B17104E9",
		"6E11A4E7-FBCA-4DED-B9E9-E1A512BB664E",
		"C23CE4FF-44BD-4B00-B2D4-B41B3419E02A",
	}},
	{"ia64", [...]string{
		"993D8D3D-F80E-4225-855A-9DAF8ED7EA97",
		"86ED10D5-B607-45BB-8957-D350F23D0571",
		"E98B36EE-32BA-4882-9B12-0CE14655F46A",
		"4301D2A6-4E3B-4B2A-BB94-9E0B2C4225EA",
		"6A491E03-3BE7-4545-8E38-83320E0EA880",
		"8DE58BC2-2A43-460D-B14E-A76E4A17B47F",
	}},
	{"loongarch64", [...]string{
		"77055800-792C-4F94-B39A-98C91B762BB6",
		"F3393B22-E9AF-4613-A948-9D3BFBD0C535",
		"5AFB67EB-ECC8-4F85-AE8E-AC1E7C50E7D0",
		"E611C702-575C-4CBE-9A46-434FA0BF7E3F",
		"F46B2C26-59AE-48F0-9106-C50ED47F673D",
		"B024F315-D330-444C-8461-44BBDE524E99",
	}},
	{"mips-le", [...]string{
		"37C58C8A-D913-4156-A25F-48B1B64E07F0",
		"D7D150D2-2A04-4A33-8F12-16651205FF7B",
		"C919CC1F-4456-4EFF-918C-F75E94525CA5",
		"0F4868E9-9952-4706-979F-3ED3A473E947",
		"46B98D8D-B55C-4E8F-AAB3-37FCA7F80752",
		"3E23CA0B-A4BC-4B4E-8087-5AB6A26AA8A9",
	}},
	{"mips64-le", [...]string{
		"700BDA43-7A34-4507-B179-EEB93D7A7CA3",
		"16B417F8-3E06-4F57-8DD2-9B5232F41AA6",
		"904E58EF-5C65-4A31-9C57-6AF5FC7C5DE7",
		"C97C1F32-BA06-40B4-9F22-236061B08AA8",
		"3C3D61FE-B5F3-414D-BB71-8739A694A4EF",
		"F2C2C7EE-ADCC-4351-B5C6-EE9816B66E16",
	}},
	{"parisc", [...]string{
		"1AACDB3B-5444-4138-BD9E-E5C2239B2346",
		"D212A430-FBC5-49F9-A983-A7FEEF2B8D0E",
		"15DE6170-65D3-431C-916E-B0DCD8393F25",
		"DC4A4480-6917-4262-A4EC-DB9384949F25",
		"5843D618-EC37-48D7-9F12-CEA8E08768B2",
		"450DD7D1-3224-45EC-9CF2-A43A346D71EE",
	}},
	{"ppc", [...]string{
		"1DE3F1EF-FA98-47B5-8DCD-4A860A654D78",
		"98CFE649-1588-46DC-B2F0-ADD147424925",
		"1B31B5AA-ADD9-463A-B2ED-BD467FC857E7",
		"7D14FEC5-CC71-415D-9D6C-06BF0B3C3EAF",
		"DF765D00-270E-49E5-BC75-F47BB2118B09",
		"7007891D-D371-4A80-86A4-5CB875B9302E",
	}},
	{"ppc64", [...]string{
		"912ADE1D-A839-4913-8964-A10EEE08FBD2",
		"9225A9A3-3C19-4D89-B4F6-EEFF88F17631",
		"F5E2C20C-45B2-4FFA-BCE9-2A60737E1AAF",
		"2C9739E2-F068-46B3-9FD0-01C5A9AFBCCA",
		"BDB528A5-A259-475F-A87D-DA53FA736A07",
		"0B888863-D7F8-4D9E-9766-239FCE4D58AF",
	}},
	{"ppc64-le", [...]string{
		"C31C45E6-3F39-412E-80FB-4809C4980599",
		"906BD944-4589-4AAE-A4E4-DD983917446A",
		"D4A236E7-E873-4C07-BF1D-BF6CF7F1C3C6",
		"15BB03AF-77E7-4D4A-B12B-C0D084F7491C",
		"EE2B9983-21E8-4153-86D9-B6901A54D1CE",
		"C8BFBD1E-268E-4521-8BBA-BF314C399557",
	}},
	{"riscv32", [...]string{
		"60D5A7FE-8E7D-435C-B714-3DD8162144E1",
		"AE0253BE-1167-4007-AC68-43926C14C5DE",
		"3A112A75-8729-4380-B4CF-764D79934448",
		"B933FB22-5C3F-4F91-AF90-E2BB0FA50702",
		"CB1EE4E3-8CD0-4136-A0A4-AA61A32E8730",
		"C3836A13-3137-45BA-B583-B16C50FE5EB4",
	}},
	{"riscv64", [...]string{
		"72EC70A6-CF74-40E6-BD49-4BDA08E8F224",
		"B6ED5582-440B-4209-B8DA-5FF7C419EA3D",
		"EFE0F087-EA8D-4469-821A-4C2A96A8386A",
		"BEAEC34B-8442-439B-A40B-984381ED097D",
		"8F1056BE-9B05-47C4-81D6-BE53128E5B54",
		"D2F9000A-7A18-453F-B5CD-4D32F77A7B32",
	}},
	{"s390", [...]string{
		"08A7ACEA-624C-4A20-91E8-6E0FA67D23F9",
		"7AC63B47-B25C-463B-8DF8-B4A94E6C90E1",
		"3482388E-4254-435A-A241-766A065F9960",
		"CD0F869B-D0FB-4CA0-B141-9EA87CC78D66",
		"B663C618-E7BC-4D6D-90AA-11B756BB1797",
		"17440E4F-A8D0-467F-A46E-3912AE6EF2C5",
	}},
	{"s390x", [...]string{
		"5EEAD9A9-FE09-4A1E-A1D7-520D00531306",
		"B325BFBE-C7BE-4AB8-8357-139E652D2F6B",
		"C80187A5-73A3-491A-901A-017C3FA953E9",
		"8A4F5770-50AA-4ED3-874A-99B710DB6FEA",
		"31741CC4-1A2A-4111-A581-E00B447D2D06",
		"3F324816-667B-46AE-86EE-9B0C0C6C11B4",
	}},
	{"tilegx", [...]string{
		"C50CDD70-3862-4CC3-90E1-809A8C93EE2C",
		"966061EC-28E4-4B2E-B4A5-1F0A825A1D84",
		"B3671439-97B0-4A53-90F7-2D5A8F3AD47B",
		"55497029-C7C1-44CC-AA39-815ED1558630",
		"2FB4BF56-07FA-42DA-8132-6B139F2026AE",
		"4EDE75E2-6CCC-4CC8-B9C7-70334B087510",
	}},
}

// archAliases are names of architectures that Linux, Debian and Nix have.
var archAliases = map[string]string{
	"x86_64": "x86-64", "amd64": "x86-64", "i386": "x86", "i686": "x86",
	"aarch64": "arm64", "armhf": "arm", "armv6l": "arm", "armv7l": "arm",
	"mipsel": "mips-le", "mips64el": "mips64-le", "ppc64le": "ppc64-le", "ppc64el": "ppc64-le", "powerpc64le": "ppc64-le",
	"loong64": "loongarch64",
}

// archOf returns the specification's name of an architecture. Without one it is that of a
// PC, and an unknown one is returned as it is.
func archOf(name string) string {
	name = strings.ToLower(name)
	if name == "" {
		return "x86-64"
	}
	if alias, ok := archAliases[name]; ok {
		return alias
	}
	return strings.ReplaceAll(name, "_", "-")
}

// discoverableTypes are the types of all architectures: root-arm64 and the like.
func discoverableTypes() []partitionType {
	var types []partitionType
	for i, kind := range ofArch {
		for _, a := range discoverable {
			types = append(types, partitionType{kind + "-" + a.arch, a.guids[i], 0x83})
		}
	}
	return types
}

// withArch returns the full name of a type of which there is one for each architecture:
// "root" is "root-arm64" for aarch64, and so is "root-aarch64" for all. Other names are
// returned as they are.
func withArch(name, arch string) string {
	for _, kind := range slices.Backward(ofArch[:]) { // root-verity is before root
		switch rest, ok := strings.CutPrefix(name, kind); {
		case ok && rest == "":
			return kind + "-" + archOf(arch)
		case ok && rest[0] == '-':
			own := rest[1:]
			if alias, ok := archAliases[strings.ReplaceAll(own, "x86-64", "x86_64")]; ok {
				own = alias
			}
			return kind + "-" + own
		}
	}
	return name
}
