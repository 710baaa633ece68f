package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ingot/image"
	"ingot/storedb"
	"ingot/tests/fstest"
)

// source makes a folder with what tars trip over, and returns it.
func source(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "top")
	long := strings.Repeat("long-name-", 20)
	for name, size := range map[string]int{
		"bin/run": 100, "empty": 0, "large": 3 << 20, "a\nb": 1, "é": 2, "\xff": 3,
		long + "/" + long + "/" + long: 5,
	} {
		p := filepath.Join(dir, name)
		data := bytes.Repeat([]byte{'x', byte(size)}, size/2+1)[:size]
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join( // whatever the umask
		os.Chmod(dir+"/bin/run", 0o755), os.Link(dir+"/bin/run", dir+"/hard"), os.Symlink("bin/run", dir+"/link"),
		os.Symlink(strings.Repeat("x/", 300)+"y", dir+"/long-link"), os.Mkdir(dir+"/empty-dir", 0o750), os.Chmod(dir+"/empty-dir", 0o750),
	)
	sparse, e := os.Create(dir + "/sparse")
	if err = errors.Join(err, e); err != nil {
		t.Fatal(err)
	}
	sparse.WriteAt([]byte("middle"), 1<<20)
	if err := errors.Join(sparse.Truncate(2<<20), sparse.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func hash(t testing.TB, n *image.Node) storedb.Hash {
	t.Helper()
	h, _, err := storedb.HashNAR(n)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func scan(t testing.TB, dir string) *image.Node {
	t.Helper()
	n, err := image.Scan(dir, image.ScanOptions{Canonical: true})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTar reads what GNU tar writes, in all its formats and compressions.
func TestTar(t *testing.T) {
	dir := source(t)
	want := hash(t, scan(t, dir))
	for _, c := range []struct {
		name string
		args []string
	}{
		{"gnu", []string{"--format=gnu"}},
		{"pax", []string{"--format=pax"}},
		{"gnu sparse", []string{"--format=gnu", "--sparse"}},
		{"pax sparse 0.0", []string{"--format=pax", "--sparse", "--sparse-version=0.0"}},
		{"pax sparse 0.1", []string{"--format=pax", "--sparse", "--sparse-version=0.1"}},
		{"pax sparse 1.0", []string{"--format=pax", "--sparse", "--sparse-version=1.0"}},
		{"gzip", []string{"--gzip"}},
		{"xz", []string{"--xz"}},
		{"zstd", []string{"--zstd"}},
		{"bzip2", []string{"--bzip2"}},
		{"lzip", []string{"--lzip"}},
		{"lz4", []string{"--use-compress-program=lz4"}},
		{"lzma", []string{"--lzma"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "archive")
			fstest.Run(t, "tar", append(append([]string{"-C", filepath.Dir(dir), "-cf", file}, c.args...), "top")...)
			n, err := Read(file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := hash(t, n.Child("top")); got != want {
				t.Errorf("hash = %s; that of the folder is %s", got, want)
			}
			if n.Child("top").Child("hard") != n.Child("top").Child("bin").Child("run") {
				t.Error("the hard link is a file of its own")
			}
			stripped, err := Read(file, Options{Strip: 1})
			if err != nil {
				t.Fatal(err)
			}
			if got := hash(t, stripped); got != want {
				t.Errorf("with strip: hash = %s; that of the folder is %s", got, want)
			}
			if n.Child("top").Child("empty-dir").Mode.Perm() != 0o750 {
				t.Errorf("the mode of empty-dir is %v", n.Child("top").Child("empty-dir").Mode)
			}
		})
	}
}

// TestAdd adds an archive to a store, as nix-store --add adds what tar unpacks of it.
func TestAdd(t *testing.T) {
	tool := fstest.Judge(t, "nix-hash", "nix-bin")
	dir, file := source(t), filepath.Join(t.TempDir(), "a.tar.gz")
	fstest.Run(t, "tar", "-C", dir, "-czf", file, ".")
	n, err := Read(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	item, err := storedb.Nix.AddPath("source", n)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(fstest.Run(t, tool, "--type", "sha256", dir))
	if got := item.NarHash.Base16(); got != want {
		t.Errorf("hash = %s; nix-hash says %s", got, want)
	}
}

// TestInPlace checks that contents of a plain archive stay in its file.
func TestInPlace(t *testing.T) {
	dir, file := source(t), filepath.Join(t.TempDir(), "a.tar")
	fstest.Run(t, "tar", "-C", dir, "-cf", file, ".")
	n, err := Read(file, Options{Unpacked: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := hash(t, scan(t, dir))
	if got := hash(t, n); got != want {
		t.Errorf("hash = %s; want %s", got, want)
	}
	os.Truncate(file, 1<<20)
	var changed *image.ChangedError
	if _, _, err := storedb.HashNAR(n); !errors.As(err, &changed) {
		t.Errorf("after the file was cut: %v; want a ChangedError", err)
	}
}

// TestDeb reads packages that dpkg-deb makes, and compares with what it unpacks.
func TestDeb(t *testing.T) {
	tool := fstest.Judge(t, "dpkg-deb", "dpkg")
	dir := source(t)
	os.Remove(dir + "/a\nb") // dpkg-deb takes no such names
	if err := errors.Join(os.Mkdir(dir+"/DEBIAN", 0o755), os.Chmod(dir+"/DEBIAN", 0o755), os.WriteFile(dir+"/DEBIAN/control",
		[]byte("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir+"/empty-dir", 0o755)
	for _, method := range []string{"none", "gzip", "xz", "zstd"} {
		t.Run(method, func(t *testing.T) {
			work := t.TempDir()
			file := filepath.Join(work, "x.deb")
			cmd := exec.Command(tool, "--root-owner-group", "-Z"+method, "--build", dir, file)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("dpkg-deb: %v\n%s", err, out)
			}
			fstest.Run(t, tool, "--extract", file, work+"/out")
			n, err := Read(file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := hash(t, n), hash(t, scan(t, work+"/out")); got != want {
				t.Errorf("hash = %s; what dpkg-deb unpacks has %s", got, want)
			}
		})
	}
}

// tarball puts entries together.
func tarball(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag != tar.TypeXGlobalHeader {
			h.Mode |= 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		io.CopyN(w, zeros{}, h.Size)
	}
	w.Close()
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHostileTars(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name, Size: 3} }
	link := func(kind byte, name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: kind, Linkname: to}
	}
	good := tarball(t, file("a"), file("b"))
	long := bytes.Clone(good)
	copy(long[124:136], "77777777777\x00") // 8 GiB in a file that is none
	fixSum(long[:512])
	for _, c := range []struct {
		name string
		tar  []byte
		o    Options
		want string
	}{
		{"empty", nil, Options{}, "holds no files"},
		{"no archive", []byte(strings.Repeat("hello ", 200)), Options{}, "is neither a tarball, plain or compressed"},
		{"up", tarball(t, file("a"), file("../b")), Options{}, `entry 2, "../b": ".." is not a file name`},
		{"up within", tarball(t, file("a/../../b")), Options{}, `entry 1, "a/../../b": ".." is not a file name`},
		{"up within what is stripped", tarball(t, file("../b")), Options{Strip: 1}, `".." is not a file name`},
		{"absolute", tarball(t, file("/etc/passwd")), Options{}, `entry 1, "/etc/passwd": its name is absolute`},
		{"no name", tarball(t, file(".")), Options{}, `has no name`},
		{"long name", tarball(t, file(strings.Repeat("n", 256))), Options{}, "256 bytes is in it, 255 is the limit"},
		{"below a symlink", tarball(t, link(tar.TypeSymlink, "d", "/etc"), file("d/passwd")), Options{}, `entry 2, "d/passwd": d is a symlink already, not a directory`},
		{"below a file", tarball(t, file("d"), file("d/x")), Options{}, "d is a regular file already, not a directory"},
		{"directory over a symlink", tarball(t, link(tar.TypeSymlink, "d", "/etc"), tar.Header{Name: "d", Typeflag: tar.TypeDir}), Options{}, "d is a symlink already, not a directory"},
		{"file over a directory", tarball(t, file("d/x"), file("d")), Options{}, `entry 2, "d": is a directory already`},
		{"hard link out", tarball(t, link(tar.TypeLink, "x", "../../etc/passwd")), Options{}, `is a hard link to "../../etc/passwd": ".." is not a file name`},
		{"hard link to nothing", tarball(t, link(tar.TypeLink, "x", "y")), Options{}, `is a hard link to "y", which is no file that stands before it`},
		{"hard link to a directory", tarball(t, file("d/x"), link(tar.TypeLink, "x", "d")), Options{}, `is a hard link to "d", which is no file`},
		{"empty symlink", tarball(t, link(tar.TypeSymlink, "x", "")), Options{}, "a symlink cannot have a target of 0 bytes"},
		{"long symlink", tarball(t, link(tar.TypeSymlink, "x", strings.Repeat("x", 4096))), Options{}, "a target of 4096 bytes"},
		{"cut", good[:1300], Options{}, "the archive ends too early"},
		{"cut in what fills a block up", good[:600], Options{}, "entry 2: the archive ends too early"},
		{"cut there, and compressed", gzipped(t, good[:600]), Options{}, "entry 2: the archive ends too early"},
		{"cut in contents", good[:514], Options{}, `entry 1, "a": the archive ends too early`},
		{"size", long, Options{}, "the archive ends too early"},
		{"many", good, Options{Entries: 1}, "entry 2: more than 1 entry"},
		{"strip", good, Options{Strip: 1}, "holds no files more than 1 directory deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadBlob("x.tar", image.Bytes(c.tar), c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.tar: ") {
				t.Errorf("ReadBlob = %v\nwant %s", err, c.want)
			}
		})
	}
	t.Run("special files", func(t *testing.T) {
		n, err := ReadBlob("x.tar", image.Bytes(tarball(t, link(tar.TypeFifo, "fifo", ""))), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := storedb.Nix.AddPath("x", n); err == nil || !strings.Contains(err.Error(), "/fifo is a FIFO, which a store cannot hold") {
			t.Errorf("AddPath = %v", err)
		}
	})
	t.Run("twice", func(t *testing.T) {
		n, err := ReadBlob("x.tar", image.Bytes(tarball(t, file("a"), tar.Header{Name: "a", Size: 5}, file("b"))), Options{})
		if err != nil || n.Child("a").Size() != 5 || len(n.Entries()) != 2 {
			t.Errorf("ReadBlob = %v, %v; want the second of both", n, err)
		}
	})
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// fixSum sets the checksum of a tar header.
func fixSum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// TestMemory refuses what unpacks to more than may be held.
func TestMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bomb.tar")
	if err := os.WriteFile(file, tarball(t, tar.Header{Name: "a", Size: 600}, tar.Header{Name: "b", Size: 600}), 0o644); err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, fstest.Judge(t, "xz", "xz-utils"), file)
	_, err := Read(file+".xz", Options{Unpacked: 1000})
	if want := `entry 2, "b": contents of more than 1000 bytes are not unpacked`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Read = %v; want %s", err, want)
	}
	b, err := os.ReadFile(file + ".xz")
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-20] ^= 1
	if _, err := ReadBlob("x", image.Bytes(b), Options{}); err == nil || !strings.Contains(err.Error(), "x: xz: ") {
		t.Errorf("with a checksum changed: %v", err)
	}
}

// TestBounds: what a name, or what unpacks to little, can cost is bounded.
func TestBounds(t *testing.T) {
	deep := strings.Repeat("d/", image.MaxDepth)
	wide := make([]tar.Header, 10)
	for i := range wide {
		wide[i].Name = fmt.Sprintf("%d/%sx", i, strings.Repeat("d/", 100))
	}
	for _, c := range []struct {
		name    string
		headers []tar.Header
		o       Options
		want    string
	}{
		{"deep", []tar.Header{{Name: deep + "x"}}, Options{}, ""},
		{"too deep", []tar.Header{{Name: deep + "d/x"}}, Options{}, `lies 2049 directories deep; at most 2048 are read`},
		{"too deep a directory", []tar.Header{{Name: deep + "d/", Typeflag: tar.TypeDir}}, Options{}, `lies 2049 directories deep`},
		{"far too deep", []tar.Header{{Name: strings.Repeat("d/", 400_000) + "x"}}, Options{}, `lies 400000 directories deep`},
		{"stripped", []tar.Header{{Name: deep + "d/x"}}, Options{Strip: 1}, ""},
		{"directories", wide, Options{Entries: 500}, "more than 500 directories"},
	} {
		data := tarball(t, c.headers...)
		fstest.Budget(t, len(data), func() {
			_, err := ReadBlob("x", image.Bytes(data), c.o)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || len(fmt.Sprint(err)) > 1000 {
				t.Errorf("%s: %.200v; want %s", c.name, err, c.want)
			}
		})
	}
	// What strip takes off is not kept, but it is unpacked.
	skipped := tarball(t, tar.Header{Name: "a", Size: 3 << 20}, tar.Header{Name: "d/b"})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(skipped)
	z.Close()
	for memory, want := range map[int64]string{1 << 20: "unpacks to more than 3145728 bytes", 2 << 20: ""} {
		_, err := ReadBlob("x", image.Bytes(packed.Bytes()), Options{Unpacked: memory, Strip: 1})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("with %d bytes of memory: %v; want %s", memory, err, want)
		}
	}
}

// TestHeld: contents in memory take no more of it than they have bytes.
func TestHeld(t *testing.T) {
	const size = 5 << 20
	n, err := ReadBlob("x", image.Bytes(gzipped(t, tarball(t, tar.Header{Name: "a", Size: size}))), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if held := cap(n.Child("a").Data.(image.Bytes)); held != size {
		t.Errorf("%d bytes are held for %d", held, size)
	}
}

func ar(members ...string) []byte {
	b := arMagic
	for i := 0; i+1 < len(members); i += 2 {
		b += fmt.Sprintf("%-16s%-12d%-6d%-6d%-8o%-10d%s%s", members[i], 0, 0, 0, 0o100644, len(members[i+1]), arFmag, members[i+1])
		b += strings.Repeat("\n", len(members[i+1])&1)
	}
	return []byte(b)
}

func TestHostileDebs(t *testing.T) {
	data := string(tarball(t, tar.Header{Name: "./x", Size: 3}))
	good := ar("debian-binary", "2.0\n", "control.tar", "odd", "data.tar", data)
	if n, err := ReadBlob("x.deb", image.Bytes(good), Options{}); err != nil || n.Child("x").Size() != 3 {
		t.Fatalf("ReadBlob = %v, %v", n, err)
	}
	huge := bytes.Clone(good)
	copy(huge[8+48:], "9999999999")
	for _, c := range []struct {
		name string
		deb  []byte
		want string
	}{
		{"no members", ar(), "has no data.tar: it is no Debian package"},
		{"library", ar("x.o/", "abc"), `is an ar archive, but no Debian package: its first member is "x.o", not "debian-binary"`},
		{"version", ar("debian-binary", "3.0\n", "data.tar", data), `is a Debian package of version "3.0", 2.0 is supported`},
		{"no data", ar("debian-binary", "2.0\n"), "has no data.tar"},
		{"cut header", good[:30], "byte 8: ends within the header of a member"},
		{"cut data", good[:len(good)-512], `member "data.tar" has 2048 bytes, and 1536 are left`},
		{"huge", huge, `byte 8: member "debian-binary" has 9999999999 bytes`},
		{"no number", bytes.Replace(good, []byte("4         `"), []byte("four      `"), 1), `has the size "four      ", which is not a number`},
		{"negative", bytes.Replace(good, []byte("4         `"), []byte("-4        `"), 1), "which is not a number"},
		{"shifted", append(good[:72:72], strings.Repeat("?", 60)...), "byte 72: no member of an archive begins here"},
		{"unknown compression", ar("debian-binary", "2.0\n", "data.tar.lzma", "]\x00\x00\x80\x00 and so on, which is too short for a header"), "is neither a tarball"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ReadBlob("x.deb", image.Bytes(c.deb), Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("ReadBlob = %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	if _, err := Read(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("Read of a folder: %v", err)
	}
	if _, err := Read("/nonexistent", Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of nothing: %v", err)
	}
}

// sound checks that a tree is one that a store can hold or refuse.
func sound(t *testing.T, n *image.Node) {
	(&image.Tree{Root: n}).Walk(func(p string, n *image.Node) error {
		for _, e := range n.Entries() {
			if err := image.CheckName(e.Name); err != nil || len(e.Name) > 255 {
				t.Errorf("%s: %v", p, err)
			}
		}
		return nil
	})
	storedb.Nix.AddPath("x", n)
}

// FuzzArchive reads tarballs and packages of all kinds. The sums of tar's headers are made
// right, so that what they say is met.
func FuzzArchive(f *testing.F) {
	data := tarball(f, tar.Header{Name: "./d/x", Size: 3}, tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "d/x"})
	f.Add(data[:2048])
	f.Add(tarball(f, tar.Header{Name: "x", Format: tar.FormatPAX, PAXRecords: map[string]string{"GNU.sparse.major": "1"}})[:2048])
	f.Add(ar("debian-binary", "2.0\n", "data.tar", string(data[:2048])))
	f.Add(ar("debian-binary", "2.0\n", "control.tar.xz", "odd", "data.tar.zst", "\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 16<<10 {
			return
		}
		in = bytes.Clone(in)
		for at := 0; at+512 <= len(in); at += 512 {
			if string(in[at+257:at+262]) == "ustar" {
				fixSum(in[at : at+512])
			}
		}
		var n *image.Node
		var err error
		fstest.Budget(t, len(in)+256<<10, func() { n, err = ReadBlob("x", image.Bytes(in), Options{Unpacked: 1 << 20, Entries: 1000}) })
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x: ") {
				t.Errorf("error does not say where: %v", err)
			}
			return
		}
		sound(t, n)
	})
}

// TestTemporaryFile unpacks more than stays in memory: it is in a file of the folder for that,
// byte for byte, and nothing is left there.
func TestTemporaryFile(t *testing.T) {
	dir := t.TempDir()
	const size = maxInMemory/2 + 1
	file := filepath.Join(dir, "large.tar.gz")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	packed, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(packed)
	names := []string{"a", "b", "c"}
	for _, name := range names {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size})
		if _, more := w.Write(bytes.Repeat([]byte(name), size)); errors.Join(err, more) != nil {
			t.Fatal(err, more)
		}
	}
	if err := errors.Join(w.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(file, Options{Temp: filepath.Join(dir, "none")}); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("without a folder for what does not stay in memory: %v; want an error that names it", err)
	}
	temp := filepath.Join(dir, "temp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := Read(file, Options{Temp: temp})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC() // which closes what nothing refers to
	for _, name := range names {
		n := (&image.Tree{Root: root}).Lookup("/" + name)
		b, err := image.ReadAll(n.Data)
		if err != nil || !bytes.Equal(b, bytes.Repeat([]byte(name), size)) {
			t.Errorf("%s: %d bytes, %v; want %d of that letter", name, len(b), err, size)
		}
		if _, inMemory := n.Data.(image.Bytes); inMemory != (name == "a") {
			t.Errorf("%s is in memory: %t", name, inMemory)
		}
	}
	if left, err := os.ReadDir(temp); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// retyped gives the entry at an offset another type.
func retyped(b []byte, at int, kind byte) []byte {
	b = bytes.Clone(b)
	b[at+156] = kind
	fixSum(b[at : at+512])
	return b
}

// TestOddEntries: what is no file of a tree is left out and told, what is of an unknown type
// is a regular file, and no other file suffers.
func TestOddEntries(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name, Size: 3, Mode: 0o644} }
	three := tarball(t, file("a"), file("odd"), file("z"))
	second := bytes.Index(three, []byte("odd\x00"))
	global := func(records map[string]string) []byte {
		return tarball(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: records}, file("a"), file("z"))
	}
	link := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeSymlink} }
	star := func(kind string) []byte {
		return tarball(t, file("a"), tar.Header{Name: "odd", Mode: 0o644, PAXRecords: map[string]string{"SCHILY.filetype": kind}}, file("z"))
	}
	socket := tarball(t, file("a"), tar.Header{Name: "odd", Mode: 0o140755}, file("z"))
	for _, c := range []struct {
		name string
		tar  []byte
		o    Options
		want string // what is told; nothing where it is empty
		odd  bool   // whether there is a file
	}{
		{"label", retyped(three, second, 'V'), Options{}, "", false},
		{"continuation", retyped(three, second, 'M'), Options{}, "odd is the rest of a file that another volume of the archive begins, and is left out", false},
		{"old names", retyped(three, second, 'N'), Options{}, "odd is a list of long names of an early GNU tar, and is left out", false},
		{"Solaris", retyped(three, second, 'X'), Options{}, "odd is an extended header of Solaris, and is left out", false},
		{"an ACL", retyped(three, second, 'A'), Options{}, "odd is an access control list of Solaris, and is left out", false},
		{"an attribute", retyped(three, second, 'E'), Options{}, "odd is an extended attribute of Solaris, and is left out", false},
		{"an inode", retyped(three, second, 'I'), Options{}, "odd is an inode of star without contents, and is left out", false},
		{"contiguous", retyped(three, second, '7'), Options{}, "", true},
		{"a letter", retyped(three, second, 'Z'), Options{}, "odd is of type 'Z', which is not known, and is taken for a regular file", true},
		{"a socket's letter", retyped(three, second, 's'), Options{}, "odd is of type 's', which is not known, and is taken for a regular file", true},
		{"a socket's mode", socket, Options{}, "odd is a socket, and is left out", false},
		{"a socket of star", star("socket"), Options{}, `odd is of star's type "socket", and is left out`, false},
		{"a door of star", star("door"), Options{}, `odd is of star's type "door", and is left out`, false},
		{"a file of star", star("regular"), Options{}, "", true},
		{"a global comment", global(map[string]string{"comment": "x"}), Options{}, "", false},
		{"a global time", global(map[string]string{"mtime": "1"}), Options{}, "", false},
		{"a global target", global(map[string]string{"linkpath": "b"}), Options{}, "is a global header that sets the linkpath of all files, which is not heeded", false},
		{"a FIFO for a store", tarball(t, file("a"), tar.Header{Name: "odd", Typeflag: tar.TypeFifo}, file("z")), Options{Storable: true}, "odd is a FIFO, which a store cannot hold, and is left out", false},
		{"a device for a store", tarball(t, file("a"), tar.Header{Name: "odd", Typeflag: tar.TypeChar}, file("z")), Options{Storable: true}, "odd is a character device, which a store cannot hold, and is left out", false},
		{"a name upwards", tarball(t, file("a"), file("b/../../odd"), file("z")), Options{}, `b/../../odd ".." is not a file name, and is left out`, false},
		{"an absolute name", tarball(t, file("a"), file("/odd"), file("/z")), Options{}, "/odd is an absolute name, which is taken as one below the archive's root, as are all others", true},
		{"a symlink to nothing", tarball(t, file("a"), link("odd"), file("z")), Options{}, "odd is a symlink to nothing, and is left out", false},
		{"no name", tarball(t, file("a"), file(""), file("z")), Options{}, " has no name, and is left out", false},
		{"a name of dots", tarball(t, file("a"), file("./."), file("z")), Options{}, "./. has no name, and is left out", false},
		{"a device", tarball(t, file("a"), tar.Header{Name: "odd", Typeflag: tar.TypeChar}, file("z")), Options{}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told []string
			c.o.LeftOut = func(entry string, why error) {
				told = append(told, strings.TrimPrefix(entry+" "+why.Error(), "GlobalHead.0.0 "))
			}
			n, err := ReadBlob("x.tar", image.Bytes(c.tar), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(told, "\n"); got != c.want {
				t.Errorf("it tells %q; want %q", got, c.want)
			}
			for _, name := range []string{"a", "z"} {
				if f := n.Child(name); f == nil || f.Size() != 3 {
					t.Errorf("%s is %v", name, f)
				}
			}
			if got := n.Child("odd"); (got != nil) != c.odd {
				t.Errorf("odd is %v", got)
			}
			if c.o.LeftOut = nil; c.want != "" {
				if _, err := ReadBlob("x.tar", image.Bytes(c.tar), c.o); err == nil {
					t.Error("with nobody to tell, it is no error")
				}
			}
		})
	}
}

