package files

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// surroundings are a folder to unpack to, dir, with files of the host's own in it, and
// beside it what no stream may change.
type surroundings struct {
	above, dir string
	outside    map[string]unix.Stat_t
}

// lay makes them in a folder.
func lay(t testing.TB, above string) *surroundings {
	t.Helper()
	s := &surroundings{above: above, dir: filepath.Join(above, "dir"), outside: map[string]unix.Stat_t{}}
	for _, err := range []error{
		os.Mkdir(filepath.Join(above, "target"), 0o700),
		os.WriteFile(filepath.Join(above, "secret"), []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(above, "target/inner"), []byte("inner"), 0o640),
		unix.Mkfifo(filepath.Join(above, "target/pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"secret", "target", "target/inner", "target/pipe"} {
		s.outside[name] = s.stat(t, name)
	}
	s.fill(t)
	return s
}

// fill makes the folder that is unpacked to.
func (s *surroundings) fill(t testing.TB) {
	t.Helper()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(s.dir, "host/deep"), 0o755),
		os.WriteFile(filepath.Join(s.dir, "own"), []byte("own"), 0o600),
		os.Symlink("../target", filepath.Join(s.dir, "out")),
		os.Symlink("own", filepath.Join(s.dir, "in")),
		unix.Mkfifo(filepath.Join(s.dir, "pipe"), 0o600),
		os.Symlink("pipe", filepath.Join(s.dir, "topipe")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.outside["dir/own"] = s.stat(t, "dir/own")
}

func (s *surroundings) stat(t testing.TB, name string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(s.above, name), &st); err != nil {
		t.Fatal(err)
	}
	st.Atim = unix.Timespec{} // reading is no change
	return st
}

// check wants all outside to be as it was, to the time of its last change, and what lies
// there to be no more and no less. The host's own file may be gone: it is replaced like
// any other, but gets no second name.
func (s *surroundings) check(t testing.TB) {
	t.Helper()
	for name, want := range s.outside {
		if name == "dir/own" {
			var st unix.Stat_t
			if unix.Lstat(filepath.Join(s.above, name), &st) == nil && st.Ino == want.Ino && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink != 1 && st.Ctim == want.Ctim {
				t.Errorf("the host's own file has %d names", st.Nlink)
			}
			continue
		}
		if got := s.stat(t, name); got != want {
			t.Errorf("%s is %+v; was %+v", name, got, want)
		}
	}
	for dir, want := range map[string][]string{".": {"dir", "secret", "target"}, "target": {"inner", "pipe"}} {
		var names []string
		entries, err := os.ReadDir(filepath.Join(s.above, dir))
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if err != nil || !reflect.DeepEqual(names, want) {
			t.Errorf("%s holds %q, %v; want %q", dir, names, err, want)
		}
	}
}

// clear removes the folder, whatever its folders' modes are.
func (s *surroundings) clear(t testing.TB) {
	t.Helper()
	filepath.WalkDir(s.dir, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			return os.Chmod(name, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
}

// choices are bytes that decide what a stream holds.
type choices []byte

func (c *choices) next() int {
	if len(*c) == 0 {
		return 0
	}
	b := (*c)[0]
	*c = (*c)[1:]
	return int(b)
}

func choose[T any](c *choices, list ...T) T { return list[c.next()%len(list)] }

const maxEntries = 40

// stream makes entries as a hostile guest might: names that came before as something
// else, ways through links, odd modes, records that nobody writes. About half keep to
// the order that is wanted, so that a stream goes on for a while.
func (c *choices) stream(above string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	dir, fresh := "", 0
	few := c.next()%2 == 0 // names, each of which comes again and again
	name := func() string {
		if few {
			return choose(c, "a", "b", "a/b", "c", "b/a", "a/b/c", "out", "out/a")
		}
		switch c.next() % 8 {
		case 0, 1, 2, 3:
			fresh++
			return filepath.Join(dir, fmt.Sprintf("n%d", fresh))
		case 4:
			return filepath.Join(dir, choose(c, "a", "b", "own", "out", "in", "pipe", "topipe", "host", "n1"))
		case 5:
			return strings.Repeat("long/", c.next()) + "x"
		}
		word := func() string {
			return choose(c, "a", "b", "n1", "n2", "out", "in", "host", "own", "pipe", "topipe", "..", ".", "", "target")
		}
		return strings.Join([]string{word(), word(), word()}[:1+c.next()%3], choose(c, "/", "//"))
	}
	for range maxEntries {
		if len(*c) == 0 {
			break
		}
		h := &tar.Header{Typeflag: choose[byte](c, tar.TypeDir, tar.TypeReg, tar.TypeSymlink, tar.TypeDir, tar.TypeLink, tar.TypeReg, tar.TypeFifo, tar.TypeChar, tar.TypeXGlobalHeader)}
		if few {
			h.Typeflag = choose[byte](c, tar.TypeDir, tar.TypeSymlink, tar.TypeDir, tar.TypeSymlink, tar.TypeReg, tar.TypeLink, tar.TypeFifo)
		}
		h.Name, h.Mode, h.Format = name(), int64(c.next()<<4|c.next()&15), tar.FormatPAX
		var body []byte
		switch h.Typeflag {
		case tar.TypeDir:
			h.Name += "/"
			if c.next()%2 == 0 {
				dir = strings.TrimSuffix(h.Name, "/")
			}
		case tar.TypeReg:
			body = bytes.Repeat([]byte("x"), c.next()*c.next()/8)
		case tar.TypeSymlink, tar.TypeLink:
			h.Linkname = choose(c, "..", "../target", above+"/target", above+"/secret", "../secret", "own", "a", "n1", "n2", "host", "pipe", ".", "out/inner", strings.Repeat("l", 5000))
			if few {
				h.Linkname = choose(c, "../target", "../secret", "target", "a", "b", "pipe")
			}
		case tar.TypeXGlobalHeader:
			*h = tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "../x"}, Format: tar.FormatPAX}
		}
		if c.next()%4 == 0 {
			dir = filepath.Dir(dir)
		}
		record := func(key, value string) {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords[key] = value
		}
		switch c.next() % 12 {
		case 0:
			record(xattrPrefix+choose(c, "user.a", "security.a", "trusted.a", "system.posix_acl_access", "a", ""), strings.Repeat("v", c.next()))
		case 1:
			record(xattrPrefix+"user."+strings.Repeat("n", 255), strings.Repeat("v", c.next()<<8))
		case 2:
			record(memoryRecord, choose(c, "100", "4096", "0", "-1", "x", "9223372036854775807"))
			body = nil
			for range c.next() % 4 {
				body = binary.LittleEndian.AppendUint64(body, uint64(choose(c, 0, 100, 4000, -1, 1<<40)))
				body = binary.LittleEndian.AppendUint64(body, uint64(choose(c, 100, 50, 4096, 1<<62, -1)))
			}
		case 3:
			record(choose(c, "VENDOR.path", "linkpath", "uid"), strings.Repeat("7", c.next()<<4))
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(body))
		}
		if w.WriteHeader(h) == nil && h.Typeflag == tar.TypeReg {
			w.Write(body)
		}
	}
	w.Close()
	return out.Bytes()
}

