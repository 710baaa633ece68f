package grub

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"ingot/bootloader"
	"ingot/image"
	"ingot/tests/golden"
	"ingot/tests/testenv"
)

// menus are the goldens under testdata.
var menus = map[string]bootloader.Menu{
	"plain": {
		Timeout: 5,
		Entries: []bootloader.Entry{{Title: "NixOS 24.11", Kernel: "/nix/store/a-linux/bzImage", Initrd: []string{"/nix/store/b-initrd/initrd"},
			Arguments: []string{"systemConfig=/nix/store/s", "init=/nix/store/s/init", "loglevel=4"}}},
	},
	"full": {
		Timeout:  -1,
		Default:  "Generation 7",
		Consoles: []string{"tty0", "hvc0", "ttyS1,9600e7"},
		Entries: []bootloader.Entry{
			{Title: "It's \\ a \"$title\" {1} 🌳", Kernel: "/a b/$k'", Initrd: []string{"/microcode", "/initrd"}, Arguments: []string{"console=hvc0", "dyndbg=file a +p; b"}},
			{Title: "Generation 7", ID: "gen7", Submenu: "Older generations", Kernel: "/k7"},
			{Title: "Generation 6", Submenu: "Older generations", Kernel: "/k6", Arguments: []string{"single"}},
		},
	},
	"board": {
		Timeout: 5,
		Entries: []bootloader.Entry{{Title: "Board", Kernel: "/k", Initrd: []string{"/i", "/s-secrets"}, DeviceTree: "/dtbs/a board.dtb"}},
	},
	"serial": {
		Consoles: []string{"ttyS0"}, Default: "entry-1",
		Entries: []bootloader.Entry{{Title: "Linux", Kernel: "/k", Arguments: []string{"console=ttyS0"}}},
	},
}

func TestMenus(t *testing.T) {
	check := testenv.Judge(t, "grub-script-check", "grub-common")
	for name, m := range menus {
		t.Run(name, func(t *testing.T) {
			got, err := (menu{Menu: m}).config()
			if err != nil {
				t.Fatal(err)
			}
			scriptCheck(t, check, got)
			golden.Check(t, filepath.Join("testdata", name+".cfg"), got)
		})
	}
}

func scriptCheck(t interface{ Errorf(string, ...any) }, check, text string) {
	cmd := exec.Command(check)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("grub-script-check: %v: %s\n%s", err, out, text)
	}
}

func TestMenuRefusals(t *testing.T) {
	linux := bootloader.Entry{Title: "Linux", Kernel: "/k"}
	with := func(change func(*bootloader.Entry)) bootloader.Menu {
		e := linux
		change(&e)
		return bootloader.Menu{Entries: []bootloader.Entry{e}}
	}
	for _, c := range []struct {
		name string
		menu bootloader.Menu
		want string
	}{
		{"empty", bootloader.Menu{}, "it has no entries"},
		{"default", bootloader.Menu{Default: "BSD", Entries: []bootloader.Entry{linux}}, `default "BSD" is not the title of an entry: there are ["Linux"]`},
		{"two defaults", bootloader.Menu{Default: "Linux", Entries: []bootloader.Entry{linux, linux}}, "2 entries have that title"},
		{"one ID", bootloader.Menu{Entries: []bootloader.Entry{{Title: "A", ID: "x", Kernel: "/k"}, {Title: "B", ID: "x", Kernel: "/k"}}}, `entry "B": ID x is that of "A" too`},
		{"bad ID", with(func(e *bootloader.Entry) { e.ID = "a>b" }), `ID "a>b"`},
		{"no title", with(func(e *bootloader.Entry) { e.Title = " " }), "title is empty"},
		{"newline", with(func(e *bootloader.Entry) { e.Title = "a\nreboot" }), "without control characters"},
		{"nothing", with(func(e *bootloader.Entry) { e.Kernel = "" }), "it has no kernel"},
		{"relative", with(func(e *bootloader.Entry) { e.Kernel = "boot/k" }), `path "boot/k": it must be absolute`},
		{"device tree", with(func(e *bootloader.Entry) { e.DeviceTree = "a.dtb" }), `path "a.dtb"`},
		{"initrd", with(func(e *bootloader.Entry) { e.Initrd = []string{"/a/../b"} }), `path "/a/../b"`},
		{"backslash", with(func(e *bootloader.Entry) { e.Arguments = []string{`a\b`} }), `cannot pass a \ to a kernel unchanged`},
		{"quote", with(func(e *bootloader.Entry) { e.Arguments = []string{`a="b c"`} }), "needs no quotes"},
		{"empty argument", with(func(e *bootloader.Entry) { e.Arguments = []string{""} }), "kernel argument is empty"},
		{"no UUID", with(func(e *bootloader.Entry) { e.Search = &bootloader.Search{} }), `has the file "", which GRUB cannot look for`},
		{"option for a label", with(func(e *bootloader.Entry) { e.Search = &bootloader.Search{Label: "--help"} }), `has the label "--help", which GRUB cannot look for`},
		{"newline in a UUID", with(func(e *bootloader.Entry) { e.Search = &bootloader.Search{UUID: "a\nreboot"} }), "UUID \"a\\nreboot\": it must be UTF-8 without control characters"},
		{"long title", with(func(e *bootloader.Entry) { e.Title = strings.Repeat("x ", 5000) }), "it has 10000 bytes, and GRUB reads at most 8190 of a word"},
		{"long path", with(func(e *bootloader.Entry) { e.Kernel = "/" + strings.Repeat("x", 8190) }), "it has 8191 bytes, and GRUB reads at most 8190 of a word"},
		{"console", bootloader.Menu{Consoles: []string{"serial"}, Entries: []bootloader.Entry{linux}}, `console "serial": it must be tty0`},
		{"screen's speed", bootloader.Menu{Consoles: []string{"tty0,9600"}, Entries: []bootloader.Entry{linux}}, "a screen has no speed"},
		{"speed", bootloader.Menu{Consoles: []string{"ttyS0,fast"}, Entries: []bootloader.Entry{linux}}, `"fast" must be a speed`},
	} {
		got, err := (menu{Menu: c.menu}).config()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: config() = %q, %v; want an error with %q", c.name, got, err, c.want)
		}
	}
}

