package plan

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/bootloader/kernel"
)

// statedKernel writes the kernel of the third system anew: an x86 image whose header allows
// a command line of so many bytes.
func statedKernel(t *testing.T, dir string, most int) {
	t.Helper()
	b := make([]byte, 0x400)
	copy(b[0x202:], "HdrS\x0f\x02")
	b[0x236] = 1
	binary.LittleEndian.PutUint32(b[0x238:], uint32(most))
	write(t, filepath.Join(dir, "store", filepath.Base(store32(3, "system")), "kernel"), string(b))
}

// TestCommandLineTooLong has arguments come to the last byte that a kernel takes, and to one
// more: by its own header's limit, by the architecture's, by GRUB's menu, on an ISO and by
// network.
func TestCommandLineTooLong(t *testing.T) {
	const recipe = `name: long
system: /nix/store/00000000000000000000000000000003-system
store: {closures: [{graph: graph, from: store}]}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: root, filesystem: ext4, label: root, contents: {store: true}}
bootloader:
  grub: [bios]
  console: [ttyS0]
  arguments: [ARGUMENT]
`
	iso := strings.Replace(recipe, "    - {name: bios, type: bios-boot, size: 1MiB}\n", "", 1) + "output: iso\n"
	net := strings.Replace(iso, "output: iso", "output: netboot", 1)
	for _, test := range []struct {
		name   string
		text   string
		stated int // 0: the kernel says nothing
		most   int
		loader string
		added  int
	}{
		{"disk", recipe, 2047, 2047, "GRUB", len("BOOT_IMAGE=/nix/store/00000000000000000000000000000003-system/kernel ") + 1},
		{"another header", recipe, 1000, 1000, "GRUB", len("BOOT_IMAGE=/nix/store/00000000000000000000000000000003-system/kernel ") + 1},
		{"no header", recipe, 0, 2047, "GRUB", len("BOOT_IMAGE=/nix/store/00000000000000000000000000000003-system/kernel ")},
		{"ISO", iso, 2047, 2047, "GRUB", len("BOOT_IMAGE=/nix/store/00000000000000000000000000000003-system/kernel ") + 1 + len(" findiso=")},
		{"network", net, 2047, 2047, "iPXE", len("kernel ") + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			systems(t, dir, 3)
			if test.stated != 0 {
				statedKernel(t, dir, test.stated)
			}
			line := func(argument string) (string, error) {
				p, err := plan(t, dir, strings.Replace(test.text, "ARGUMENT", argument, 1))
				if err != nil {
					return "", err
				}
				defer p.Close()
				return p.Summary(0).Boot.Entries[0].Arguments + " console=ttyS0,115200", nil
			}
			short, err := line("x")
			if err != nil {
				t.Fatal(err)
			}
			room := test.most - test.added - len(short) + 1
			longest, err := line(strings.Repeat("x", room))
			if err != nil || len(longest) != test.most-test.added {
				t.Errorf("%d bytes of arguments: %v", len(longest), err)
			}
			_, err = line(strings.Repeat("x", room+1))
			want := fmt.Sprintf("bootloader.arguments: entry \"NixOS 24.03\": kernel command line has %d bytes and %d more that %s adds, and ", test.most-test.added+1, test.added, test.loader)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf(" %d: the rest would be cut off; leave 1 byte out", test.most)) {
				t.Errorf("one byte more: %v\nwant %s", err, want)
			}
		})
	}
}

// TestLongLineOfKernelParams has the arguments come from the system, and from an entry.
func TestLongLineOfKernelParams(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	long := strings.Repeat("y", 2048)
	_, err := plan(t, dir, strings.Replace(generationsRecipe, "  generations:", "  entries:\n  - {title: Long, system: /nix/store/00000000000000000000000000000003-system, arguments: ["+long+"]}\n  generations:", 1))
	if want := `test.yaml:13:90: `; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `bootloader.entries[0].arguments: entry "Long": kernel command line has`) {
		t.Errorf("Plan = %v; want %s", err, want)
	}
	write(t, filepath.Join(dir, "store", filepath.Base(store32(3, "system")), "kernel-params"), long)
	_, err = plan(t, dir, generationsRecipe)
	if err == nil || !strings.Contains(err.Error(), "test.yaml:2:9: system: entry ") || !strings.Contains(err.Error(), "kernels of its architecture take 2047") {
		t.Errorf("Plan = %v", err)
	}
}

func TestEssentialFirst(t *testing.T) {
	for in, want := range map[string]string{
		"systemConfig=/s init=/i quiet root=UUID=1 a":     "root=UUID=1 systemConfig=/s init=/i quiet a",
		"b root=/dev/a root=/dev/b ingot.live=/r init=/i": "root=/dev/a root=/dev/b init=/i ingot.live=/r b",
		"a gnu.load=/b gnu.system=/s root=x":              "root=x gnu.load=/b gnu.system=/s a",
		"a init=/i -- root=mine init=theirs":              "init=/i a -- root=mine init=theirs",
		"rootwait rootflags=a initcall_debug root=x":      "root=x rootwait rootflags=a initcall_debug",
		"": "",
	} {
		if got := strings.Join(essentialFirst(strings.Fields(in)), " "); got != want {
			t.Errorf("essentialFirst(%s) = %s; want %s", in, got, want)
		}
	}
}

