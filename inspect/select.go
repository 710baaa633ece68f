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

// Words before the value of a selector, and before that of a partition of a certain table.
const (
	byNumber    = "number="
	byName      = "name="
	byBootImage = "eltorito="
)

// A SelectError says that a text names no volume, or several.
type SelectError struct {
	Text  string    // without the name of a table
	Table Kind      // that was named, or ""
	Found []*Volume // those that it names; none, or several
	There []*Volume // all that can be named
}

func (e *SelectError) Error() string {
	of := ""
	if e.Table != "" {
		of = " of a table of type " + string(e.Table)
	}
	switch n := len(e.Found); {
	case n == 0 && len(e.There) == 0:
		return fmt.Sprintf("%s: there is none", e.none(of))
	case n == 0:
		return fmt.Sprintf("%s: there %s", e.none(of), are(e.There))
	case n == 2 && strconv.Itoa(e.Found[0].Number) == e.Text && e.Found[1].Name == e.Text:
		return fmt.Sprintf("%q is the number of %s and the name of %s: number=%[1]s or name=%[1]s says which", e.Text, e.Found[0], e.Found[1])
	default:
		return fmt.Sprintf("%q means %d partitions: %s: number=N says which", e.Text, n, list(e.Found))
	}
}

// none says what is not there.
func (e *SelectError) none(of string) string {
	number, isNumber := strings.CutPrefix(e.Text, byNumber)
	name, isName := strings.CutPrefix(e.Text, byName)
	bootImage, isBootImage := strings.CutPrefix(e.Text, byBootImage)
	switch {
	case e.Text == "/":
		return "the image as a whole is no volume"
	case strings.HasPrefix(e.Text, "/"):
		return fmt.Sprintf("no ISO in it has a file %q", e.Text)
	case isNumber:
		return fmt.Sprintf("no partition%s has the number %q", of, number)
	case isName:
		return fmt.Sprintf("no partition%s has the name %q", of, name)
	case isBootImage:
		return fmt.Sprintf("no boot image of El Torito has the number %q", bootImage)
	}
	return fmt.Sprintf("no partition%s has the name or the number %q", of, e.Text)
}

// are lists volumes behind their verb: "is partition 1 (root)".
func are(all []*Volume) string {
	if len(all) == 1 {
		return "is " + list(all)
	}
	return "are " + list(all)
}

// list names volumes, with the table's type where partitions are of several.
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
	if len(found) == 0 && len(others) > 0 {
		for _, v := range others { // those of the best table come first
			if v.Table == others[0].Table {
				found = append(found, v)
			}
		}
	}
	if len(found) != 1 {
		if len(found) == 2 && strconv.Itoa(found[1].Number) == rest {
			found[0], found[1] = found[1], found[0]
		}
		return nil, &SelectError{rest, table, found, i.Volumes}
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
	if whole == nil || name == "/" {
		if whole == nil {
			return nil, &SelectError{name, "", nil, i.Volumes}
		}
		return whole, nil
	}
	tree, err := whole.Tree()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", whole, err)
	}
	v, err := i.file(tree, name)
	if err == nil && v == nil {
		err = &SelectError{name, "", nil, i.Volumes}
	}
	return v, err
}

// As has the volume read as a kind that was found there. The error names the kinds that were.
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
	Others []*Volume // where there are none: of what is known that holds none
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

// Files returns the volume whose files are meant where none is named: the only one that holds
// any, or else the only one with a store. left are the others that hold files. An
// [*UnclearError] says that there is no such volume.
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
		// It holds what firmware starts, and the files that are meant may lie beside it.
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

// known returns the volumes in use of which it is known what they are.
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