// TestMenuQuotes holds that no title, path or argument can leave its word: the judge
// takes every menu, and GRUB's own rules for words give back what went in.
func TestMenuQuotes(t *testing.T) {
	check := testenv.Judge(t, "grub-script-check", "grub-common")
	text := rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune(`'"\$ {}();&|<>#!*?[]%=~`+"`")), rapid.RuneFrom(nil, unicode.L)))
	longest := strings.Repeat("x ", longestWord/2-1)
	got, err := menu{Menu: bootloader.Menu{Entries: []bootloader.Entry{{Title: longest, Kernel: "/" + longest[1:]}}}}.config()
	if err != nil {
		t.Fatal(err)
	}
	scriptCheck(t, check, got)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		title, arg := text.Draw(t, "title")+"t", strings.NewReplacer(`"`, "", "'", "", `\`, "").Replace(text.Draw(t, "argument"))+"a"
		got, err := menu{Menu: bootloader.Menu{Entries: []bootloader.Entry{{Title: title, Kernel: "/" + strings.ReplaceAll(title, "/", ""), Arguments: []string{arg}}}}}.config()
		if err != nil {
			t.Fatal(err)
		}
		if words := words(quote(title) + " " + quote(arg)); len(words) != 2 || words[0] != title || words[1] != arg {
			t.Errorf("words of %s = %q; want %q and %q", quote(title)+" "+quote(arg), words, title, arg)
		}
		if n++; n%10 == 0 {
			scriptCheck(t, check, got)
		}
	})
}

// words takes a line apart as GRUB's lexer does, for what quote writes: single quotes,
// and a backslash outside of them.
func words(s string) []string {
	var out []string
	var w strings.Builder
	quoted, escaped := false, false
	for _, r := range s {
		switch {
		case escaped:
			w.WriteRune(r)
			escaped = false
		case r == '\'':
			quoted = !quoted
		case quoted:
			w.WriteRune(r)
		case r == '\\':
			escaped = true
		case r == ' ':
			out = append(out, w.String())
			w.Reset()
		default:
			w.WriteRune(r)
		}
	}
	return append(out, w.String())
}

func TestSerialCommand(t *testing.T) {
	for s, want := range map[string]string{
		"ttyS0":          "serial --unit=0 --speed=115200",
		"ttyS1,9600":     "serial --unit=1 --speed=9600",
		"ttyS0,57600o7r": "serial --unit=0 --speed=57600 --parity=odd --word=7",
	} {
		c, err := bootloader.ParseConsole(s)
		if got := serialCommand(c); err != nil || got != want {
			t.Errorf("%s: GRUB's command is %q, %v; want %q", s, got, err, want)
		}
	}
}

func TestAddTo(t *testing.T) {
	tree := image.NewTree()
	must(t, (menu{Menu: menus["plain"]}).addTo(tree, Place{Folder: "/grub"}))
	n := tree.Lookup("/grub/grub.cfg")
	if n == nil || n.Size() == 0 {
		t.Errorf("Lookup(/grub/grub.cfg) = %v; want the menu", n)
	}
	if err := (menu{Menu: menus["plain"]}).addTo(tree, Place{Folder: "/grub"}); err == nil {
		t.Error("a second menu in one place is taken")
	}
}
