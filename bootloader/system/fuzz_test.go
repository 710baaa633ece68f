package system

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"ingot/image"
)

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
		s, err := Read(tree.Lookup, "/s")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "system /s: ") {
				t.Errorf("the error does not say of what: %v", err)
			}
			return
		}
		for _, name := range append(s.Entry.Initrd, s.Entry.Kernel) {
			if n := tree.Lookup(name); n == nil || n.Mode.Type() == fs.ModeSymlink || !path.IsAbs(name) {
				t.Errorf("%q is no file of the image", name)
			}
		}
	})
}