// hostile unpacks one stream of choices and looks around.
func (s *surroundings) hostile(t testing.TB, c choices) {
	t.Helper()
	o := UnpackOptions{Special: c.next()%3 == 0, Limits: Limits{Bytes: 1 << 20, Files: 2000}}
	if c.next()%2 == 0 {
		o.Memory = bytes.NewReader(make([]byte, 4096))
	}
	s.unpack(t, c.stream(s.above), o)
}

// unpack unpacks any stream and looks around.
func (s *surroundings) unpack(t testing.TB, stream []byte, o UnpackOptions) {
	t.Helper()
	was := s.stat(t, "dir")
	lost, err := Unpack(bytes.NewReader(stream), s.dir, o)
	for _, line := range lost {
		if len(line) > maxLine {
			t.Errorf("a line of what was left out has %d bytes", len(line))
		}
	}
	if err != nil && len(err.Error()) > 4000 {
		t.Errorf("the error has %d bytes: %.200s…", len(err.Error()), err)
	}
	if now := s.stat(t, "dir"); now.Mode != was.Mode || now.Uid != was.Uid || now.Ino != was.Ino {
		t.Errorf("the folder itself is %+v; was %+v", now, was)
	}
	s.check(t)
	s.clear(t)
	s.fill(t)
}