// TestVolumes reads what GNU tar makes of folders for backups, and the second part of an
// archive of two.
func TestVolumes(t *testing.T) {
	tool := fstest.Judge(t, "tar", "tar")
	dir := t.TempDir()
	top := filepath.Join(dir, "top")
	if err := errors.Join(os.MkdirAll(filepath.Join(top, "sub"), 0o755), os.WriteFile(filepath.Join(top, "big"), bytes.Repeat([]byte("big"), 20_000), 0o644),
		os.WriteFile(filepath.Join(top, "sub/small"), []byte("small"), 0o644)); err != nil {
		t.Fatal(err)
	}
	want := hash(t, scan(t, top))
	incremental := filepath.Join(dir, "incremental.tar")
	fstest.Run(t, tool, "-C", dir, "-V", "LABEL", "-g", filepath.Join(dir, "list"), "-cf", incremental, "top")
	n, err := Read(incremental, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := hash(t, n.Child("top")); got != want {
		t.Errorf("a backup with a label has the hash %s; that of the folder is %s", got, want)
	}
	first, second := filepath.Join(dir, "1.tar"), filepath.Join(dir, "2.tar")
	fstest.Run(t, tool, "-C", dir, "--format=gnu", "--sort=name", "-M", "-L", "40", "-cf", first, "-f", second, "top")
	var told []string
	n, err = Read(second, Options{LeftOut: func(entry string, why error) { told = append(told, entry+": "+why.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	if f := n.Child("top").Child("sub").Child("small"); f == nil || len(told) != 1 || !strings.HasPrefix(told[0], "top/big: is the rest of a file that another volume") {
		t.Errorf("the second volume has %v, and tells %q", f, told)
	}
}
