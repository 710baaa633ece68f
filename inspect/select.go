package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ingot/image"
	"ingot/storedb"
)

// Words before the value of a selector.
const (
	byNumber    = "number="
	byName      = "name="
	byBootImage = "eltorito="
)

// notSelected says that a text, without the name of a table, names no volume (found is empty)
// or several. table is the table that was named, or "".
func (i *Image) notSelected(text string, table Kind, found []*Volume) error {
	switch n := len(found); {
	case n == 0 && len(i.Volumes) == 0:
		return fmt.Errorf("%s: there is none", none(text, table))
	case n == 0:
		return fmt.Errorf("%s: there %s", none(text, table), are(i.Volumes))
	case n == 2 && strconv.Itoa(found[0].Number) == text && found[1].Name == text:
		return fmt.Errorf("%q is the number of %s and the name of %s: number=%[1]s or name=%[1]s says which", text, found[0], found[1])
	default:
		return fmt.Errorf("%q means %d partitions: %s: number=N says which", text, n, list(found))
	}
}

// none says that there is no volume of a name.
func none(text string, table Kind) string {
	of := ""
	if table != "" {
		of = " of a table of type " + string(table)
	}
	number, isNumber := strings.CutPrefix(text, byNumber)
	name, isName := strings.CutPrefix(text, byName)
	bootImage, isBootImage := strings.CutPrefix(text, byBootImage)
	switch {
	case text == "/":
		return "the image as a whole is no volume"
	case strings.HasPrefix(text, "/"):
		return fmt.Sprintf("no ISO in it has a file %q", text)
	case isNumber:
		return fmt.Sprintf("no partition%s has the number %q", of, number)
	case isName:
		return fmt.Sprintf("no partition%s has the name %q", of, name)
	case isBootImage:
		return fmt.Sprintf("no boot image of El Torito has the number %q", bootImage)
	}
	return fmt.Sprintf("no partition%s has the name or the number %q", of, text)
}

// are lists volumes behind their verb: "is partition 1 (root)".
func are(all []*Volume) string {
	if len(all) == 1 {
		return "is " + list(all)
	}
	return "are " + list(all)
}