// TestUnpackHostile unpacks random streams, each time the same ones.
func TestUnpackHostile(t *testing.T) {
	s := lay(t, inMemory(t))
	for seed := range uint64(4000) {
		random := rand.New(rand.NewPCG(seed, 9))
		c := make(choices, 20+random.IntN(300))
		for i := range c {
			c[i] = byte(random.Uint32())
		}
		s.hostile(t, c)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzUnpackEntries is [TestUnpackHostile] with choices that the fuzzer makes.
func FuzzUnpackEntries(f *testing.F) {
	f.Add([]byte{1, 1, 0, 0, 255, 15, 0, 1, 1, 2, 0, 0, 0, 1})
	f.Add([]byte("\x00\x00\x03\x04\x00\x0f\x00\x00\x01\x01\x02\x04\x00\x01\x01\x01\x01\x05"))
	f.Add(bytes.Repeat([]byte{3, 1, 4, 1, 5, 9, 2, 6, 5}, 9))
	s := lay(f, inMemory(f))
	f.Fuzz(func(t *testing.T, p []byte) {
		s.hostile(t, p[:min(len(p), 600)])
	})
}

// inMemory returns a folder for thousands of cases, in memory if that can be had.
func inMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ingot-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestUnpackKinds has names come again as something else, and ways go through links: what
// the names lead to stays as it is, and nothing waits for a pipe.
func TestUnpackKinds(t *testing.T) {
	const typeDir, typeReg, typeLink byte = tar.TypeDir, tar.TypeReg, tar.TypeSymlink
	for _, test := range []struct {
		name    string
		headers []tar.Header
		want    string
	}{
		{"link over a folder", []tar.Header{{Name: "d", Typeflag: typeDir, Mode: 0o4777}, {Name: "d", Typeflag: typeLink, Linkname: "../secret"}}, `"d" comes twice`},
		{"link over a folder that is left", []tar.Header{{Name: "d", Typeflag: typeDir, Mode: 0o4777}, {Name: "e", Typeflag: typeReg}, {Name: "d", Typeflag: typeLink, Linkname: "../secret"}}, `"d" comes twice`},
		{"link over a folder's parent", []tar.Header{{Name: "d/e", Typeflag: typeDir, Mode: 0o4777}, {Name: "d", Typeflag: typeLink, Linkname: "../target"}}, `"d" comes twice`},
		{"folder over a link", []tar.Header{{Name: "d", Typeflag: typeLink, Linkname: "../target"}, {Name: "d", Typeflag: typeDir}}, `"d" comes twice`},
		{"folder over a file", []tar.Header{{Name: "d", Typeflag: typeReg}, {Name: "d", Typeflag: typeDir}}, `"d" comes twice`},
		{"another spelling", []tar.Header{{Name: "d", Typeflag: typeDir}, {Name: "e/.././d/", Typeflag: typeLink, Linkname: "../target"}}, `"d" comes twice`},
		{"back to a folder", []tar.Header{{Name: "d", Typeflag: typeDir}, {Name: "e", Typeflag: typeReg}, {Name: "d/f", Typeflag: typeReg}}, "comes back to this folder"},
		{"file in a link", []tar.Header{{Name: "d", Typeflag: typeLink, Linkname: "../target"}, {Name: "d/inner", Typeflag: typeReg}}, `"d" is no folder, and has files`},
		{"file in a link to a pipe", []tar.Header{{Name: "p", Typeflag: tar.TypeFifo}, {Name: "d", Typeflag: typeLink, Linkname: "p"}, {Name: "d/x", Typeflag: typeReg}}, `"d" is no folder, and has files`},
		{"way that turns into one to a pipe", []tar.Header{{Name: "x", Typeflag: typeDir}, {Name: "d", Typeflag: typeLink, Linkname: "x"}, {Name: "d/e", Typeflag: typeDir}, {Name: "d", Typeflag: typeLink, Linkname: "pipe"}}, `"d" is no folder, and has files`},
		{"file in the host's link to a pipe", []tar.Header{{Name: "topipe/x", Typeflag: typeReg}}, `"topipe": not a directory`},
		{"file in the host's pipe", []tar.Header{{Name: "pipe/x", Typeflag: typeReg}}, `"pipe": not a directory`},
		{"file in the host's link", []tar.Header{{Name: "out/inner", Typeflag: typeReg}}, `"out": not a directory`},
		{"folder over the host's link", []tar.Header{{Name: "out", Typeflag: typeDir, Mode: 0o777}, {Name: "out/inner", Typeflag: typeReg}}, ""},
		{"file over the host's link", []tar.Header{{Name: "out", Typeflag: typeReg}}, ""},
		{"further name of the host's file", []tar.Header{{Name: "x", Typeflag: tar.TypeLink, Linkname: "own"}}, "which is no file that the stream has made"},
		{"further name of a folder", []tar.Header{{Name: "d", Typeflag: typeDir}, {Name: "x", Typeflag: tar.TypeLink, Linkname: "d"}}, "which is no file that the stream has made"},
		{"further name of a link", []tar.Header{{Name: "d", Typeflag: typeLink, Linkname: "own"}, {Name: "x", Typeflag: tar.TypeLink, Linkname: "d"}}, "which is no file that the stream has made"},
		{"further name of itself", []tar.Header{{Name: "x", Typeflag: tar.TypeLink, Linkname: "x"}}, "which is no file that the stream has made"},
	} {
		for _, special := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", test.name, special), func(t *testing.T) {
				s := lay(t, t.TempDir())
				_, err := Unpack(tarball(t, test.headers...), s.dir, UnpackOptions{Special: special})
				if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("Unpack = %v; want %q", err, test.want)
				}
				s.check(t)
			})
		}
	}
}

