package foreign

import (
	"fmt"
	"path"
	"strings"

	"ingot/internal/printable"
	"ingot/partition/volume"
)

// A Subvolume is one of a btrfs.
type Subvolume struct {
	Name    string `json:"name" jsonschema:"required" jsonschema_description:"Its path below the top level of the btrfs, such as @ or root/home; the option subvol= of a mount names it."`
	Mount   string `json:"mount,omitempty" jsonschema_description:"Where the system mounts it: the files below that place go into the subvolume. Default: nowhere; it stays empty."`
	Default bool   `json:"default,omitempty" jsonschema_description:"Make it the default subvolume, which a mount without subvol= shows."`
}

// BtrfsOptions are a recipe's options for a btrfs.
type BtrfsOptions struct {
	Subvolumes []Subvolume `json:"subvolumes,omitempty" jsonschema_description:"btrfs: the subvolumes to make. Each file goes into the subvolume mounted nearest above it; the rest of the partition's files into the top level."`
}

// Check implements [volume.Options].
func (o *BtrfsOptions) Check(volume.Place) (string, error) {
	_, err := CheckSubvolumes(o.Subvolumes)
	return "subvolumes", err
}

// FileSystem implements [volume.Options].
func (o *BtrfsOptions) FileSystem(volume.Place) volume.FileSystem {
	f := Btrfs.FileSystem.(FileSystem)
	f.Subvolumes = o.Subvolumes
	return f
}

// Canonical implements [volume.Options].
func (o *BtrfsOptions) Canonical(volume.Place) volume.Options { return o }

// mostSubvolumes and longestSubvolume are more than anyone has; the second is btrfs's limit
// on a name.
const (
	mostSubvolumes   = 1000
	longestSubvolume = volume.MaxName
)

// CheckSubvolumes returns an error, and the number of the subvolume that it is about, if btrfs
// cannot have such subvolumes.
func CheckSubvolumes(all []Subvolume) (int, error) {
	if len(all) > mostSubvolumes {
		return mostSubvolumes, fmt.Errorf("%d subvolumes; at most %d can be made", len(all), mostSubvolumes)
	}
	names, standard := map[string]bool{}, ""
	for i, s := range all {
		name := printable.Quote(s.Name)
		switch {
		case s.Name == "" || path.IsAbs(s.Name) || path.Clean(s.Name) != s.Name || s.Name == "." || s.Name == ".." || strings.HasPrefix(s.Name, "../"):
			return i, fmt.Errorf("%s is not the name of a subvolume: a path below the top level, without / at its begin and without . and .., such as @home", name)
		case strings.ContainsFunc(s.Name, func(r rune) bool { return r <= ' ' || r == ',' || r == ':' || r == '"' || r == '\\' || r == 0x7f }):
			return i, fmt.Errorf("subvolume %s: the option subvol= cannot name it: it must be without blanks, control characters and , : \" \\", name)
		case strings.HasPrefix(s.Name, "-"):
			return i, fmt.Errorf("subvolume %s: begins with a hyphen, as options do", name)
		case names[s.Name]:
			return i, fmt.Errorf("subvolume %s stands twice", name)
		case s.Default && standard != "":
			return i, fmt.Errorf("subvolume %s is the default, and so is %s; one can be", name, standard)
		}
		for part := range strings.SplitSeq(s.Name, "/") {
			if len(part) > longestSubvolume {
				return i, fmt.Errorf("subvolume %.32s…: the name is %d bytes long; btrfs allows %d", s.Name, len(part), longestSubvolume)
			}
		}
		names[s.Name] = true
		if s.Default {
			standard = name
		}
	}
	return 0, nil
}