// list names volumes, with the table's type if they belong to several tables.
func list(all []*Volume) string {
	var table *Reading
	several := false
	for _, v := range all {
		several = several || v.Table != nil && table != nil && v.Table != table
		table = cmp.Or(table, v.Table)
	}
	var names []string
	for _, v := range all {
		name := v.String()
		if several && v.Table != nil {
			name += " of " + string(v.Table.Kind)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// Select returns the volume that a text names:
//
//	2, root               a partition by its number or by its name
//	number=2, name=root   by one of the two
//	mbr:2, apm:name=boot  a partition of another table than the one in use
//	/                     the image as a whole, as one volume
//	/root.erofs           a file of an ISO
//	eltorito=1            a boot image of an ISO
//
// A volume in use goes before others.
func (i *Image) Select(text string) (*Volume, error) {
	if strings.HasPrefix(text, "/") {
		return i.selectFile(text)
	}
	table, rest := Kind(""), text
	if t, r, ok := strings.Cut(text, ":"); ok && (t == string(GPT) || t == string(MBR) || t == string(APM)) {
		table, rest = Kind(t), r
	}
	var found, others []*Volume
	for _, v := range i.Volumes {
		switch {
		case table != "" && (v.Table == nil || v.Table.Kind != table), !v.is(rest):
		case v.InUse:
			found = append(found, v)
		default:
			others = append(others, v)
		}
	}
	if len(found) == 0 {
		for _, v := range others { // volumes of the best table come first
			if v.Table == others[0].Table {
				found = append(found, v)
			}
		}
	}
	if len(found) != 1 {
		if len(found) == 2 && strconv.Itoa(found[1].Number) == rest {
			found[0], found[1] = found[1], found[0]
		}
		return nil, i.notSelected(rest, table, found)
	}
	return found[0], nil
}

// is says whether a text without the name of a table names the volume.
func (v *Volume) is(text string) bool {
	if n, ok := strings.CutPrefix(text, byBootImage); ok {
		return v.BootImage > 0 && strconv.Itoa(v.BootImage) == n
	}
	if v.Table == nil {
		return false
	}
	if n, ok := strings.CutPrefix(text, byNumber); ok {
		return strconv.Itoa(v.Number) == n
	}
	if name, ok := strings.CutPrefix(text, byName); ok {
		return v.Name == name
	}
	return v.Name == text && text != "" || strconv.Itoa(v.Number) == text
}

// selectFile returns the image as a whole, or a file of an ISO.
func (i *Image) selectFile(name string) (*Volume, error) {
	var whole *Volume
	for _, v := range i.Volumes {
		switch {
		case v.File == name:
			return v, nil
		case v.Table == nil && v.File == "" && v.BootImage == 0:
			whole = v
		}
	}
	switch {
	case whole == nil:
		return nil, i.notSelected(name, "", nil)
	case name == "/":
		return whole, nil
	}
	tree, err := whole.Tree()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", whole, err)
	}
	v, err := i.file(tree, name)
	if err == nil && v == nil {
		err = i.notSelected(name, "", nil)
	}
	return v, err
}

// As makes another of the volume's readings the one in use. The error names their kinds.
func (v *Volume) As(kind Kind) error {
	var names []string
	for k, r := range v.Readings {
		if r.Kind == kind {
			v.Readings[0], v.Readings[k] = v.Readings[k], v.Readings[0]
			return nil
		}
		names = append(names, string(r.Kind))
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: nothing in it looks like %s, or like anything that ingot knows", v, kind)
	}
	return fmt.Errorf("%s: nothing in it looks like %s: it can be read as %s", v, kind, strings.Join(names, ", "))
}

// An UnclearError says that several volumes hold files, or none.
type UnclearError struct {
	Files  []*Volume
	Others []*Volume // if Files is empty: volumes of known kinds
}

func (e *UnclearError) Error() string {
	var s []string
	for _, v := range e.Others {
		s = append(s, fmt.Sprintf("%s is %s", v, v.Kind()))
	}
	switch {
	case len(e.Files) == 0 && len(s) > 0:
		return "there is no file system in it: " + strings.Join(s, "; ")
	case len(e.Files) == 0:
		return "there is no file system in it that ingot knows: it reads " + Readable()
	}
	for _, v := range e.Files {
		kind := string(cmp.Or(v.Kind(), "nothing that is known"))
		if unread := (*UnreadError)(nil); v.Reading() != nil && errors.As(v.Reading().Err, &unread) {
			kind += ", which is not read"
		}
		s = append(s, fmt.Sprintf("%s: %s", v, kind))
	}
	return "which partition's files are meant is not clear: there are " + strings.Join(s, "; ")
}

// Files returns the default volume for files: the only one that holds any, or else the only one
// with a store. left are the others that hold files. An [*UnclearError] says that there is no
// such volume.
func (i *Image) Files() (v *Volume, left []*Volume, err error) {
	var files, stores []*Volume
	for _, v := range i.Volumes {
		if !v.InUse || !v.HoldsFiles() {
			continue
		}
		files = append(files, v)
		tree, err := v.Tree()
		switch {
		case IsHost(err):
			return nil, nil, err
		case err == nil && hasStore(tree):
			stores = append(stores, v)
		}
	}
	switch {
	case len(files) == 1 && files[0].Type == "esp":
		// It holds boot loaders, and the user's files may lie beside it.
		for _, other := range i.Volumes {
			if unknown, err := other.unknown(); err != nil {
				return nil, nil, err
			} else if other.InUse && unknown {
				files = append(files, other)
			}
		}
		if v = files[0]; len(files) > 1 {
			return nil, nil, &UnclearError{Files: files}
		}
	case len(files) == 1:
		v = files[0]
	case len(stores) == 1:
		v = stores[0]
	case len(files) == 0 && i.Table() != nil && i.Table().Err != nil:
		return nil, nil, i.Table().Err
	case len(files) == 0:
		return nil, nil, &UnclearError{Others: i.known()}
	default:
		return nil, nil, &UnclearError{Files: files}
	}
	for _, other := range files {
		if other != v {
			left = append(left, other)
		}
	}
	return v, left, nil
}

// known returns the volumes in use that have a reading.
func (i *Image) known() (all []*Volume) {
	for _, v := range i.Volumes {
		if v.InUse && v.Reading() != nil {
			all = append(all, v)
		}
	}
	return all
}

func hasStore(t *image.Tree) bool {
	return t.Lookup(storedb.Nix.StoreDir()) != nil || t.Lookup(storedb.Guix.StoreDir()) != nil
}