// TestUnpackLimits has streams hold more than is taken.
func TestUnpackLimits(t *testing.T) {
	attribute := map[string]string{xattrPrefix + "user.x": strings.Repeat("v", 900_000)}
	deep := func(n int) (list []tar.Header) {
		for i := range n {
			list = append(list, tar.Header{Name: strings.Repeat("d/", i) + "d", Typeflag: tar.TypeDir, Mode: 0o755, PAXRecords: attribute, Format: tar.FormatPAX})
		}
		return list
	}
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
	for _, test := range []struct {
		name    string
		limits  Limits
		headers []tar.Header
		want    string
		typed   bool
	}{
		{"all that fits", Limits{Bytes: 8, Files: 2}, []tar.Header{file("a"), file("b")}, "", false},
		{"a byte more", Limits{Bytes: 7}, []tar.Header{file("a"), file("b")}, `"b": with it, there are more than 7 B (7 bytes)`, true},
		{"a file more", Limits{Files: 1}, []tar.Header{file("a"), file("b")}, `"b": there are more than 1 files and folders`, true},
		{"folders without a name", Limits{Files: 3}, []tar.Header{file("a/b/c/d")}, "more than 3 files and folders", true},
		{"attributes", Limits{Bytes: 1 << 20}, []tar.Header{{Name: "a", Typeflag: tar.TypeReg, PAXRecords: attribute, Format: tar.FormatPAX}, {Name: "b", Typeflag: tar.TypeReg, PAXRecords: attribute, Format: tar.FormatPAX}}, `"b": with it, there are more than 1.0 MiB`, true},
		{"link", Limits{Bytes: 3}, []tar.Header{{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "four"}}, "more than 3 B", true},
		{"attributes of folders in each other", NoLimits, deep(60), "take more than 33554432 bytes", false},
		{"depth", NoLimits, []tar.Header{file(strings.Repeat("d/", maxDepth+1) + "x")}, "deeper than 512 folders", false},
		{"depth that is taken", NoLimits, []tar.Header{file(strings.Repeat("d/", maxDepth-1) + "x")}, "", false},
		{"name", NoLimits, []tar.Header{file(strings.Repeat("x", 4096))}, "is a name of 4096 bytes; the limit is 4095", false},
		{"name of a file", NoLimits, []tar.Header{file(strings.Repeat("x", 256))}, "file name too long", false},
		{"target", NoLimits, []tar.Header{{Name: "a", Typeflag: tar.TypeSymlink, Linkname: strings.Repeat("x", 4096)}}, "leads to a name of 4096 bytes; the limit is 4095", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := lay(t, t.TempDir())
			_, err := Unpack(tarball(t, test.headers...), s.dir, UnpackOptions{Limits: test.limits})
			var limit *LimitError
			if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || errors.As(err, &limit) != test.typed) {
				t.Errorf("Unpack = %v, of type %T; want %q", err, err, test.want)
			}
			s.check(t)
		})
	}
	t.Run("sparse", func(t *testing.T) { // a terabyte in four bytes
		stream := tarball(t, tar.Header{Name: "a", Typeflag: tar.TypeReg, Format: tar.FormatPAX, PAXRecords: map[string]string{
			"GNU_sparse.major": "0", "GNU_sparse.minor": "1", "GNU_sparse.map": "1099511627772,4", "GNU_sparse.numblocks": "1", "GNU_sparse.size": "1099511627776",
		}}).Bytes()
		stream = bytes.ReplaceAll(stream, []byte("GNU_sparse"), []byte("GNU.sparse")) // package archive/tar writes none
		if _, err := Unpack(bytes.NewReader(stream), t.TempDir(), UnpackOptions{Limits: NoLimits}); err == nil || !strings.Contains(err.Error(), `"a" is sparse`) {
			t.Errorf("Unpack = %v; want it to refuse a sparse file", err)
		}
	})
	t.Run("after the end", func(t *testing.T) {
		stream := tarball(t, file("a"))
		stream.Write(make([]byte, maxTrailing+1024))
		if _, err := Unpack(stream, t.TempDir(), UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "follow its end") {
			t.Errorf("Unpack = %v; want it to refuse what follows the end", err)
		}
	})
}

