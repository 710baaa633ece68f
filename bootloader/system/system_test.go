package system

import (
	"errors"
	"path"
	"strings"
	"testing"

	"ingot/bootloader"
	"ingot/image"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// tree makes a Tree of files by path; a text that starts with "-> " is a symlink.
func tree(t testing.TB, files map[string]string) *image.Tree {
	t.Helper()
	out := image.NewTree()
	for name, text := range files {
		n := image.NewFile(0o444, image.Bytes(text))
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			n = image.NewSymlink(to)
		}
		must(t, out.Put(name, n))
	}
	return out
}

// entry reads a system of a tree.
func entry(t *image.Tree, name string) (bootloader.Entry, error) {
	return entryOf(Read(t.Lookup, name))
}

func entryOf(s *System, err error) (bootloader.Entry, error) {
	if err != nil {
		return bootloader.Entry{}, err
	}
	return s.Entry, nil
}

func nixFiles() map[string]string {
	return map[string]string{
		"/nix/store/top/kernel":               "-> /nix/store/k-linux/bzImage",
		"/nix/store/k-linux/bzImage":          "-> boot/../vmlinuz",
		"/nix/store/k-linux/vmlinuz":          "kernel",
		"/nix/store/top/initrd":               "-> ../i-initrd/initrd",
		"/nix/store/i-initrd/initrd":          "initrd",
		"/nix/store/top/init":                 "#!",
		"/nix/store/top/kernel-params":        `loglevel=4 dyndbg="file x +p" net.ifnames=0`,
		"/nix/store/top/nixos-version":        "24.11.20241121.abc\n",
		"/nix/var/nix/profiles/system":        "-> system-1-link",
		"/nix/var/nix/profiles/system-1-link": "-> /nix/store/top",
		"/nix/store/k-linux/boot/placeholder": "",
	}
}

func TestNixSystem(t *testing.T) {
	for _, name := range []string{"/nix/store/top", "/nix/store/top/", "/nix/var/nix/profiles/system"} {
		e, err := entry(tree(t, nixFiles()), name)
		if err != nil {
			t.Fatal(err)
		}
		want := "systemConfig=/nix/store/top|init=/nix/store/top/init|loglevel=4|dyndbg=file x +p|net.ifnames=0"
		if got := strings.Join(e.Arguments, "|"); got != want {
			t.Errorf("Arguments = %s; want %s", got, want)
		}
		if e.Kernel != "/nix/store/k-linux/vmlinuz" || len(e.Initrd) != 1 || e.Initrd[0] != "/nix/store/i-initrd/initrd" || e.Title != "NixOS 24.11.20241121.abc" {
			t.Errorf("System() = %+v", e)
		}
	}
}

func TestNixSystemWithoutInitrd(t *testing.T) {
	files := nixFiles()
	delete(files, "/nix/store/top/initrd")
	delete(files, "/nix/store/top/nixos-version")
	e, err := entry(tree(t, files), "/nix/store/top")
	if err != nil || e.Initrd != nil || e.Title != "NixOS" {
		t.Errorf("System() = %+v, %v; want no initrd and the title NixOS", e, err)
	}
}

const parametersNow = `;; A comment.
(boot-parameters (version 1) (label "GNU with Linux-Libre \"5.10\" \x3bb;")
 (root-device (uuid dce #vu8(39 198 193 162 11 31 76 94 157 42 109 30 60 26 122 62)))
 (kernel "/gnu/store/k-linux-libre/bzImage")
 (kernel-arguments ("modprobe.blacklist=usbmouse,usbkbd" "quiet" "a=1 b=\"c d\""))
 (initrd "/gnu/store/i-raw-initrd/initrd.cpio.gz")
 #| block |# #;(ignored (list)) (multiboot-modules ())
 (locale "en_US.utf8") (bootloader-name grub) (bootloader-menu-entries ())
 (store (device (file-system-label "my-root")) (mount-point "/") (directory-prefix #f) (crypto-devices ())))
`

func guixFiles(parameters string) map[string]string {
	return map[string]string{
		"/gnu/store/s-system/parameters":         "-> /gnu/store/p-parameters",
		"/gnu/store/p-parameters":                parameters,
		"/gnu/store/k-linux-libre/bzImage":       "kernel",
		"/gnu/store/i-raw-initrd/initrd.cpio.gz": "initrd",
		"/gnu/store/s-system/boot":               "",
	}
}

