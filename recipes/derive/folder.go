package derive

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"ingot/image"
	"ingot/image/fileformat"
	"ingot/image/iso9660"
	"ingot/internal/printable"
	"ingot/partition/filesystems"
	"ingot/partition/volume"
)

// dataName is the name of the partition with a folder's files, by which overrides name it:
// disk.partitions.data.size.
const dataName = "data"

// Folder derives the recipe of an image with the files of a folder: a disk with one partition, an
// ISO, or a file system alone, as the format of w says. The path of the folder is one of a recipe
// in the working directory; w.Name is the folder's own name.
func Folder(dir string, w Wishes) (*Recipe, error) {
	if format, ok := fileformat.Named(w.Format); w.Format != "" && (!ok || !format.Built()) {
		w.Format = "" // which reading the recipe refuses, by the flag that says it
	}
	if !utf8.ValidString(dir) {
		return nil, fmt.Errorf("%s: its name is no UTF-8, which the text of a recipe is: give a link to the folder", printable.Name(dir))
	}
	f := folder{Wishes: w, format: cmp.Or(w.Format, "raw"), out: &Recipe{}}
	m := mapping()
	put(m, "name", scalar(cmp.Or(recipeName(w.Name), dataName)), "of the folder")
	disk := mapping()
	put(disk, "partitions", sequence(f.partition(dir)), "")
	put(m, "disk", disk, "")
	if n := f.output(); n != nil {
		put(m, "output", n, "")
	}
	head := []string{"# Derived by ingot from the folder " + oneLine(dir) + "."}
	for _, n := range f.out.Notes {
		head = append(head, "#", "# "+oneLine(n))
	}
	var err error
	f.out.Text, err = render(head, m)
	return f.out, err
}

// folder makes one recipe.
type folder struct {
	Wishes
	format string
	out    *Recipe
}

// partition is that with the files of the folder.
func (f *folder) partition(dir string) *node {
	filesystem, why := f.filesystem()
	m := mapping()
	put(m, "name", scalar(dataName), "")
	kind := filesystems.Named(filesystem)
	if kind.Name == "fat" {
		put(m, "type", scalar("data"), "an ESP has other sizes")
	}
	put(m, "filesystem", scalar(filesystem), why)
	if f.format != "iso" && f.format != "squashfs" {
		word(m, "label", f.label(kind), "of the folder's name")
		put(m, "size", scalar("fit"), "as small as the files allow; fit+1GiB leaves space to write")
		if kind.ReadOnly {
			m.Content[len(m.Content)-1].LineComment = "# as small as the files allow"
		}
	}
	c := mapping()
	put(c, "from", scalar(dir), "owners are root, times the epoch; times: keep takes over the folder's")
	if kind.Keeps&volume.Permissions != 0 {
		put(c, "modes", scalar("keep"), "")
	}
	put(m, "contents", c, "")
	return m
}

// filesystem is that of the partition.
func (f *folder) filesystem() (name, why string) {
	format, _ := fileformat.Named(f.format)
	if k := filesystems.Named(format.Volume); k != nil && k.FileSystem != nil {
		return k.Name, "which the output is, without a partition table"
	}
	switch {
	case format.Volume != "":
		return "ext4", "which the output replaces by " + format.Volume
	case format.Live:
		return "ext4", "which the output replaces by its own"
	}
	return "ext4", ""
}

// output is the output's format, and its options.
func (f *folder) output() *node {
	if f.Format == "" {
		return nil
	}
	m := mapping()
	put(m, "format", scalar(f.Format), "")
	if f.Format == "iso" {
		word(m, "volume", f.clean(func(s string) error { return iso9660.Options{VolumeID: s}.Check() }), "of the folder's name")
		put(m, "joliet", boolean(), "names for Windows")
	}
	return m
}

// label is the label of a file system, after the folder's name.
func (f *folder) label(kind *volume.Kind) string {
	return f.clean(func(s string) error {
		if kind.Name == "fat" && s != strings.ToUpper(s) {
			return errLowerCase
		}
		return kind.FileSystem.Check(image.Volume{Label: s, Size: kind.Suits()})
	})
}

var errLowerCase = fmt.Errorf("mkfs.fat and Windows write labels in upper case")

// clean makes of the folder's name one that check accepts: other characters than letters, digits
// and _.+- become underscores, and the end is cut. It returns "" if nothing is left of the name.
func (f *folder) clean(check func(string) error) string {
	var b strings.Builder
	for _, r := range f.Name {
		s := string(r)
		for _, s := range []string{s, strings.ToUpper(s), "_"} {
			if plain := unicode.In(r, unicode.L, unicode.N) || strings.ContainsRune("_.+-", r); (plain || s == "_") && check("A"+s+"A") == nil {
				b.WriteString(s)
				break
			}
		}
	}
	name := strings.Trim(b.String(), "_.+-")
	for strings.Contains(name, "__") {
		name = strings.ReplaceAll(name, "__", "_")
	}
	for name != "" && check(name) != nil {
		_, size := utf8.DecodeLastRuneInString(name)
		name = strings.TrimRight(name[:len(name)-size], "_.+-")
	}
	if name != f.Name && !strings.EqualFold(name, f.Name) {
		if name == "" {
			f.out.Notes = append(f.out.Notes, fmt.Sprintf("the folder's name %q makes no label: there is none", f.Name))
		} else {
			f.out.Notes = append(f.out.Notes, fmt.Sprintf("the label is %s, of the folder's name %q", name, f.Name))
		}
	}
	return name
}

// FolderName is the name of a folder for [Wishes], of its absolute path.
func FolderName(abs string) string {
	if name := filepath.Base(abs); name != "/" && name != "." {
		return name
	}
	return ""
}