// TestUnpackLeftOut keeps nothing that only root could have made, and says so once.
func TestUnpackLeftOut(t *testing.T) {
	headers := []tar.Header{
		{Name: "block", Typeflag: tar.TypeBlock, Devmajor: 254}, {Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, {Name: "pipe", Typeflag: tar.TypeFifo},
		{Name: "dir", Typeflag: tar.TypeDir, Mode: 0o6755},
		{Name: "su", Typeflag: tar.TypeReg, Mode: 0o4755, Format: tar.FormatPAX, PAXRecords: map[string]string{
			xattrPrefix + "user.kept": "1", xattrPrefix + "security.capability": "2", xattrPrefix + "trusted.x": "3", xattrPrefix + "security.x": "4",
		}},
	}
	want := []string{`2 device nodes: "block", "null"`, `1 FIFOs: "pipe"`, `2 security.* attributes: "su", "su"`, `1 trusted.* attributes: "su"`, `2 set-user-ID and set-group-ID bits: "dir", "su"`}
	dir := t.TempDir()
	lost, err := Unpack(tarball(t, headers...), dir, UnpackOptions{})
	if kept := unix.Setxattr(dir, "user.ingot", []byte("1"), 0) == nil; !kept {
		t.Log("the file system of the temporary folder keeps no attributes")
		want = append(want, `1 attributes that the file system does not take: "su"`)
	}
	sorted := func(list []string) map[string]bool {
		m := map[string]bool{}
		for _, s := range list {
			m[s] = true
		}
		return m
	}
	if err != nil || !reflect.DeepEqual(sorted(lost), sorted(want)) {
		t.Errorf("Unpack = %q, %v; want %q", lost, err, want)
	}
	for name, mode := range map[string]fs.FileMode{"su": 0o755, "dir": fs.ModeDir | 0o755} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s is %v, %v; want %v", name, info, err, mode)
		}
	}
	for _, name := range []string{"block", "null", "pipe"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is %v; want it to be left out", name, info.Mode())
		}
	}
	names := make([]byte, 1000)
	n, err := unix.Listxattr(filepath.Join(dir, "su"), names)
	if got := string(names[:max(n, 0)]); strings.Contains(got, "trusted.x") || strings.Contains(got, "security.capability") || strings.Contains(got, "security.x") {
		t.Errorf("su has the attributes %q, %v", got, err)
	}
	// What has room for them may ask for them.
	if os.Geteuid() != 0 {
		t.Log("only root makes devices")
		return
	}
	dir = t.TempDir()
	if _, err := Unpack(tarball(t, headers...), dir, UnpackOptions{Special: true}); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"su": fs.ModeSetuid | 0o755, "dir": fs.ModeDir | fs.ModeSetuid | fs.ModeSetgid | 0o755, "pipe": fs.ModeNamedPipe | 0o644} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s is %v, %v; want %v", name, info, err, mode)
		}
	}
}

// TestUnpackSharedFolder keeps the set-group-ID bit of a folder of the host's own.
func TestUnpackSharedFolder(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o755), os.Chmod(filepath.Join(dir, "d"), fs.ModeSetgid|0o770)); err != nil {
		t.Fatal(err)
	}
	lost, err := Unpack(tarball(t, tar.Header{Name: "d", Typeflag: tar.TypeDir, Mode: 0o2750}), dir, UnpackOptions{})
	if info, err2 := os.Stat(filepath.Join(dir, "d")); err != nil || len(lost) > 0 || err2 != nil || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o750 {
		t.Errorf("Unpack = %q, %v; d is %v, %v; want its set-group-ID bit and 0750", lost, err, info, err2)
	}
}

// TestPackChanged has a folder and a file turn into links while they are packed, as a
// guest that writes to a folder of the host's can have it.
func TestPackChanged(t *testing.T) {
	s := lay(t, t.TempDir())
	p := packer{tar: tar.NewWriter(&bytes.Buffer{}), links: map[inode]string{}}
	dir, err := os.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := p.folder(int(dir.Fd()), "out", "out", "out"); !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link in the place of a folder: %v", err)
	}
	for name, want := range map[string]string{"in": "too many levels of symbolic links", "pipe": "no regular file any more", "topipe": "too many levels of symbolic links", "host": "no regular file any more"} {
		if err := p.file(int(dir.Fd()), name, name, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s in the place of a file: %v; want %q", name, err, want)
		}
	}
}
