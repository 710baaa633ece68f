package filesystems

import (
	"reflect"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/volume"
)

// TestList asks each kind for what all have to have, and for what belongs together.
func TestList(t *testing.T) {
	names, keys, types := map[string]bool{}, map[string]string{}, map[string]string{}
	for _, k := range All() {
		if names[k.Name] || k.Name == "" {
			t.Errorf("%q: the name is another's, or none", k.Name)
		}
		names[k.Name] = true
		if k.Class == 0 || k.Identify == nil {
			t.Errorf("%s: has class %d, and Identify: %t", k.Name, k.Class, k.Identify != nil)
		}
		if _, ok := k.ID(volume.NewProbe(image.Bytes(nil))); ok {
			t.Errorf("%s: nothing at all is taken for one", k.Name)
		}
		if _, ok := k.ID(volume.NewProbe(image.Bytes(make([]byte, 128<<10)))); ok {
			t.Errorf("%s: zeros are taken for one", k.Name)
		}
		if k.Keeps != 0 && k.Class != volume.Files {
			t.Errorf("%s: keeps attributes of files and holds none", k.Name)
		}
		for _, of := range k.ImpliedBy {
			if types[of] != "" {
				t.Errorf("%s: the type %s implies %s, too", k.Name, of, types[of])
			}
			types[of] = k.Name
		}
		if k.Options == nil {
			continue
		}
		o := reflect.TypeOf(k.Options()).Elem()
		for i := range o.NumField() {
			f := o.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if key == "" || keys[key] != "" || f.Tag.Get("jsonschema_description") == "" {
				t.Errorf("%s: the option %s has the key %q, which is that of %q, and the description %q", k.Name, f.Name, key, keys[key], f.Tag.Get("jsonschema_description"))
			}
			keys[key] = k.Name
		}
	}
}

// TestMadeIsIdentified: what a kind makes is of that kind, and of no kind before it.
func TestMadeIsIdentified(t *testing.T) {
	for _, k := range Makeable() {
		if k.Foreign {
			continue
		}
		v := image.Volume{Label: "DATA", Size: k.Suits(), Seed: image.NewSeed([]byte("identified"))}
		fs := k.Maker(nil, volume.Place{Size: v.Size})
		m, err := fs.Layout(image.NewTree(), v)
		if err != nil {
			t.Errorf("%s: Layout = %v", k, err)
			continue
		}
		want := volume.ID{Type: k.MountType(), UUID: fs.UUID(v), Label: "DATA"}
		p := volume.NewProbe(m)
		for _, other := range All() {
			if id, ok := other.ID(p); ok {
				if id != want {
					t.Errorf("%s: is taken for %s, %+v; want %+v", k, other, id, want)
				}
				break
			}
		}
	}
}

// TestOrders: what sentences and lists name.
func TestOrders(t *testing.T) {
	for _, c := range []struct{ what, got, want string }{
		{"Makeable", strings.Join(Names(Makeable()), " "), "erofs ext4 fat swap btrfs f2fs xfs"},
		{"Writable", strings.Join(Names(Writable()), " "), "ext4 fat swap"},
		{"Readable", Or(Readable()), "ext4, ISO 9660, EROFS or FAT"},
	} {
		if c.got != c.want {
			t.Errorf("%s = %s; want %s", c.what, c.got, c.want)
		}
	}
}
