package bootloader

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"ingot/image"
)

var update = flag.Bool("update", false, "write the golden files anew")

// menus are the goldens under testdata.
var menus = map[string]Menu{
	"plain": {
		Timeout: 5,
		Entries: []Entry{{Title: "NixOS 24.11", Kernel: "/nix/store/a-linux/bzImage", Initrd: []string{"/nix/store/b-initrd/initrd"},
			Arguments: []string{"systemConfig=/nix/store/s", "init=/nix/store/s/init", "loglevel=4"}}},
	},
	"full": {
		Timeout:  -1,
		Default:  "Generation 7",
		Consoles: []string{"tty0", "hvc0", "ttyS1,9600e7"},
		Root:     "27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e",
		Entries: []Entry{
			{Title: "It's \\ a \"$title\" {1} 🌳", Kernel: "/a b/$k'", Initrd: []string{"/microcode", "/initrd"}, Arguments: []string{"console=hvc0", "dyndbg=file a +p; b"}},
			{Title: "Generation 7", ID: "gen7", Submenu: "Older generations", Kernel: "/k7"},
			{Title: "ESP", Root: "ABCD-1234", Script: []string{"chainloader /EFI/BOOT/BOOTX64.EFI"}},
			{Title: "Generation 6", Submenu: "Older generations", Kernel: "/k6", Arguments: []string{"single"}},
		},
	},
	"serial": {
		Text: true, Consoles: []string{"ttyS0"}, Default: "entry-1",
		Entries: []Entry{{Title: "Linux", Kernel: "/k", Arguments: []string{"console=ttyS0"}}},
	},
}

func TestMenus(t *testing.T) {
	check := judge(t, "grub-script-check", "grub-common")
	for name, m := range menus {
		t.Run(name, func(t *testing.T) {
			got, err := m.Config()
			if err != nil {
				t.Fatal(err)
			}
			scriptCheck(t, check, got)
			path := filepath.Join("testdata", name+".cfg")
			if *update {
				must(t, os.WriteFile(path, []byte(got), 0o666))
			}
			want, err := os.ReadFile(path)
			must(t, err)
			if got != string(want) {
				t.Errorf("Config() =\n%swant:\n%s", got, want)
			}
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
	linux := Entry{Title: "Linux", Kernel: "/k"}
	with := func(change func(*Entry)) Menu {
		e := linux
		change(&e)
		return Menu{Entries: []Entry{e}}
	}
	for _, c := range []struct {
		name string
		menu Menu
		want string
	}{
		{"empty", Menu{}, "it has no entries"},
		{"default", Menu{Default: "BSD", Entries: []Entry{linux}}, `default "BSD" is not the title of an entry: there are ["Linux"]`},
		{"two defaults", Menu{Default: "Linux", Entries: []Entry{linux, linux}}, "2 entries have that title"},
		{"one ID", Menu{Entries: []Entry{{Title: "A", ID: "x", Kernel: "/k"}, {Title: "B", ID: "x", Kernel: "/k"}}}, `entry "B": ID x is that of "A" too`},
		{"bad ID", with(func(e *Entry) { e.ID = "a>b" }), `ID "a>b"`},
		{"no title", with(func(e *Entry) { e.Title = " " }), "title is empty"},
		{"newline", with(func(e *Entry) { e.Title = "a\nreboot" }), "without control characters"},
		{"nothing", with(func(e *Entry) { e.Kernel = "" }), "neither a kernel nor a script"},
		{"arguments alone", with(func(e *Entry) { e.Kernel, e.Script, e.Arguments = "", []string{"halt"}, []string{"a"} }), "and no kernel"},
		{"relative", with(func(e *Entry) { e.Kernel = "boot/k" }), `path "boot/k": it must be absolute`},
		{"initrd", with(func(e *Entry) { e.Initrd = []string{"/a/../b"} }), `path "/a/../b"`},
		{"backslash", with(func(e *Entry) { e.Arguments = []string{`a\b`} }), `cannot hand a \ to a kernel unchanged`},
		{"quote", with(func(e *Entry) { e.Arguments = []string{`a="b c"`} }), "needs no quotes"},
		{"empty argument", with(func(e *Entry) { e.Arguments = []string{""} }), "kernel argument is empty"},
		{"entry's UUID", with(func(e *Entry) { e.Root = "root" }), `"root" is not the UUID`},
		{"menu's UUID", Menu{Root: "x; reboot", Entries: []Entry{linux}}, "is not the UUID"},
		{"console", Menu{Consoles: []string{"serial"}, Entries: []Entry{linux}}, `console "serial": it must be tty0`},
		{"screen's speed", Menu{Consoles: []string{"tty0,9600"}, Entries: []Entry{linux}}, "a screen has no speed"},
		{"speed", Menu{Consoles: []string{"ttyS0,fast"}, Entries: []Entry{linux}}, `"fast" must be a speed`},
	} {
		got, err := c.menu.Config()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Config() = %q, %v; want an error with %q", c.name, got, err, c.want)
		}
	}
}

// TestMenuQuotes holds that no title, path or argument can leave its word: the judge
// takes every menu, and GRUB's own rules for words give back what went in.
func TestMenuQuotes(t *testing.T) {
	check := judge(t, "grub-script-check", "grub-common")
	text := rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune(`'"\$ {}();&|<>#!*?[]%=~`+"`")), rapid.RuneFrom(nil, unicode.L)))
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		title, arg := text.Draw(t, "title")+"t", strings.NewReplacer(`"`, "", "'", "", `\`, "").Replace(text.Draw(t, "argument"))+"a"
		got, err := Menu{Entries: []Entry{{Title: title, Kernel: "/" + strings.ReplaceAll(title, "/", ""), Arguments: []string{arg}}}}.Config()
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

func TestSplitArguments(t *testing.T) {
	for s, want := range map[string]string{
		"":                              "",
		" \n":                           "",
		"a b\n":                         "a|b",
		"  a\tb  c ":                    "a|b|c",
		`x="file a +p; b" y`:            "x=file a +p; b|y",
		`"x=a b"`:                       "x=a b",
		`a ""`:                          "a|",
		"quiet splash root=LABEL=nixos": "quiet|splash|root=LABEL=nixos",
	} {
		got, err := splitArguments(s)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("splitArguments(%q) = %q, %v; want %q", s, got, err, want)
		}
	}
	if _, err := splitArguments(`a "b`); err == nil || !strings.Contains(err.Error(), "a quote is not closed") {
		t.Errorf("splitArguments = %v; want an error", err)
	}
}