func TestGuixSystem(t *testing.T) {
	old := strings.NewReplacer("(version 1)", "(version 0)", `(uuid dce #vu8(39 198 193 162 11 31 76 94 157 42 109 30 60 26 122 62))`, `"my-root"`)
	oldest := strings.NewReplacer("(version 1)", "(version 0)",
		`(uuid dce #vu8(39 198 193 162 11 31 76 94 157 42 109 30 60 26 122 62))`, `(file-system-label "my-root")`,
		`"/gnu/store/k-linux-libre/bzImage"`, `"/gnu/store/k-linux-libre"`,
		`"/gnu/store/i-raw-initrd/initrd.cpio.gz"`, `(string-append "/gnu/store/i-raw-initrd" "/initrd.cpio.gz")`,
		`("modprobe`, `'("modprobe`)
	const uuid = "27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e"
	rest := "|modprobe.blacklist=usbmouse,usbkbd|quiet|a=1|b=c d"
	for name, c := range map[string]struct{ text, want, device string }{
		"now": {parametersNow, "root=" + uuid + "|gnu.system=/gnu/store/s-system|gnu.load=/gnu/store/s-system/boot" + rest, uuid},
		"old": {old.Replace(parametersNow), "--root=my-root|--system=/gnu/store/s-system|--load=/gnu/store/s-system/boot" + rest, "my-root"},
		"tmpfs": {strings.Replace(parametersNow, `(uuid dce #vu8(39 198 193 162 11 31 76 94 157 42 109 30 60 26 122 62))`, `"tmpfs"`, 1),
			"rootfstype=tmpfs|gnu.system=/gnu/store/s-system|gnu.load=/gnu/store/s-system/boot" + rest, "tmpfs"},
		"none": {strings.Replace(parametersNow, `(uuid dce #vu8(39 198 193 162 11 31 76 94 157 42 109 30 60 26 122 62))`, `"none"`, 1),
			"gnu.system=/gnu/store/s-system|gnu.load=/gnu/store/s-system/boot" + rest, "none"},
		"oldest": {oldest.Replace(parametersNow), "--root=my-root|--system=/gnu/store/s-system|--load=/gnu/store/s-system/boot" + rest, "my-root"},
	} {
		e, err := entry(tree(t, guixFiles(c.text)), "/gnu/store/s-system")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(e.Arguments, "|"); got != c.want || e.RootDevice != c.device {
			t.Errorf("%s: Arguments = %s, root %s; want %s, %s", name, got, e.RootDevice, c.want, c.device)
		}
		if e.Kernel != "/gnu/store/k-linux-libre/bzImage" || e.Initrd[0] != "/gnu/store/i-raw-initrd/initrd.cpio.gz" || e.Title != `GNU with Linux-Libre "5.10" λ` {
			t.Errorf("%s: System() = %+v", name, e)
		}
	}
}

