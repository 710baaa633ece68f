package system

import (
	"slices"
	"strings"
	"testing"

	"ingot/bootloader"
)

const bootspecNow = `{
  "org.nixos.bootspec.v1": {
    "init": "/nix/store/top/init",
    "initrd": "/nix/store/i-initrd/initrd",
    "kernel": "/nix/store/k-linux/bzImage",
    "kernelParams": ["loglevel=4", "dyndbg=\"file x +p\"", "net.ifnames=0"],
    "label": "NixOS Vicuna 24.11 (Linux 6.6.63)",
    "system": "x86_64-linux",
    "toplevel": "/nix/store/top"
  },
  "org.nixos.specialisation.v1": {
    "debug": {
      "org.nixos.bootspec.v1": {
        "init": "/nix/store/spec/init",
        "kernel": "/nix/store/k-linux/bzImage",
        "kernelParams": ["debug"],
        "label": "NixOS Vicuna 24.11 (Linux 6.6.63)",
        "system": "x86_64-linux",
        "toplevel": "/nix/store/spec"
      },
      "org.nixos.specialisation.v1": {}
    }
  },
  "org.nixos.systemd-boot": {"sortKey": "o_debian", "devicetree": "/nix/store/k-linux/board.dtb"},
  "org.example": [1]
}
`

func bootspecFiles() map[string]string {
	files := nixFiles()
	files["/nix/store/top/boot.json"] = bootspecNow
	files["/nix/store/top/specialisation/debug"] = "-> /nix/store/spec"
	files["/nix/store/k-linux/board.dtb"] = "tree"
	files["/nix/store/spec/kernel"] = "-> /nix/store/k-linux/bzImage"
	files["/nix/store/spec/init"] = "#!"
	files["/nix/store/spec/kernel-params"] = "debug"
	return files
}

func TestBootspec(t *testing.T) {
	s, err := Read(tree(t, bootspecFiles()).Lookup, "/nix/store/top")
	if err != nil {
		t.Fatal(err)
	}
	if s.Entry.Title != "NixOS Vicuna 24.11 (Linux 6.6.63)" || s.Arch != "x86_64" || s.SortKey != "o_debian" || s.DeviceTree != "/nix/store/k-linux/board.dtb" || s.Extensions["org.example"] == nil || len(s.Notes) != 0 {
		t.Errorf("Read() = %+v", s)
	}
	if len(s.Specialisations) != 1 || s.Specialisations[0].Name != "debug" ||
		strings.Join(s.Specialisations[0].System.Entry.Arguments, " ") != "systemConfig=/nix/store/spec init=/nix/store/spec/init debug" {
		t.Errorf("Specialisations = %+v", s.Specialisations)
	}
}

// TestBootspecAlone reads a system that has the document and no links.
func TestBootspecAlone(t *testing.T) {
	files := bootspecFiles()
	for _, name := range []string{"kernel", "initrd", "kernel-params", "specialisation/debug"} {
		delete(files, "/nix/store/top/"+name)
	}
	s, err := Read(tree(t, files).Lookup, "/nix/store/top")
	if err != nil {
		t.Fatal(err)
	}
	want := "systemConfig=/nix/store/top|init=/nix/store/top/init|loglevel=4|dyndbg=file x +p|net.ifnames=0"
	if got := strings.Join(s.Entry.Arguments, "|"); got != want || s.Entry.Kernel != "/nix/store/k-linux/vmlinuz" || len(s.Specialisations) != 1 {
		t.Errorf("Read() = %+v; want the arguments %s", s, want)
	}
}

// TestContradiction: the links count, and the System says that the document differs.
func TestContradiction(t *testing.T) {
	files := bootspecFiles()
	files["/nix/store/top/kernel-params"] = "quiet"
	files["/nix/store/top/initrd"] = "-> /nix/store/k-linux/vmlinuz"
	s, err := Read(tree(t, files).Lookup, "/nix/store/top")
	if err != nil || s.Entry.Initrd[0] != "/nix/store/k-linux/vmlinuz" || s.Entry.Arguments[2] != "quiet" || len(s.Notes) != 2 {
		t.Errorf("Read() = %+v, %v; want the links, and two notes", s, err)
	}
}