func TestConsoles(t *testing.T) {
	for s, want := range map[string][2]string{
		"tty0":           {"console=tty0", ""},
		"ttyS0":          {"console=ttyS0,115200", "serial --unit=0 --speed=115200"},
		"ttyS1,9600":     {"console=ttyS1,9600", "serial --unit=1 --speed=9600"},
		"ttyS0,57600o7r": {"console=ttyS0,57600o7r", "serial --unit=0 --speed=57600 --parity=odd --word=7"},
		"ttyAMA0":        {"console=ttyAMA0", ""},
		"hvc0":           {"console=hvc0", ""},
	} {
		c, err := ParseConsole(s)
		if err != nil || c.argument() != want[0] {
			t.Errorf("ParseConsole(%q) = %v, %v; want the argument %q", s, c, err, want[0])
		}
		if _, ok := c.port(); ok && c.serialCommand() != want[1] {
			t.Errorf("%s: GRUB's command is %q; want %q", s, c.serialCommand(), want[1])
		}
	}
	for _, s := range []string{"", "tty", "ttyS", "ttyS0,", "ttyS0 quiet", "com1", "ttyS0,0"} {
		if c, err := ParseConsole(s); err == nil {
			t.Errorf("ParseConsole(%q) = %v; want an error", s, c)
		}
	}
}

func TestBelow(t *testing.T) {
	e, err := Entry{Kernel: "/nix/store/k", Initrd: []string{"/nix/store/i"}}.Below("/nix/")
	if err != nil || e.Kernel != "/store/k" || e.Initrd[0] != "/store/i" {
		t.Errorf("Below(/nix) = %v, %v; want /store/k and /store/i", e, err)
	}
	if _, err := (Entry{Kernel: "/nixos/k"}).Below("/nix"); err == nil {
		t.Error("Below(/nix) of /nixos/k succeeds")
	}
}

func TestAddTo(t *testing.T) {
	tree := image.NewTree()
	must(t, menus["plain"].AddTo(tree, Place{Folder: "/grub"}))
	n := tree.Lookup("/grub/grub.cfg")
	if n == nil || n.Size() == 0 {
		t.Errorf("Lookup(/grub/grub.cfg) = %v; want the menu", n)
	}
	if err := menus["plain"].AddTo(tree, Place{Folder: "/grub"}); err == nil {
		t.Error("a second menu in one place is taken")
	}
}