// TestRootIsFirst: a loader that cuts a line cuts what is least needed.
func TestRootIsFirst(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	p, err := plan(t, dir, generationsRecipe, "bootloader.arguments=[panic=30]")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Summary(0).Boot.Entries {
		words := strings.Fields(e.Arguments)
		if len(words) < 4 || !strings.HasPrefix(words[0], "root=UUID=") || !strings.HasPrefix(words[2], "init=/nix/store/") || !slices.Contains(words, "panic=30") {
			t.Errorf("%s: %s", e.Title, e.Arguments)
		}
	}
}

// TestRealKernelStates: what a distribution's kernel says is the number that is known.
func TestRealKernelStates(t *testing.T) {
	p, err := planMade(t, "")
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Direct()
	if err != nil {
		t.Fatal(err)
	}
	h, err := kernel.ReadHeader(d.Kernel)
	if want := (kernel.Header{Arch: "x86_64", CommandLine: 2047, Stated: true}); h != want || err != nil {
		t.Errorf("Read = %+v, %v; want %+v", h, err, want)
	}
}

// TestTitlesAndArguments gives titles and arguments that would end a line of the menu, from
// the recipe and from a system's own files.
func TestTitlesAndArguments(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`  arguments: ["a\nreboot"]`, `test.yaml:12:15: bootloader.arguments[0]: kernel argument "a\nreboot": it must be UTF-8 without control characters`},
		{`  arguments: ["a\0"]`, `bootloader.arguments[0]: kernel argument "a\x00"`},
		{`  arguments: ['a="b"']`, `bootloader.arguments[0]: kernel argument "a=\"b\"": GRUB cannot pass a " to a kernel unchanged`},
		{`  entries: [{title: "A\nreboot", kernel: /k}]`, `bootloader.entries[0].title: title "A\nreboot": it must be UTF-8 without control characters`},
		{`  entries: [{title: A, submenu: "A\u0085", kernel: /k}]`, `bootloader.entries[0].submenu: title "A\u0085"`},
		{`  entries: [{title: A, kernel: /k, arguments: [a, "\t"]}]`, `bootloader.entries[0].arguments[1]: kernel argument "\t"`},
	} {
		dir := t.TempDir()
		systems(t, dir, 3)
		_, err := plan(t, dir, strings.Replace(generationsRecipe, "  generations:", c.text+"\n  generations:", 1))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\nreboot") {
			t.Errorf("%s: %v\nwant %s", c.text, err, c.want)
		}
	}
	dir := t.TempDir()
	systems(t, dir, 3)
	item := filepath.Join(dir, "store", filepath.Base(store32(3, "system")))
	write(t, filepath.Join(item, "nixos-version"), "24.11\n}\nreboot "+strings.Repeat("z", 20000))
	_, err := plan(t, dir, generationsRecipe)
	if err == nil || len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\n") || !strings.Contains(err.Error(), "without control characters") {
		t.Errorf("a version of several lines: %.2000v", err)
	}
	// What means something to GRUB alone stays what it is.
	write(t, filepath.Join(item, "nixos-version"), "24.11 $(reboot); 'x' {\"y\"} `z` \\")
	write(t, filepath.Join(item, "kernel-params"), "a=$b\nc;d\te&f #g \"h i\"")
	p, err := plan(t, dir, generationsRecipe)
	if err != nil {
		t.Fatal(err)
	}
	menu := menuOf(t, readRoot(t, p))
	for _, want := range []string{
		`menuentry 'NixOS 24.11 $(reboot); '\''x'\'' {"y"} ` + "`z` \\' --id entry-1 {",
		` 'a=$b' 'c;d' 'e&f' '#g' 'h i' console=ttyS0,115200`,
	} {
		if !strings.Contains(menu, want) {
			t.Errorf("the menu has no %s:\n%s", want, menu)
		}
	}
}

// TestTextsOfIPXE gives what means something to a script of iPXE, which knows no quotes.
func TestTextsOfIPXE(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	net := strings.Replace(generationsRecipe, "  generations:\n    - "+store32(1, "system")+"\n    - "+store32(2, "system")+"\n", "", 1) + "output: netboot\n"
	for version, want := range map[string]string{
		"a && b": "iPXE takes \"&&\" for a word of its own", "${net0/ip}": "iPXE takes ${ for the beginning", "#": "iPXE takes \"#\" for a word",
	} {
		write(t, filepath.Join(dir, "store", filepath.Base(store32(3, "system")), "nixos-version"), version)
		if _, err := plan(t, dir, net); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("version %q: %v; want %s", version, err, want)
		}
	}
	entry := strings.Replace(net, "system: "+store32(3, "system")+"\n", "", 1)
	entry = strings.Replace(entry, "  console: [ttyS0]", "  console: [ttyS0]\n  entries: [{title: --name x, system: "+store32(3, "system")+"}]", 1)
	if _, err := plan(t, dir, entry); err == nil || !strings.Contains(err.Error(), `title "--name x": iPXE takes it for an option, because it begins with a dash`) {
		t.Errorf("a title with a dash: %v", err)
	}
}
