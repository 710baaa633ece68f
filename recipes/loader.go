package recipes

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/loaders"
)

var _ alternatives = (*Loader)(nil)

// IsZero reports whether there is no boot loader.
func (l Loader) IsZero() bool { return l.Loader == nil }

// Key is that of the recipe: "bootloader.grub".
func (l Loader) Key() string { return "bootloader." + l.Kind.Name }

// words are the firmwares that the loader is installed for, as the recipe has them.
func (l Loader) words() []string {
	if l.IsZero() {
		return nil
	}
	return l.Firmware()
}

func (*Loader) alternatives() []string { return loaders.Names() }

func (l *Loader) choose(name string) reflect.Value {
	if k, _ := loaders.Named(name); l.IsZero() {
		l.Kind, l.Loader = k, k.New()
	} else {
		l.other = name
	}
	return reflect.ValueOf(l.Loader).Elem()
}

// fields calls visit for each key of the loader.
func (l Loader) fields(visit func(name string, v reflect.Value)) {
	if l.IsZero() {
		return
	}
	v := reflect.ValueOf(l.Loader).Elem()
	for i := range v.NumField() {
		visit(keyOf(v.Type().Field(i)), v.Field(i))
	}
}

// settle makes no boot loader of one of which nothing is said.
func (l *Loader) settle() {
	empty := true
	l.fields(func(_ string, v reflect.Value) {
		empty = empty && (v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0)
	})
	if empty {
		*l = Loader{other: l.other}
	}
}

// WithPaths returns the same loader with its paths of the host as at has them.
func (l Loader) WithPaths(at func(Path) Path) Loader {
	if l.IsZero() {
		return l
	}
	to := reflect.New(reflect.TypeOf(l.Loader).Elem())
	to.Elem().Set(reflect.ValueOf(l.Loader).Elem())
	l.Loader = to.Interface().(bootloader.Loader)
	l.fields(func(_ string, v reflect.Value) {
		switch p := v.Addr().Interface().(type) {
		case *bootloader.Path:
			*p = at(*p)
		case *bootloader.Paths:
			*p = slices.Clone(*p)
			for i := range *p {
				(*p)[i] = at((*p)[i])
			}
		}
	})
	return l
}

// canonical returns a loader whose platforms stand in the one order.
func (l Loader) canonical() Loader {
	l = l.WithPaths(func(p Path) Path { return p })
	l.fields(func(name string, v reflect.Value) {
		if list, ok := v.Addr().Interface().(*[]string); ok && name == platformsKey {
			*list = slices.Compact(slices.Sorted(slices.Values(*list)))
		}
	})
	return l
}

// MarshalJSON has the boot loader stand under its own key, as in a recipe.
func (b Bootloader) MarshalJSON() ([]byte, error) {
	type rest Bootloader
	if b.Loader.IsZero() {
		return json.Marshal(rest(b))
	}
	return marshalAsOne(map[string]any{b.Loader.Kind.Name: b.Loader.Loader}, rest(b))
}

// loaderNames are the keys of all boot loaders.
func loaderNames() string { return strings.Join(loaders.Names(), " or ") }
