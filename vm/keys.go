package vm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ingot/internal/near"
)

// keyNames are QEMU's names of keys, those of QKeyCode:
// https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
var keyNames = strings.Fields(`
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

// keyAliases are what people call some of them.
var keyAliases = map[string]string{
	"enter": "ret", "return": "ret", "escape": "esc", "space": "spc", "del": "delete", "ins": "insert",
	"pageup": "pgup", "page_up": "pgup", "pagedown": "pgdn", "page_down": "pgdn", "control": "ctrl",
	"super": "meta_l", "win": "meta_l", "-": "minus", "=": "equal", ",": "comma", ".": "dot", "/": "slash",
	";": "semicolon", "'": "apostrophe", "`": "grave_accent", `\`: "backslash", "[": "bracket_left", "]": "bracket_right",
}

// typed are the keys of a keyboard of the United States, as text: those without and
// those with Shift, in the order of shifted.
const (
	unshifted = "1234567890-=qwertyuiop[]asdfghjkl;'`\\zxcvbnm,./"
	shifted   = "!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:\"~|ZXCVBNM<>?"
)

// keyOf returns the keys that type a character, held together.
func keyOf(r rune) ([]string, error) {
	switch r {
	case '\n':
		return []string{"ret"}, nil
	case '\t':
		return []string{"tab"}, nil
	case ' ':
		return []string{"spc"}, nil
	}
	if strings.ContainsRune(unshifted, r) {
		return []string{keyName(string(r))}, nil
	}
	if at := strings.IndexRune(shifted, r); at >= 0 {
		return []string{"shift", keyName(unshifted[at : at+1])}, nil
	}
	return nil, fmt.Errorf("type: %q is on no key of a keyboard of the United States", r)
}

func keyName(name string) string {
	if alias, ok := keyAliases[name]; ok {
		return alias
	}
	return name
}

// parseKeys reads keys that are held together, such as ctrl-alt-f2.
func parseKeys(keys string) ([]string, error) {
	held := strings.Split(keys, "-")
	if keys == "-" {
		held = []string{keys}
	}
	for i, name := range held {
		name = keyName(strings.ToLower(name))
		if !slices.Contains(keyNames, name) {
			return nil, fmt.Errorf("key %q is unknown to QEMU; near it are %s", name, strings.Join(near.Words(name, keyNames, 5), ", "))
		}
		held[i] = name
	}
	return held, nil
}

// A keystroke takes so long, and the next one follows after: a guest that is
// translated reads its keyboard now and then only, which keeps 16 bytes.
const (
	keyHeld  = 30 * time.Millisecond
	keyPause = 70 * time.Millisecond
)

// SendKeys presses keys on the keyboard, one combination after the other: "ctrl-alt-f2",
// "ret". Names are QEMU's, and some that people use, such as enter and space.
func (m *Machine) SendKeys(ctx context.Context, keys ...string) error {
	var strokes [][]string
	for _, k := range keys {
		held, err := parseKeys(k)
		if err != nil {
			return err
		}
		strokes = append(strokes, held)
	}
	return m.press(ctx, strokes)
}

// Type types a text, as one does on a keyboard of the United States. A line feed is
// the key Enter.
func (m *Machine) Type(ctx context.Context, text string) error {
	var strokes [][]string
	for _, r := range text {
		held, err := keyOf(r)
		if err != nil {
			return err
		}
		strokes = append(strokes, held)
	}
	return m.press(ctx, strokes)
}

// CheckKeys says what SendKeys would refuse, or nil.
func CheckKeys(keys ...string) error {
	for _, k := range keys {
		if _, err := parseKeys(k); err != nil {
			return err
		}
	}
	return nil
}

// CheckText says what Type would refuse, or nil.
func CheckText(text string) error {
	for _, r := range text {
		if _, err := keyOf(r); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) press(ctx context.Context, strokes [][]string) error {
	type key struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}
	for _, stroke := range strokes {
		keys := make([]key, len(stroke))
		for i, name := range stroke {
			keys[i] = key{"qcode", name}
		}
		if _, err := m.QMP(ctx, "send-key", map[string]any{"keys": keys, "hold-time": keyHeld.Milliseconds()}); err != nil {
			return err
		}
		select {
		case <-time.After(keyHeld + keyPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
