package partition

import (
	"cmp"
	"slices"
	"strings"
)

// ofArch are the types that the Discoverable Partitions Specification has for each
// architecture: root and /usr, their hash trees, and the signatures of these.
var ofArch = [...]string{"root", "root-verity", "root-verity-sig", "usr", "usr-verity", "usr-verity-sig"}

// archAliases are the names that Linux, Debian and Nix have for the specification's
// architectures.
var archAliases = map[string]string{
	"x86_64": "x86-64", "amd64": "x86-64", "i386": "x86", "i686": "x86",
	"aarch64": "arm64", "armhf": "arm", "armv6l": "arm", "armv7l": "arm",
	"mipsel": "mips-le", "mips64el": "mips64-le", "ppc64le": "ppc64-le", "ppc64el": "ppc64-le", "powerpc64le": "ppc64-le",
	"loong64": "loongarch64",
}

// archOf returns the specification's name of an architecture. Default: x86-64. It returns an
// unknown name as it is.
func archOf(name string) string {
	name = cmp.Or(strings.ToLower(name), "x86-64")
	if alias, ok := archAliases[name]; ok {
		return alias
	}
	return strings.ReplaceAll(name, "_", "-")
}

// splitArch splits "root-arm64" into one of [ofArch] and the architecture, which is empty in
// "root".
func splitArch(name string) (kind, arch string, ok bool) {
	for _, kind := range slices.Backward(ofArch[:]) { // the longest first
		switch rest, ok := strings.CutPrefix(name, kind); {
		case ok && rest == "":
			return kind, "", true
		case ok && len(rest) > 1 && rest[0] == '-':
			return kind, rest[1:], true
		}
	}
	return "", "", false
}

// withArch returns the full name of a type that exists for each architecture: "root-arm64" for
// "root" and aarch64, and for "root-aarch64". It returns other names as they are.
func withArch(name, arch string) string {
	kind, own, ok := splitArch(name)
	if !ok {
		return name
	}
	return kind + "-" + archOf(cmp.Or(own, arch))
}
