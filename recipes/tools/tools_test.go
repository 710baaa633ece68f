package tools

import (
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/internal/elffile"
	"ingot/tests/fstest"
)

// collect takes packages and fails the test where that does.
func collect(t *testing.T, o Options) *Set {
	t.Helper()
	s, err := Collect(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unpack writes the regular files and links of a tree into a folder.
func unpack(t *testing.T, tree *image.Tree) string {
	t.Helper()
	root := t.TempDir()
	err := tree.Walk(func(name string, n *image.Node) error {
		to := filepath.Join(root, name)
		switch {
		case n.IsDir():
			return os.MkdirAll(to, 0o755)
		case n.Link != "":
			return os.Symlink(n.Link, to)
		case n.Data == nil:
			return os.WriteFile(to, nil, 0o644)
		}
		data := make([]byte, n.Data.Size())
		if _, err := n.Data.ReadAt(data, 0); err != nil {
			return err
		}
		return os.WriteFile(to, data, n.Mode.Perm()|0o200)
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// parts returns the dynamic linker of a root that was unpacked, and the folder of libraries.
func parts(t *testing.T, root string) (linker, libraries string) {
	t.Helper()
	linkers, _ := filepath.Glob(filepath.Join(root, "usr/lib*/ld-linux*"))
	folders, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
	if len(linkers) != 1 || len(folders) != 1 {
		t.Fatalf("dynamic linkers %q and libraries in %q; want one of each", linkers, folders)
	}
	return linkers[0], folders[0]
}

// TestProgramsRun takes e2fsprogs and has its programs run by the dynamic linker and the
// libraries that were taken along, and no others.
func TestProgramsRun(t *testing.T) {
	fstest.Judge(t, "dpkg-query", "dpkg")
	fstest.Judge(t, "mke2fs", "e2fsprogs")
	s := collect(t, Options{Packages: []Wanted{{Name: "e2fsprogs"}}, Without: []string{"e2scrub"}})
	root := unpack(t, s.Tree)
	linker, libraries := parts(t, root)
	programs := s.Programs()
	if programs["mkfs.ext4"] != "/usr/sbin/mkfs.ext4" || programs["e2scrub"] != "" {
		t.Errorf("programs = %v; want mkfs.ext4 among them, and not e2scrub", programs)
	}
	out, err := exec.Command(linker, "--library-path", libraries, "--list", filepath.Join(root, "usr/sbin/mke2fs")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "=>") && !strings.Contains(line, "=> "+root) {
			t.Errorf("a library is not among those taken: %s", line)
		}
	}
	out, err = exec.Command(linker, "--library-path", libraries, filepath.Join(root, "usr/sbin/mke2fs"), "-V").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "mke2fs") {
		t.Errorf("mke2fs -V = %q, %v", out, err)
	}
	if s.Tree.Lookup("/etc/mke2fs.conf") == nil || s.Tree.Lookup("/usr/share/man") != nil {
		t.Error("mke2fs.conf is to be there, and manuals are not")
	}
}

// TestOpenedLibraries: Nix opens a library that no header of an ELF file names.
func TestOpenedLibraries(t *testing.T) {
	fstest.Judge(t, "nix-store", "nix-bin")
	for name, want := range map[string]bool{"nix-bin": true, "e2fsprogs": false} {
		_, libraries := parts(t, unpack(t, collect(t, Options{Packages: []Wanted{{Name: name}}}).Tree))
		if _, err := os.Stat(filepath.Join(libraries, "libnss_dns.so.2")); (err == nil) != want {
			t.Errorf("libnss_dns.so.2 with %s: %v; want it there = %v", name, err, want)
		}
	}
}

// TestVersions compares what packages are named, those of libraries among them, with
// what dpkg says.
func TestVersions(t *testing.T) {
	fstest.Judge(t, "dpkg-query", "dpkg")
	s := collect(t, Options{Packages: []Wanted{{Name: "e2fsprogs"}, {Name: "no-such-package", Optional: true}}})
	if !slices.Equal(s.Missing, []string{"no-such-package"}) {
		t.Errorf("missing = %q; want no-such-package", s.Missing)
	}
	var names []string
	for _, p := range s.Packages {
		names = append(names, p.Name)
		out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}\n", p.Name).Output()
		if err != nil || !slices.Contains(strings.Fields(string(out)), p.Version) {
			t.Errorf("%s has the version %s; dpkg says %q, %v", p.Name, p.Version, out, err)
		}
	}
	for _, want := range []string{"e2fsprogs", "libc6", "libext2fs2", "libgcc-s1"} {
		if !slices.Contains(names, want) {
			t.Errorf("packages = %q; want %s among them", names, want)
		}
	}
	again := collect(t, Options{Packages: []Wanted{{Name: "e2fsprogs"}, {Name: "no-such-package", Optional: true}}})
	if a, b := list(s.Tree), list(again.Tree); a != b {
		t.Errorf("taken twice, the files differ:\n%s\n%s", a, b)
	}
}

func list(t *image.Tree) string {
	var text strings.Builder
	t.Walk(func(name string, n *image.Node) error {
		text.WriteString(name + " " + n.Mode.String() + " " + n.Link + "\n")
		return nil
	})
	return text.String()
}

// machine makes the root of a machine with dpkg's files, and a package of its files.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	var names []string
	for name, text := range files {
		names = append(names, "/"+name)
		write(t, filepath.Join(root, name), text, 0o755)
	}
	write(t, filepath.Join(root, statusFile), `Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: thing
Status: install ok installed
Architecture: all
Version: 1:2.0-3
Conffiles:
 /etc/thing.conf 764efa883dda1e11db47671c4a3bbd9e
 /etc/changed.conf 00000000000000000000000000000000
Description: a thing
 Package: not a field
`, 0o644)
	slices.Sort(names)
	write(t, filepath.Join(root, infoDir, "thing.list"), "/.\n/bin\n/etc\n"+strings.Join(names, "\n")+"\n/usr/bin/diverted\n", 0o644)
	return root
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestFilesOfAPackage(t *testing.T) {
	root := machine(t, map[string]string{
		"bin/script": "#!/bin/sh\n", "usr/bin/snake": "#!/usr/bin/env python3\n", "usr/share/doc/thing/README": "read me\n",
		"usr/share/thing/data": "data\n", "usr/lib/libthing.a": "!<arch>\n", "etc/thing.conf": "hi\n", "etc/changed.conf": "changed\n",
		"lib/systemd/system/thing.service": "[Unit]\n", "usr/bin/unwanted": "#!/bin/sh\n", "usr/bin/a name": "#!/bin/sh\n",
	})
	s := collect(t, Options{Root: root, Packages: []Wanted{{Name: "thing"}}, Without: []string{"unwanted"}})
	var got []string
	s.Tree.Walk(func(name string, n *image.Node) error {
		if !n.IsDir() {
			got = append(got, path.Clean(name))
		}
		return nil
	})
	slices.Sort(got)
	want := []string{"/etc/thing.conf", "/usr/bin/a name", "/usr/bin/script", "/usr/share/thing/data"}
	if !slices.Equal(got, want) {
		t.Errorf("files = %q; want %q", got, want)
	}
	if want := []Package{{"thing", "1:2.0-3"}}; !slices.Equal(s.Packages, want) {
		t.Errorf("packages = %v; want %v", s.Packages, want)
	}
	notes := strings.Join(s.Notes, "\n")
	for _, want := range []string{"/etc/changed.conf of thing, which was changed", "/usr/bin/snake of thing, which is a script for python3"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes = %q; want %q", notes, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	root := machine(t, nil)
	for _, x := range []struct{ name, root, want string }{
		{"no-such-package", root, "package no-such-package is not installed on this machine: apt-get install no-such-package"},
		{"gone", root, "package gone is not installed"},
		{"thing", t.TempDir(), "package thing cannot be taken from this machine: it has no /var/lib/dpkg/status"},
		{"/no/such_1_all.deb", root, "/no/such_1_all.deb: no such file"},
	} {
		if _, err := Collect(Options{Root: x.root, Packages: []Wanted{{Name: x.name}}}); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("Collect(%s) = %v; want %q", x.name, err, x.want)
		}
	}
}

func TestOtherArchitecture(t *testing.T) {
	root := machine(t, map[string]string{"usr/bin/thing": "#!/bin/sh\n"})
	status := filepath.Join(root, statusFile)
	text, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	write(t, status, strings.ReplaceAll(string(text), "Architecture: all\n", "Architecture: amd64\n"), 0o644)
	if s := collect(t, Options{Root: root, Arch: "amd64", Packages: []Wanted{{Name: "thing"}}}); len(s.Programs()) != 1 {
		t.Errorf("programs = %v; want one", s.Programs())
	}
	s := collect(t, Options{Root: root, Arch: "arm64", Packages: []Wanted{{Name: "thing", Optional: true}}})
	if len(s.Programs()) != 0 || !slices.Equal(s.Missing, []string{"thing"}) {
		t.Errorf("for another architecture: programs %v, missing %q; want thing to be missing", s.Programs(), s.Missing)
	}
	_, err = Collect(Options{Root: root, Arch: "arm64", Packages: []Wanted{{Name: "thing"}}})
	if want := "package thing:arm64 is not installed on this machine"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("for another architecture: %v; want %q", err, want)
	}
}

// deb makes a Debian package of files.
func deb(t *testing.T, files map[string]string) string {
	t.Helper()
	fstest.Judge(t, "dpkg-deb", "dpkg")
	dir := filepath.Join(t.TempDir(), "package")
	write(t, filepath.Join(dir, "DEBIAN/control"), "Package: made\nVersion: 1:7\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\nDescription: made\n", 0o644)
	for name, text := range files {
		write(t, filepath.Join(dir, name), text, 0o755)
	}
	if err := os.Chmod(filepath.Join(dir, "DEBIAN"), 0o755); err != nil { // whatever the umask
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "made_1%3a7_amd64.deb")
	fstest.Run(t, "dpkg-deb", "--root-owner-group", "-b", dir, out)
	return out
}

// TestDeb takes a program out of a package that is not installed, with its libraries from
// this machine; a library that is nowhere is named.
func TestDeb(t *testing.T) {
	fstest.Judge(t, "gcc", "gcc")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.c"), "int answer(void); int main(void) { return answer(); }\n", 0o644)
	write(t, filepath.Join(dir, "answer.c"), "int answer(void) { return 42; }\n", 0o644)
	library, program := filepath.Join(dir, "libanswer.so.1"), filepath.Join(dir, "ask")
	fstest.Run(t, "gcc", "-shared", "-fPIC", "-Wl,-soname,libanswer.so.1", "-o", library, filepath.Join(dir, "answer.c"))
	fstest.Run(t, "gcc", "-o", program, filepath.Join(dir, "main.c"), library)
	read := func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	alone := deb(t, map[string]string{"usr/bin/ask": read(program)})
	_, err := Collect(Options{Packages: []Wanted{{Name: alone}}})
	if want := "libanswer.so.1, which /usr/bin/ask of package made needs, is neither in a package that is taken nor on this machine"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Collect of a program without its library = %v; want %q", err, want)
	}
	_, err = Collect(Options{Arch: "riscv64", Packages: []Wanted{{Name: alone}}})
	if want := "/usr/bin/ask of package made is a program for "; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Collect for another architecture = %v; want %q", err, want)
	}
	whole := deb(t, map[string]string{"usr/bin/ask": read(program), "usr/lib/x86_64-linux-gnu/libanswer.so.1": read(library)})
	s := collect(t, Options{Packages: []Wanted{{Name: whole}}})
	if !slices.Contains(s.Packages, Package{"made", "1:7"}) {
		t.Errorf("packages = %v; want made 1:7 among them", s.Packages)
	}
	root := unpack(t, s.Tree)
	linker, _ := filepath.Glob(filepath.Join(root, "usr/lib*/ld-linux*"))
	cmd := exec.Command(linker[0], "--library-path", filepath.Join(root, "usr/lib/x86_64-linux-gnu"), filepath.Join(root, "usr/bin/ask"))
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 42 {
		t.Errorf("the program that was taken = %v, %s; want status 42", err, out)
	}
}

