package recipes

import (
	"errors"
	"strings"
	"testing"
)

// good is a recipe in which the tests break one thing at a time.
const good = `name: web
system: /nix/store/00000000000000000000000000000000-system
store:
  closures:
    - graph: closure.graph
      from: /mnt/nix/store
disk:
  table: gpt
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: esp, type: esp, filesystem: fat, label: ESP, size: 64MiB}
    - name: root
      filesystem: ext4
      label: root
      size: fit+512MiB
      contents:
        store: true
        files:
          - {path: /etc/hostname, text: "web\n"}
          - {path: /var/log, directory: true, mode: 0755}
bootloader:
  grub: [bios, efi]
  timeout: 3
  console: [tty0, ttyS0]
output:
  format: qcow2
`

func TestParse(t *testing.T) {
	r, err := Parse("web.yaml", "/recipes", []byte(good), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Store.Closures[0].Graph[0].Host; got != "/recipes/closure.graph" {
		t.Errorf("graph = %q; want it relative to the recipe", got)
	}
	root := r.Disk.Partitions[2]
	if !root.Size.Fit || root.Size.Bytes != 512<<20 || root.Type != "linux" {
		t.Errorf("root = %+v; want fit+512MiB of type linux", root)
	}
	if m := root.Contents.Files[1].Mode; m == nil || *m != 0o755 {
		t.Errorf("mode = %v; want 0755", m)
	}
	if got := r.Bootloader.Loader.Firmware(); len(got) != 2 || r.Output.Format != "qcow2" || *r.Bootloader.Timeout != 3 {
		t.Errorf("grub = %v, format = %q", got, r.Output.Format)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"unknown key", "label: root", "lable: root", `web.yaml:14:7: disk.partitions[2].lable: unknown key; did you mean "label"?`},
		{"unknown key far off", "name: web\n", "name: web\ncolour: red\n", "web.yaml:2:1: colour: unknown key; known here: name, seed, arch, system"},
		{"twice", "label: root", "label: root\n      label: toor", "web.yaml:15:7: disk.partitions[2].label: stands twice"},
		{"missing", "name: web\n", "", "web.yaml:1:1: name: is missing"},
		{"list for mapping", "store:\n  closures:", "store:\n  - closures:", "store: a list where a mapping of keys belongs"},
		{"value for list", "grub: [bios, efi]", "console: ttyS0\n  grub: [bios]", `bootloader.console: "ttyS0" where a list belongs: write [ttyS0] for a list of one`},
		{"nothing for list", "grub: [bios, efi]", "console:\n  grub: [bios]", "bootloader.console: nothing where a list belongs"},
		{"value behind a variable's name", "name: web\n", "name: web\nsteps: [{name: a, script: x, environment: {\"TOKEN=hunter2\": x}}]\n", "steps[0].environment: \"TOKEN=\" with what follows is not the name of a variable"},
		{"mapping for list", "grub: [bios, efi]", "console: {a: b}\n  grub: [bios]", "bootloader.console: a mapping where a list belongs"},
		{"text for number", "timeout: 3", "timeout: soon", `web.yaml:23:12: bootloader.timeout: "soon" where a whole number belongs`},
		{"text for bool", "store: true", "store: maybe", `disk.partitions[2].contents.store: "maybe" where true or false belongs`},
		{"bad size", "size: fit+512MiB", "size: big", `web.yaml:15:13: disk.partitions[2].size: `},
		{"bad mode", "mode: 0755", "mode: 0999", `"0999" is not a mode`},
		{"two labels", "label: root", "label: ESP", `web.yaml:14:14: disk.partitions[2].label: the label "ESP" is that of disk.partitions[1].label too`},
		{"two uuids", "label: root", "label: root\n      uuid: 8d1e0c1a-8a8f-4b3f-9c55-0123456789ab\n    - {name: b, filesystem: ext4, uuid: 8D1E0C1A-8A8F-4B3F-9C55-0123456789AB, size: 8MiB}\n    - name: c\n      filesystem: ext4", "disk.partitions[3].uuid: the UUID"},
		{"long ext4 label", "label: root", "label: a-label-of-seventeen", "web.yaml:14:14: disk.partitions[2].label: "},
		{"long FAT label", "label: ESP", "label: EFI-SYSTEM-PARTITION", "web.yaml:11:54: disk.partitions[1].label: "},
		{"file system", "filesystem: ext4", "filesystem: zfs", `web.yaml:13:19: disk.partitions[2].filesystem: unsupported file system: "zfs" is not known; known are erofs, ext4, `},
		{"table", "table: gpt", "table: gtp", `disk.table: "gtp" is not known; did you mean "gpt"?`},
		{"flavour", "store:\n", "store:\n  flavour: nixx\n", `store.flavour: "nixx" is not known; did you mean "nix"?`},
		{"nothing to boot", "system: /nix/store/00000000000000000000000000000000-system\n", "", "bootloader: there is nothing to boot: no system and no entries"},
		{"no bios-boot", "    - {name: bios, type: bios-boot, size: 1MiB}\n", "", "bootloader.grub[0]: no partition has type: bios-boot; add {name: bios"},
		{"no esp", "    - {name: esp, type: esp, filesystem: fat, label: ESP, size: 64MiB}\n", "", "bootloader.grub[1]: no partition has type: esp"},
		{"no loader", "  grub: [bios, efi]\n", "", "bootloader: has no grub"},
		{"no platforms", "grub: [bios, efi]", "grub: {from: /usr}", "web.yaml:22:9: bootloader.grub: names no platforms; add platforms: [bios, efi]"},
		{"inodes below 0", "label: root", "label: root\n      inodes: -1", "disk.partitions[2]: inodes: -1 is less than 0"},
		{"inodes of nothing", "      filesystem: ext4\n      label: root\n", "      inodes: 16\n", "disk.partitions[2].inodes: is a matter of ext4, and the file system is left out"},
		{"bits of ext4", "label: root", "label: root\n      bits: 16", "web.yaml:15:13: disk.partitions[2].bits: is a matter of fat, and the file system is ext4"},
		{"relative file", "path: /etc/hostname", "path: etc/hostname", `"etc/hostname" is not an absolute path`},
		{"dotdot file", "path: /etc/hostname", "path: /etc/../../x", `has .. in it`},
		{"two kinds of file", `text: "web\n"`, "text: web, link: x", "exactly one of text, source, directory, link and device says what it is, and 2 are given"},
		{"store on FAT", "filesystem: ext4", "filesystem: fat", "fat cannot hold a store"},
		{"no store partition", "        store: true\n", "", "no partition has contents: {store: true}"},
		{"not YAML", "name: web", "name: [web", "not YAML"},
		{"live store", "format: qcow2", "format: iso\n  store: squash", `web.yaml:27:10: output.store: "squash" is not known; did you mean "squashfs"?`},
		{"compression", "format: qcow2", "format: iso\n  compression: lzma", `web.yaml:27:16: output.compression: compression "lzma": there are zstd, xz, gzip and none`},
		{"level", "format: qcow2", "format: iso\n  level: 23", "web.yaml:27:10: output.level: level 23: zstd has 1 to 22"},
		{"level of xz", "format: qcow2", "format: iso\n  compression: xz\n  level: 9", "web.yaml:28:10: output.level: level 9: xz has no levels"},
		{"block size", "format: qcow2", "format: iso\n  block-size: 2MiB", "output.block-size: block size 2097152: squashfs has powers of two from 4096 to 1048576"},
		{"a machine's memory", "format: qcow2", "qcow2\nmachine: {memory: 16MiB}", "machine.memory: 16MiB is no size of a machine's memory: write at least 32MiB, such as 1GiB"},
		{"block size fit", "format: qcow2", "format: iso\n  block-size: fit", "output.block-size: fit is no block size"},
		{"long volume id", "format: qcow2", "format: iso\n  volume: a-volume-id-of-thirty-three-bytes", "output.volume: "},
		{"volume id alphabet", "format: qcow2", "format: iso\n  volume: no blanks", "output.volume: "},
		{"ISO's UUID", "format: qcow2", "format: iso\n  uuid: 2026-13-21-02-03-04-05", `output.uuid: UUID "2026-13-21-02-03-04-05": that of ISO 9660 is a date`},
		{"no GRUB on an ISO", "  grub: [bios, efi]\n  timeout: 3\n  console: [tty0, ttyS0]\noutput:\n  format: qcow2", "  entries: []\noutput:\n  format: iso", "bootloader: has no grub, and an ISO boots by it"},
		{"EROFS, compressed", "format: qcow2", "format: iso\n  store: erofs\n  compression: zstd", "web.yaml:28:16: output.compression: is a matter of squashfs, and the store is erofs"},
		{"EROFS with a level", "format: qcow2", "format: netboot\n  store: erofs\n  level: 3", "output.level: is a matter of squashfs"},
		{"EROFS for NixOS", "format: qcow2", "format: iso\n  store: erofs", "web.yaml:27:10: output.store: the initial RAM disk of a NixOS system looks for a squashfs"},
		{"netboot as files", "format: qcow2", "format: netboot\n  store: files", "output.store: files do not travel as such by network"},
		{"netboot of nothing", "system: /nix/store/00000000000000000000000000000000-system\n", "", "there is nothing to boot"},
		{"password", "format: qcow2", "format: netboot\n  password: a b", "output.password: iPXE reads it out of a script"},
		{"signed disk", "format: qcow2", "format: qcow2\n  sign: {key: a.key, certificate: a.pem}", "web.yaml:27:9: output.sign: is a matter of netboot, and the format is qcow2; write format: netboot"},
		{"signed nothing", "format: qcow2", "sign: {key: a.key, certificate: a.pem}", "output.sign: is a matter of netboot, and the format is raw"},
		{"password of a disk", "format: qcow2", "format: iso\n  password: x", "output.password: is a matter of netboot, and the format is iso"},
		{"empty console", "console: [tty0, ttyS0]", "console: [tty0, '']", "bootloader.console[1]: is empty: give it a value, or leave it out"},
		{"empty argument", "timeout: 3", "arguments: [quiet, \"\"]", "bootloader.arguments[1]: is empty: give it a value, or leave it out"},
		{"empty flag", "label: root", "label: root\n      flags: ['']", "disk.partitions[2].flags[0]: is empty"},
		{"empty platform", "grub: [bios, efi]", "grub: [bios, '']", "bootloader.grub[1]: is empty"},
		{"key alone", "format: qcow2", "format: netboot\n  sign: {key: a.key}", "output.sign.certificate: is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.old, c.new, 1)
			if text == good {
				t.Fatalf("%q is not in the recipe", c.old)
			}
			_, err := Parse("web.yaml", "/recipes", []byte(text), nil)
			if err == nil {
				t.Fatalf("Parse accepts it; want %q", c.want)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("Parse = %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestAllMistakes: words that are not known hide no other mistakes, and bring no further ones.
func TestAllMistakes(t *testing.T) {
	text := "arch: arm65\n" + strings.NewReplacer("table: gpt", "table: gtp", "store:\n  closures", "store:\n  flavour: nixx\n  closures", "/etc/hostname", "etc/hostname").Replace(good)
	_, err := Parse("web.yaml", "/recipes", []byte(text), nil)
	for _, want := range []string{"arch: ", "disk.table: ", "store.flavour: ", "disk.partitions[2].contents.files[0]: "} {
		if err == nil || strings.Count(err.Error(), "\n") != 3 || !strings.Contains(err.Error(), ": "+want) {
			t.Errorf("Parse = %v; want four mistakes, one at %s", err, want)
		}
	}
}

// TestEmptyLists: an empty list is as good as none where none may be.
func TestEmptyLists(t *testing.T) {
	for old, empty := range map[string]string{
		"/nix/store/00000000000000000000000000000000-system": "{path: /nix/store/00000000000000000000000000000000-system, modules: [], tools: []}",
		"from: /mnt/nix/store":                               "keys: []\n      cache: []",
		"type: bios-boot, ":                                  "type: bios-boot, contents: {files: []}, ",
	} {
		if _, err := Parse("web.yaml", "/recipes", []byte(strings.Replace(good, old, empty, 1)), nil); err != nil {
			t.Errorf("%s: %v", empty, err)
		}
	}
}

// TestGuixStore: what a Guix system's initial RAM disk cannot find is refused.
func TestGuixStore(t *testing.T) {
	const want = "a Guix system finds its store as plain files alone"
	for _, set := range [][]string{{"output=netboot"}, {"output.format=iso", "output.store=squashfs"}} {
		_, err := Parse("web.yaml", "/recipes", []byte(good), append(set, "store.flavour=guix", "system=/gnu/store/00000000000000000000000000000000-system"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %v: Parse = %v; want … %s …", set, err, want)
		}
	}
}

func TestOverride(t *testing.T) {
	for _, c := range []struct {
		set   string
		check func(*Recipe) bool
	}{
		{"disk.partitions.root.size=8GiB", func(r *Recipe) bool { return r.Disk.Partitions[2].Size.Bytes == 8<<30 }},
		{"disk.partitions[2].label=other", func(r *Recipe) bool { return r.Disk.Partitions[2].Label == "other" }},
		{"bootloader.arguments=[quiet, panic=1]", func(r *Recipe) bool { return len(r.Bootloader.Arguments) == 2 }},
		{"store.deduplicate=true", func(r *Recipe) bool { return r.Store.Deduplicate }},
		{"seed=x: - y", func(r *Recipe) bool { return r.Seed == "x: - y" }},
		{"bootloader.timeout=9", func(r *Recipe) bool { return *r.Bootloader.Timeout == 9 }},
		{"system={kernel: host}", func(r *Recipe) bool { return r.System.Kernel.Host == "host" }},
		{"seed=x=y", func(r *Recipe) bool { return r.Seed == "x=y" }},
		{"disk.table=msdos", func(r *Recipe) bool { return r.Disk.Table == "mbr" }},
		{"output.store=squashfs", func(r *Recipe) bool { return r.Output.Format == "qcow2" && r.Output.Store == "squashfs" }},
		{"output=raw", func(r *Recipe) bool { return r.Output.Format == "raw" }},
	} {
		r, err := Parse("web.yaml", ".", []byte(good), []string{c.set})
		if err != nil || !c.check(r) {
			t.Errorf("--set %s: %v, %+v", c.set, err, r)
		}
	}
	for set, want := range map[string]string{
		"disk.partitions.toor.size=8GiB": `no element has the number or the name "toor"; there are `,
		"steps[0].environment=hunter2":   "override steps[0].environment: there is no list yet that could have an element 0: give all of it, as [{...}]",
		"nonsense":                       "not of the form key=value",
		"disk.partitions.root.size=x":    "disk.partitions[2].size: ",
		"boot.timeout=1":                 "boot: unknown key",
	} {
		if _, err := Parse("web.yaml", ".", []byte(good), []string{set}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: %v; want %q", set, err, want)
		}
	}
}

// TestOverrideIsBlamed: an error that comes of an override says of which, and one of the file
// its line.
func TestOverrideIsBlamed(t *testing.T) {
	for _, x := range []struct {
		set []string
		key string
		of  int
	}{
		{[]string{"seed=a", "output.format=x"}, "output.format", 2},
		{[]string{"output=x"}, "output.format", 1},
		{[]string{"disk.partitions.root.lable=x"}, "disk.partitions[2].lable", 1},
		{[]string{"boot.timeout=1"}, "boot", 1},
		{[]string{"seed=a", "disk.partitions.toor.size=1"}, "", 2},
		{[]string{"seed=a", "seed"}, "", 2},
		{[]string{"disk={partitions: [{name: a, filesystem: zfs}]}"}, "disk.partitions[0].filesystem", 1},
	} {
		_, err := Parse("web.yaml", ".", []byte(good), x.set)
		var at *Error
		if !errors.As(err, &at) || at.Set != x.of || at.Line != 0 || x.key != "" && at.Key != x.key {
			t.Errorf("%v: %v is %+v; want override %d at %s", x.set, err, at, x.of, x.key)
		}
	}
	_, err := Parse("web.yaml", ".", []byte(strings.Replace(good, "label: root", "lable: root", 1)), []string{"seed=a"})
	var at *Error
	if !errors.As(err, &at) || at.Set != 0 || at.Line == 0 {
		t.Errorf("an error of the file: %v is %+v", err, at)
	}
}

// TestHostnameOfFile: a system whose file has another name than its recipe gives it is refused.
func TestHostnameOfFile(t *testing.T) {
	const text = `name: a
system: {kernel: host}
disk:
  partitions:
    - name: root
      filesystem: ext4
      contents: {store: true, files: [{path: /etc/hostname, text: "file\n"}]}
`
	for hostname, ok := range map[string]bool{"file": true, "other": false} {
		_, err := Parse("a.yaml", ".", []byte(text), []string{"system.hostname=" + hostname})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), `system.hostname: "other": partition root has a file /etc/hostname that says "file"`) {
			t.Errorf("hostname %s: %v; want it right: %v", hostname, err, ok)
		}
	}
	if _, err := Parse("a.yaml", ".", []byte(text), nil); err != nil {
		t.Errorf("without a hostname: %v", err)
	}
}

func TestShipped(t *testing.T) {
	for _, name := range ShippedNames() {
		r, err := Load(name, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, _ := Shipped(name)
		if r.Name != name || len(Headline(text)) < 20 {
			t.Errorf("%s: name %q, summary %q", name, r.Name, Headline(text))
		}
	}
	if _, err := Load("rescu", nil); err == nil || !strings.Contains(err.Error(), `did you mean "rescue"?`) {
		t.Errorf("Load(rescu) = %v", err)
	}
}
