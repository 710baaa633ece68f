package nixos

import (
	"debug/elf"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ingot/tests/fstest"
)

// debian holds the unpacked packages, and is below the module's root.
const debian = "bin/debian-13"

// libraryDirs are where Debian has shared libraries.
var libraryDirs = []string{"usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd", "usr/lib64"}

const interpreter = "ld-linux-x86-64.so.2"

// programs makes an item of programs: files are their places in Debian and in the item, and a
// place that ends in a slash is a folder for them. The libraries that they need, and those that
// they open by name, lie in lib; patchelf makes them refer to these, as extra-utils in stage-1.nix
// and make-initrd-ng do.
func (b *builder) programs(name string, files map[string]string, opened []string, links map[string]string) string {
	b.t.Helper()
	key := b.version + strings.Join(sorted(files), " ") + strings.Join(opened, " ") + strings.Join(sorted(links), " ")
	return b.add(name, key, func(out, dir string) {
		var elves []string
		for from, to := range files {
			if strings.HasSuffix(to, "/") {
				to = path.Join(to, path.Base(from))
			}
			copyFile(b.t, filepath.Join(b.debian, from), filepath.Join(dir, to), 0o755)
			if isDynamic(filepath.Join(dir, to)) {
				elves = append(elves, to)
			}
		}
		slices.Sort(elves)
		elves = append(elves, b.libraries(dir, elves, opened)...)
		for _, file := range elves {
			b.patch(out, filepath.Join(dir, file))
		}
		for name, target := range links {
			link(b.t, target, filepath.Join(dir, name))
		}
	})
}

// libraries copies the libraries that programs need into lib, and returns their names there.
func (b *builder) libraries(dir string, elves, opened []string) (names []string) {
	b.t.Helper()
	var needed []string
	for _, file := range elves {
		needed = append(needed, imports(filepath.Join(dir, file))...)
	}
	if len(elves) > 0 {
		needed = append(needed, interpreter)
	}
	needed = append(needed, opened...)
	for seen := map[string]bool{}; len(needed) > 0; {
		name := needed[0]
		needed = needed[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		from := b.shared(name)
		to := path.Join("lib", name)
		copyFile(b.t, from, filepath.Join(dir, to), 0o755)
		names = append(names, to)
		needed = append(needed, imports(from)...)
	}
	return names
}

// shared returns where Debian has a shared object.
func (b *builder) shared(name string) string {
	b.t.Helper()
	for _, dir := range libraryDirs {
		// /usr/lib64 holds a link into another folder, by a path that is right in the root alone.
		file := filepath.Join(b.debian, dir, name)
		if target, err := filepath.EvalSymlinks(file); err == nil {
			return target
		}
	}
	b.t.Fatalf("%s has no library %s", b.debian, name)
	return ""
}

// patch has an ELF file find its interpreter and libraries in the item.
func (b *builder) patch(out, file string) {
	b.t.Helper()
	base := filepath.Base(file)
	if base == interpreter || base == "libc.so.6" {
		return // each other's, and nothing else
	}
	args := []string{"--set-rpath", out + "/lib"}
	if hasInterpreter(file) {
		args = append(args, "--set-interpreter", out+"/lib/"+interpreter)
	}
	fstest.Run(b.t, b.patchelf, append(args, file)...)
}

func imports(file string) []string {
	f, err := elf.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.ImportedLibraries()
	return names
}

func isDynamic(file string) bool {
	f, err := elf.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.SectionByType(elf.SHT_DYNAMIC) != nil && hasInterpreter(file)
}

func hasInterpreter(file string) bool {
	f, err := elf.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

func sorted(m map[string]string) []string {
	var list []string
	for k, v := range m {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return list
}

// busybox makes an item of busybox with a link for each of its commands.
func (b *builder) busybox() string {
	b.t.Helper()
	file := filepath.Join(b.debian, "usr/bin/busybox")
	list := fstest.Run(b.t, file, "--list")
	return b.add("busybox-static", b.version, func(_, dir string) {
		copyFile(b.t, file, filepath.Join(dir, "bin/busybox"), 0o755)
		for _, name := range strings.Fields(list) {
			if name != "busybox" {
				check(b.t, os.Symlink("busybox", filepath.Join(dir, "bin", name)))
			}
		}
	})
}