func TestBootspecRefusals(t *testing.T) {
	for _, c := range []struct{ old, now, want string }{
		{bootspecKey, "org.nixos.bootspec.v2", `boot.json: bootspec version "v2" is not known: ingot reads v1`},
		{"org.nixos", "org.other", "boot.json: there is no org.nixos.bootspec.v1 in it"},
		{`["loglevel=4"`, `[4`, "boot.json: org.nixos.bootspec.v1: kernelParams is of the type number"},
		{`["loglevel=4", "dyndbg=\"file x +p\"", "net.ifnames=0"]`, `"quiet"`, "kernelParams is of the type string"},
		{`"label": "NixOS`, `"table": "NixOS`, "label is missing"},
		{`"init": "/nix`, `"init": "nix`, `init: "nix/store/top/init" is not an absolute path`},
		{`"toplevel": "/nix/store/top"`, `"toplevel": "/nix/store/top",`, "boot.json: line 10: invalid character"},
		{"/board.dtb", "/other.dtb", "devicetree: /nix/store/k-linux/other.dtb: file does not exist"},
		{`"debug": {`, `"debug": [], "x": {`, "org.nixos.specialisation.v1"},
	} {
		files := bootspecFiles()
		if !strings.Contains(bootspecNow, c.old) {
			t.Fatalf("no %q in the document", c.old)
		}
		files["/nix/store/top/boot.json"] = strings.ReplaceAll(bootspecNow, c.old, c.now)
		if s, err := Read(tree(t, files).Lookup, "/nix/store/top"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Read() = %+v, %v; want an error with %q", c.now, s, err, c.want)
		}
	}
	files := bootspecFiles()
	files["/nix/store/spec/kernel"] = "-> /nix/store/gone/bzImage"
	if _, err := Read(tree(t, files).Lookup, "/nix/store/top"); err == nil || !strings.Contains(err.Error(), "specialisation debug: kernel: /nix/store/spec/kernel leads to /nix/store/gone") {
		t.Errorf("a specialisation without its kernel: %v", err)
	}
	files["/nix/store/spec/kernel"] = "kernel"
	files["/nix/store/top/boot.json"] = strings.Repeat(" ", bootloader.MaxText+1)
	if _, err := Read(tree(t, files).Lookup, "/nix/store/top"); err == nil || !strings.Contains(err.Error(), "at most 1048576 are read") {
		t.Errorf("a document that is too long: %v", err)
	}
}

// TestOthersBootspec: a document that was copied from another system is noticed.
func TestOthersBootspec(t *testing.T) {
	files := bootspecFiles()
	files["/nix/store/top/boot.json"] = strings.Replace(bootspecNow, "/nix/store/top/init", "/nix/store/other/init", 1)
	s, err := Read(tree(t, files).Lookup, "/nix/store/top")
	if err != nil || s.Init != "/nix/store/top/init" || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "boot.json is that of another system") {
		t.Errorf("Read() = %+v, %v; want a note", s, err)
	}
}

// TestBootspecBeside: what newer NixOS may write beside version 1 is left alone, and the preview
// of 2022 is none.
func TestBootspecBeside(t *testing.T) {
	files := bootspecFiles()
	files["/nix/store/top/boot.json"] = strings.Replace(bootspecNow, "{\n", `{"org.nixos.bootspec.v2": {"x": 1},`, 1)
	if _, err := Read(tree(t, files).Lookup, "/nix/store/top"); err != nil {
		t.Errorf("version 2 beside version 1: %v", err)
	}
	files["/nix/store/top/boot.json"] = `{"v1": {"kernel": "/x"}}`
	if s, err := Read(tree(t, files).Lookup, "/nix/store/top"); err != nil || s.Entry.Kernel != "/nix/store/k-linux/vmlinuz" {
		t.Errorf("the preview: %+v, %v", s, err)
	}
}

func TestSecrets(t *testing.T) {
	const script = "#!/bin/bash -e\nif [ x ]; then\n  usage\n  exit 0\nfi\n\n%\nexport PATH=/x\n"
	for with, want := range map[string]string{"": "/nix/store/top/append-initrd-secrets", "exit 0": ""} {
		files := nixFiles()
		files["/nix/store/top/append-initrd-secrets"] = strings.Replace(script, "%", with, 1)
		s, err := Read(tree(t, files).Lookup, "/nix/store/top")
		if err != nil || s.Secrets != want {
			t.Errorf("with %q: Secrets = %q, %v; want %q", with, s.Secrets, err, want)
		}
	}
}

// TestSecretFiles reads which secrets a script of NixOS adds, of today and of 2021.
func TestSecretFiles(t *testing.T) {
	got := secretFiles("mkdir -p x\n  mkdir -p $(dirname \"$tmp/.initrd-secrets//etc/key\")\n  cp -a /root/key \"$tmp/.initrd-secrets//etc/key\"\n" +
		"cp -a /a b \"$tmp/c\"\ncp -a /x \"$out/y\"\ncp -a /x \"$tmp/../z\"\n")
	want := []SecretFile{{"/etc/key", "/root/key", ".initrd-secrets/etc/key"}, {"/c", "/a b", "c"}, {"/z", "/x", "z"}}
	if !slices.Equal(got, want) {
		t.Errorf("secretFiles() = %+v; want %+v", got, want)
	}
}

func FuzzBootspec(f *testing.F) {
	f.Add([]byte(bootspecNow))
	f.Add([]byte(`{"org.nixos.bootspec.v2":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := parseBootspec(text)
		if err == nil && doc != nil && (doc.Kernel == "" || !doc.known) {
			t.Errorf("parseBootspec(%q) = %+v", text, doc)
		}
	})
}
