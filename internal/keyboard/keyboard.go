// Package keyboard knows the keys of a keyboard by QEMU's names, and which of them type a
// text on one of the United States.
package keyboard

import (
	"fmt"
	"slices"
	"strings"

	"ingot/internal/near"
)

// A Stroke is the keys that are held together, by QEMU's names.
type Stroke []string

// names are QEMU's names of keys, those of QKeyCode:
// https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
var names = strings.Fields(`
	shift shift_r alt alt_r ctrl ctrl_r menu esc 1 2 3 4 5 6 7 8 9 0 minus equal backspace
	tab q w e r t y u i o p bracket_left bracket_right ret a s d f g h j k l semicolon
	apostrophe grave_accent backslash z x c v b n m comma dot slash asterisk spc caps_lock
	f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 num_lock scroll_lock kp_divide kp_multiply kp_subtract
	kp_add kp_enter kp_decimal sysrq kp_0 kp_1 kp_2 kp_3 kp_4 kp_5 kp_6 kp_7 kp_8 kp_9 less
	f11 f12 print home pgup pgdn end left up down right insert delete stop again props undo
	front copy open paste find cut lf help meta_l meta_r compose pause ro hiragana henkan
	yen muhenkan katakanahiragana kp_comma kp_equals power sleep wake audionext audioprev
	audiostop audioplay audiomute volumeup volumedown mediaselect mail calculator computer
	ac_home ac_back ac_forward ac_refresh ac_bookmarks lang1 lang2`)

// aliases are what people call some of them.
var aliases = map[string]string{
	"enter": "ret", "return": "ret", "escape": "esc", "space": "spc", "del": "delete", "ins": "insert",
	"pageup": "pgup", "page_up": "pgup", "pagedown": "pgdn", "page_down": "pgdn", "control": "ctrl",
	"super": "meta_l", "win": "meta_l", "-": "minus", "=": "equal", ",": "comma", ".": "dot", "/": "slash",
	"\n": "ret", "\t": "tab", " ": "spc", ";": "semicolon", "'": "apostrophe", "`": "grave_accent", `\`: "backslash", "[": "bracket_left", "]": "bracket_right",
}

// typed are the keys of a keyboard of the United States, as text: those without and
// those with Shift, in the order of shifted.
const (
	unshifted = "1234567890-=qwertyuiop[]asdfghjkl;'`\\zxcvbnm,./\n\t "
	shifted   = "!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:\"~|ZXCVBNM<>?"
)

// keyOf returns the keys that type a character, held together.
func keyOf(r rune) (Stroke, error) {
	if strings.ContainsRune(unshifted, r) {
		return Stroke{nameOf(string(r))}, nil
	}
	if at := strings.IndexRune(shifted, r); at >= 0 {
		return Stroke{"shift", nameOf(unshifted[at : at+1])}, nil
	}
	return nil, fmt.Errorf("%q is on no key of a keyboard of the United States", r)
}

func nameOf(name string) string {
	if alias, ok := aliases[name]; ok {
		return alias
	}
	return name
}

// Parse reads keys that are held together, such as ctrl-alt-f2. Names are QEMU's, and some
// that people use, such as enter and space.
func Parse(keys string) (Stroke, error) {
	held := strings.Split(keys, "-")
	if keys == "-" {
		held = []string{keys}
	}
	for i, name := range held {
		name = nameOf(strings.ToLower(name))
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("key %q is unknown to QEMU; near it are %s", name, strings.Join(near.Words(name, names, 5), ", "))
		}
		held[i] = name
	}
	return held, nil
}

// Text returns the strokes that type a text. A line feed is the key Enter.
func Text(text string) ([]Stroke, error) {
	var strokes []Stroke
	for _, r := range text {
		held, err := keyOf(r)
		if err != nil {
			return nil, err
		}
		strokes = append(strokes, held)
	}
	return strokes, nil
}