func TestSystemRefusals(t *testing.T) {
	nix := func(change func(map[string]string)) map[string]string {
		f := nixFiles()
		change(f)
		return f
	}
	guix := func(old, now string) map[string]string {
		if !strings.Contains(parametersNow, old) {
			t.Fatalf("no %q in the parameters", old)
		}
		return guixFiles(strings.Replace(parametersNow, old, now, 1))
	}
	for _, c := range []struct {
		name  string
		path  string
		files map[string]string
		want  string
	}{
		{"missing", "/nix/store/other", nixFiles(), "system /nix/store/other: it is not in the image: add its closure to the store"},
		{"relative", "nix/store/top", nixFiles(), "not absolute"},
		{"file", "/nix/store/k-linux/vmlinuz", nixFiles(), "is not a directory"},
		{"no kernel", "/nix/store/i-initrd", nixFiles(), "it has no kernel"},
		{"dangling", "/nix/store/top", nix(func(f map[string]string) { delete(f, "/nix/store/k-linux/vmlinuz") }),
			"kernel: /nix/store/top/kernel leads to /nix/store/k-linux/vmlinuz: file does not exist in the image"},
		{"loop", "/nix/store/top", nix(func(f map[string]string) { f["/nix/store/top/kernel"] = "-> kernel" }), "more than 40 symlinks"},
		{"no init", "/nix/store/top", nix(func(f map[string]string) { delete(f, "/nix/store/top/init") }), "init: /nix/store/top/init: file does not exist"},
		{"no params", "/nix/store/top", nix(func(f map[string]string) { delete(f, "/nix/store/top/kernel-params") }), "kernel-params: "},
		{"quote", "/nix/store/top", nix(func(f map[string]string) { f["/nix/store/top/kernel-params"] = `a="b` }), "a quote is not closed"},
		{"huge params", "/nix/store/top", nix(func(f map[string]string) {
			f["/nix/store/top/kernel-params"] = strings.Repeat("a ", bootloader.MaxText)
		}), "at most 1048576 are read"},
		{"hurd", "/gnu/store/s-system", guix("(multiboot-modules ())", `(multiboot-modules ("x"))`), "only Linux is supported"},
		{"version", "/gnu/store/s-system", guix("(version 1)", "(version 2)"), "version 2 is not known"},
		{"no version", "/gnu/store/s-system", guix("(version 1)", ""), "version is missing"},
		{"no label", "/gnu/store/s-system", guix("(label ", "(lable "), "label is missing"},
		{"bad root", "/gnu/store/s-system", guix("(uuid dce ", "(uuid "), "root-device: it is neither a UUID nor a label nor a device"},
		{"short UUID", "/gnu/store/s-system", guix("39 198 ", ""), "the UUID has 14 bytes"},
		{"not a byte", "/gnu/store/s-system", guix("39 198 ", "39 256 "), `"256" is not a byte`},
		{"kernel", "/gnu/store/s-system", guix("k-linux", "l-linux"), "kernel: /gnu/store/l-linux-libre/bzImage leads to /gnu/store/l-linux-libre"},
		{"arguments", "/gnu/store/s-system", guix(`"quiet"`, "quiet"), "kernel-arguments: it is not a string"},
		{"not closed", "/gnu/store/s-system", guix(")))\n", "))\n"), "a list is not closed"},
		{"empty", "/gnu/store/s-system", guixFiles(""), "the text ends where something is expected"},
		{"other", "/gnu/store/s-system", guixFiles("(operating-system)"), "not a list that starts with boot-parameters"},
		{"two", "/gnu/store/s-system", guixFiles("() ()"), "more than one expression"},
	} {
		e, err := entry(tree(t, c.files), c.path)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: System() = %+v, %v; want an error with %q", c.name, e, err, c.want)
		}
	}
}

// TestSystemOfTwoTrees picks up a system whose store is a file system of its own.
func TestSystemOfTwoTrees(t *testing.T) {
	all, store := tree(t, nixFiles()), image.NewTree()
	must(t, store.Put("/store", all.Lookup("/nix/store")))
	look := bootloader.Lookup(func(name string) *image.Node {
		if rest, ok := strings.CutPrefix(name, "/nix"); ok && (rest == "" || rest[0] == '/') {
			return store.Lookup(path.Clean("/" + rest))
		}
		return image.NewTree().Lookup(name)
	})
	if e, err := entryOf(Read(look, "/nix/store/top")); err != nil || e.Kernel != "/nix/store/k-linux/vmlinuz" {
		t.Errorf("System() = %+v, %v; want /nix/store/k-linux/vmlinuz", e, err)
	}
}

