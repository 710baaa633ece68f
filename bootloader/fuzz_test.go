package bootloader

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"ingot/image"
)

// FuzzConsole reads consoles, and writes them for the kernel so that they are read as the
// same.
func FuzzConsole(f *testing.F) {
	for _, s := range []string{"tty0", "ttyS0", "ttyS1,9600n8", "ttyAMA0,115200e7r", "hvc0", "tty0,1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseConsole(s)
		if err != nil {
			return
		}
		again, err := ParseConsole(strings.TrimPrefix(c.Argument(), "console="))
		if err != nil || again.Device != c.Device {
			t.Errorf("ParseConsole(%q) is written %q, which is %+v, %v", s, c.Argument(), again, err)
		}
		speed, parity, bits := c.Line()
		if strings.ContainsAny(c.Device+speed+parity+bits, "\n;\"'$ ") {
			t.Errorf("ParseConsole(%q) is the device %q at %q, %q, %q", s, c.Device, speed, parity, bits)
		}
	})
}

// FuzzSystem looks for what boots in a system whose files are any text, and whose kernel
// is wherever symlinks lead.
func FuzzSystem(f *testing.F) {
	f.Add(false, "../k/bzImage", "/s/k", "quiet \"a b\" x=\"y z\"", "24.05")
	f.Add(false, "kernel", "..", "\"", "")
	f.Add(true, "/s/k/bzImage", ".", parametersNow, "")
	f.Add(true, "/k", "/s/link", `(boot-parameters (version 1) (label "x") (root-device (uuid dce #vu8(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16))) (kernel "/s/k/bzImage") (initrd (string-append "/s/k" "/bzImage")) (kernel-arguments '("a" "b c")))`, "")
	f.Fuzz(func(t *testing.T, guix bool, kernel, link, words, version string) {
		if len(kernel)+len(link)+len(words)+len(version) > 2048 || strings.ContainsRune(kernel+link, 0) || kernel == "" || link == "" {
			return // no symlink
		}
		tree := image.NewTree()
		file := func(text string) *image.Node { return image.NewFile(0o644, image.Bytes(text)) }
		files := map[string]*image.Node{"/s/k/bzImage": file("k"), "/s/link": image.NewSymlink(link), "/s/kernel": image.NewSymlink(kernel), "/s/initrd": image.NewSymlink(link), "/s/init": file("#!"), "/s/nixos-version": file(version), "/s/kernel-params": file(words)}
		if guix {
			files["/s/parameters"] = file(words)
		}
		for name, n := range files {
			if err := tree.Put(name, n); err != nil {
				t.Fatal(err)
			}
		}
		e, err := System(tree, "/s")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "system /s: ") {
				t.Errorf("the error does not say of what: %v", err)
			}
			return
		}
		for _, name := range append(e.Initrd, e.Kernel) {
			if n := tree.Lookup(name); n == nil || n.Mode.Type() == fs.ModeSymlink || !path.IsAbs(name) {
				t.Errorf("%q is no file of the image", name)
			}
		}
	})
}