// TestInside has a program name a library, and a folder of libraries, outside of the root.
func TestInside(t *testing.T) {
	for _, x := range [][3]string{
		{"/", "x.so", "x.so"}, {"/lib", "../../x.so", "x.so"}, {"../../../lib", "x.so", "usr/lib/x.so"}, {"/usr/lib", "/etc/x.so", "usr/lib/etc/x.so"},
	} {
		if got := inside(merged(x[0]), x[1]); got != x[2] {
			t.Errorf("%s of %s is looked for at %s; want %s", x[1], x[0], got, x[2])
		}
	}
	above := t.TempDir()
	root := filepath.Join(above, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(above, "libx.so"), string(smallProgram()), 0o644)
	c := &collector{root: root, dpkg: &dpkg{}}
	c.Tree = image.NewTree()
	f, err := elffile.Open(image.Bytes(smallProgram()))
	if err != nil {
		t.Fatal(err)
	}
	var missing *missingError
	for _, name := range []string{"../libx.so", "../../libx.so", "../../../libx.so"} {
		if err := c.library(program{path: "usr/bin/x", of: "x"}, f, name, []string{"usr/lib", merged("../lib"), merged("/")}); !errors.As(err, &missing) {
			t.Errorf("%s outside of the root: %v; want it to be missing", name, err)
		}
	}
}