func TestParseScheme(t *testing.T) {
	d, err := parseScheme("(a \"b\\n\\\\\\x41;\\u00e9\\\n   c\" -12 #t (quote) [x] 'y #vu8(0 255))")
	if err != nil {
		t.Fatal(err)
	}
	if len(d.list) != 8 || d.list[1].text != "b\n\\Aéc" || d.list[2].kind != numberDatum || !d.list[3].is("#t") ||
		!d.list[6].list[0].is("quote") || string(d.list[7].bytes) != "\x00\xff" {
		t.Errorf("parseScheme() = %+v", d)
	}
	for text, want := range map[string]string{
		"(":                        "line 1: a list is not closed",
		"\n\n)":                    "line 3: a ) without its opening",
		`"abc`:                     "a string is not closed",
		`"\q"`:                     `unknown escape \q`,
		`"\`:                       "a string is not closed",
		`"\xzz"`:                   `unknown escape \xzz`,
		"#| x":                     "a comment is not closed",
		"(a]":                      "a ] without its opening",
		"#vu8(a)":                  `"a" is not a byte`,
		strings.Repeat("(", 1000):  "lists are more than 100 deep",
		strings.Repeat("'", 1000):  "lists are more than 100 deep",
		strings.Repeat("#;", 1000): "lists are more than 100 deep",
	} {
		if d, err := parseScheme(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseScheme(%.20q) = %+v, %v; want an error with %q", text, d, err, want)
		}
	}
}

func FuzzParameters(f *testing.F) {
	f.Add(parametersNow)
	f.Add(`(boot-parameters (version 0) (label "") (root-device "/dev/sda") (kernel "") (initrd (string-append "a" "b")))`)
	f.Add(strings.Replace(parametersNow, "(bootloader-menu-entries ())", `(bootloader-menu-entries ((menu-entry (version 0) (label "A") (device (uuid dce "1")) (device-mount-point #f) (linux "/l") (linux-arguments ("a b")) (initrd "/i")) (menu-entry (version 0) (label "B") (device #f) (chain-loader "/c"))))`, 1))
	f.Add("'(#vu8(1) \"\\x3bb;\\\n  \") ; end")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseParameters(text)
		if (p == nil) == (err == nil) {
			t.Errorf("parseParameters(%q) = %v, %v", text, p, err)
		}
	})
}

// TestGuixMenu reads what a Guix system wants in the menu, where its store lies, and its locale.
func TestGuixMenu(t *testing.T) {
	text := strings.NewReplacer(`(bootloader-menu-entries ())`, `(bootloader-menu-entries
 ((menu-entry (version 0) (label "Rescue") (device (uuid dce "27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e")) (device-mount-point "/mnt") (linux "/mnt/boot/vmlinuz") (linux-arguments ("quiet a=1" "b")) (initrd "/mnt/boot/initrd"))
  (menu-entry (version 0) (label "Windows") (device (label "EFI")) (device-mount-point #f) (chain-loader "/EFI/Microsoft/Boot/bootmgfw.efi"))
  (menu-entry (version 0) (label "Hurd") (device #f) (device-mount-point #f) (multiboot-kernel "/boot/gnumach") (multiboot-arguments ()) (multiboot-modules ()))))`,
		`(file-system-label "my-root")) (mount-point "/")`, `(file-system-label "my-root")) (mount-point "/gnu")`).Replace(parametersNow)
	look := tree(t, guixFiles(text)).Lookup
	s, err := Read(look, "/gnu/store/s-system")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Menu) != 3 || s.Menu[0].Device != (Device{ByUUID, "27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e"}) || s.Menu[0].MountPoint != "/mnt" ||
		strings.Join(s.Menu[0].Arguments, "|") != "quiet|a=1|b" || s.Menu[1].ChainLoader != "/EFI/Microsoft/Boot/bootmgfw.efi" || !s.Menu[2].Multiboot {
		t.Errorf("Menu = %+v", s.Menu)
	}
	if s.Locale != "en_US.utf8" || s.Loader.Name != "grub" {
		t.Errorf("Locale, Loader = %q, %q; want en_US.utf8, grub", s.Locale, s.Loader.Name)
	}
	want, err := s.Expects(look)
	if err != nil || len(want.Mounts) != 2 || want.Mounts[0].Device.Kind != ByUUID || want.Mounts[1].Point != "/gnu" || !want.Mounts[1].Early {
		t.Errorf("Expects() without fstab = %+v, %v; want root and store", want, err)
	}
	for old, now := range map[string]string{"(version 0) (label \"Rescue\")": "(version 7) (label \"Rescue\")", "(menu-entry (version 0) (label \"Hurd\")": "(menu (version 0) (label \"Hurd\")", `(chain-loader "/EFI`: `(other "/EFI`} {
		if _, err := parseParameters(strings.Replace(text, old, now, 1)); err == nil || !strings.Contains(err.Error(), "bootloader-menu-entries: entry ") {
			t.Errorf("%s: %v; want an error of bootloader-menu-entries", now, err)
		}
	}
}

func TestGuixFstab(t *testing.T) {
	files := guixFiles(parametersNow)
	files["/gnu/store/s-system/etc/fstab"] = "# Generated.\n\nUUID=27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e\t/\text4\tdefaults\t\nLABEL=my data\t/data\tbtrfs\tsubvol=a\t\n"
	look := tree(t, files).Lookup
	s, err := Read(look, "/gnu/store/s-system")
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Expects(look)
	if err != nil || len(want.Mounts) != 2 || !want.Mounts[0].Early || want.Mounts[1].Device != (Device{ByLabel, "my data"}) {
		t.Errorf("Expects() = %+v, %v; want root and data", want, err)
	}
	if want != nil && want.Root != (Device{ByUUID, "27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e"}) {
		t.Errorf("Root = %+v", want.Root)
	}
}
