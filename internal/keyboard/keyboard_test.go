package keyboard

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for keys, want := range map[string]string{
		"ctrl-alt-dell": `key "dell" is unknown to QEMU; near it are `,
		"retrun":        `"retrun" is unknown`,
		"":              `key "" is unknown`,
		"delte":         "delete",
	} {
		if got, err := Parse(keys); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, %v; want an error with %q", keys, got, err, want)
		}
	}
	if got, err := Parse("Control-Alt--"); err == nil {
		t.Errorf("Parse of a name that is empty = %v; want an error", got)
	}
	if got, err := Parse("Control-Enter"); err != nil || !reflect.DeepEqual(got, Stroke{"ctrl", "ret"}) {
		t.Errorf("Parse(Control-Enter) = %v, %v; want ctrl and ret", got, err)
	}
}

func TestText(t *testing.T) {
	want := []Stroke{{"shift", "a"}, {"minus"}, {"shift", "slash"}, {"spc"}, {"ret"}}
	if got, err := Text("A-? \n"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Text = %v, %v; want %v", got, err, want)
	}
	if got, err := Text("Straße"); err == nil || !strings.Contains(err.Error(), "'ß' is on no key") {
		t.Errorf("Text(Straße) = %v, %v; want an error that names the letter", got, err)
	}
}

// FuzzKeys reads keys as they are pressed.
func FuzzKeys(f *testing.F) {
	for _, s := range []string{"ctrl-alt-f2", "ret", "minus", "a-", "-", "shift-minus"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 24 {
			return // names near a long one take long to find
		}
		keys, err := Parse(text)
		if err == nil && len(keys) == 0 {
			t.Errorf("%q are no keys", text)
		}
		for _, k := range keys {
			if strings.ContainsAny(k, "- \n") {
				t.Errorf("%q is a key of %q", k, text)
			}
		}
	})
}
