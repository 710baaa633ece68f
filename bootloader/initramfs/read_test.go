package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// keepAll keeps all contents.
func keepAll(string, int64) bool { return true }

// archive makes an archive of texts by their paths; a link begins with "->".
func archive(t testing.TB, files map[string]string) []byte {
	t.Helper()
	tree := image.NewTree()
	for name, text := range files {
		n := image.NewFile(0o644, image.Bytes(text))
		if to, ok := strings.CutPrefix(text, "->"); ok {
			n = image.NewSymlink(to)
		}
		if err := tree.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
	b, err := Pack(tree, None)
	if err != nil {
		t.Fatal(err)
	}
	data, err := image.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// newc is one entry, or the trailer.
func newc(name string, mode, ino, links uint32, data string) []byte {
	h := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ino, mode, 0, 0, links, 0, len(data), 8, 1, 0, 0, len(name)+1, 0)
	b := append([]byte(h), name...)
	b = append(b, make([]byte, 1+pad(int64(len(b)+1)))...)
	b = append(b, data...)
	return append(b, make([]byte, pad(int64(len(data))))...)
}

func end() []byte { return newc(trailer, 0, 0, 1, "") }

// packed compresses with the tools of the host, as Linux's build does.
func packed(t testing.TB, method string, data []byte) []byte {
	t.Helper()
	tool := map[string][]string{
		"gzip": {"gzip", "gzip", "-9nc"}, "zstd": {"zstd", "zstd", "-19", "-c"}, "xz": {"xz", "xz-utils", "--check=crc32", "--lzma2=dict=512KiB", "-c"},
		"lz4": {"lz4", "lz4", "-l", "-c"}, "bzip2": {"bzip2", "bzip2", "-c"}, "lzma": {"xz", "xz-utils", "--format=lzma", "-c"},
	}[method]
	cmd := exec.Command(testenv.Judge(t, tool[0], tool[1]), tool[2:]...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// list is the paths of an archive with their contents, as far as they were kept.
func list(t testing.TB, a *Archive) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := a.Tree.Walk(func(name string, n *image.Node) error {
		switch {
		case n.Link != "":
			files[name] = "->" + n.Link
		case !n.IsDir():
			text := []byte(nil)
			var err error
			if n.Data != nil {
				text, err = image.ReadAll(n.Data)
			}
			if files[name] = string(text); errors.Is(err, ErrNotKept) {
				files[name] = fmt.Sprintf("%d bytes", n.Size())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t testing.TB, data []byte) (*Archive, map[string]string) {
	t.Helper()
	a, err := Read(image.Bytes(data), keepAll)
	if err != nil {
		t.Fatal(err)
	}
	return a, list(t, a)
}

// TestRead reads what NixOS, Guix and distributions hand to a kernel: microcode, a compressed
// archive, and secrets behind it.
func TestRead(t *testing.T) {
	microcode := archive(t, map[string]string{"/kernel/x86/microcode/GenuineIntel.bin": strings.Repeat("m", 5000)})
	system := archive(t, map[string]string{"/init": "->bin/sh", "/bin/sh": strings.Repeat("sh\n", 60_000), "/etc/hostname": "web"})
	secret := archive(t, map[string]string{"/etc/secret": "s3cret", "/etc/hostname": "other"})
	for _, method := range []string{"", "gzip", "zstd", "xz", "lz4", "bzip2", "lzma"} {
		t.Run(method, func(t *testing.T) {
			pack := func(data []byte) []byte { return data }
			if method != "" {
				pack = func(data []byte) []byte { return packed(t, method, data) }
			}
			a, files := read(t, slices.Concat(microcode, make([]byte, 512), pack(system), make([]byte, 7)))
			if a.Compression != method {
				t.Errorf("compression %q", a.Compression)
			}
			if files["/init"] != "->bin/sh" || files["/etc/hostname"] != "web" || len(files["/bin/sh"]) != 180_000 || len(files["/kernel/x86/microcode/GenuineIntel.bin"]) != 5000 {
				t.Errorf("%.300q", files)
			}
			if method == "bzip2" || method == "lzma" {
				return // nothing behind them is found
			}
			for i, behind := range [][]byte{secret, packed(t, "zstd", secret), pack(secret), packed(t, "gzip", secret)} {
				if i == 3 && method == "lz4" {
					continue // the kernel, too, takes the beginning of gzip for a block
				}
				_, files := read(t, slices.Concat(pack(system), behind))
				if files["/etc/secret"] != "s3cret" || files["/etc/hostname"] != "other" || files["/init"] == "" {
					t.Errorf("with secrets behind it: %.200q", files)
				}
			}
		})
	}
}

// TestUnpack unpacks as the kernel does.
func TestUnpack(t *testing.T) {
	dir := func(name string) []byte { return newc(name, typeDirectory|0o755, 1, 2, "") }
	file := func(name, text string) []byte { return newc(name, typeRegular|0o644, 2, 1, text) }
	link := func(name, to string) []byte { return newc(name, typeSymlink|0o777, 3, 1, to) }
	for name, c := range map[string]struct {
		parts [][]byte
		want  map[string]string
	}{
		"twice":             {[][]byte{file("a", "1"), file("a", "22"), end()}, map[string]string{"/a": "22"}},
		"no trailer":        {[][]byte{file("a", "1")}, map[string]string{"/a": "1"}},
		"above the root":    {[][]byte{dir("d"), file("../../d/../a", "1"), file("/d/b", "2"), end()}, map[string]string{"/a": "1", "/d/b": "2"}},
		"no folder":         {[][]byte{file("d/a", "1"), end()}, map[string]string{}},
		"through a link":    {[][]byte{dir("usr"), link("lib", "usr"), file("lib/a", "1"), end()}, map[string]string{"/lib": "->usr", "/usr/a": "1"}},
		"through .. ":       {[][]byte{dir("usr"), dir("usr/b"), link("lib", "/usr/b/../../../usr"), file("lib/a", "1"), end()}, map[string]string{"/lib": "->/usr/b/../../../usr", "/usr/a": "1"}},
		"into itself":       {[][]byte{link("l", "l"), file("l/a", "1"), end()}, map[string]string{"/l": "->l"}},
		"hard links":        {[][]byte{newc("a", typeRegular, 9, 2, ""), newc("b", typeRegular, 9, 2, "text"), end()}, map[string]string{"/a": "text", "/b": "text"}},
		"of two archives":   {[][]byte{newc("a", typeRegular, 9, 2, "one"), end(), newc("b", typeRegular, 9, 2, "two"), end()}, map[string]string{"/a": "one", "/b": "two"}},
		"folder for a file": {[][]byte{file("a", "1"), dir("a"), file("a/b", "2"), end()}, map[string]string{"/a/b": "2"}},
		"file for a folder": {[][]byte{dir("a"), file("a/b", "2"), file("a", "1"), end()}, map[string]string{"/a/b": "2"}},
		"device":            {[][]byte{newc("dev/console", typeCharacter|0o600, 4, 1, ""), end()}, map[string]string{"/dev/console": ""}},
		"crc":               {[][]byte{append([]byte(magicCRC), file("a", "1")[6:]...), end()}, map[string]string{"/a": "1"}},
		"nothing":           {nil, map[string]string{}},
		"zeros":             {[][]byte{make([]byte, 300_000)}, map[string]string{}},
	} {
		a, err := Read(image.Bytes(slices.Concat(c.parts...)), keepAll)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := list(t, a); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
	}
}

// TestKeep passes over contents that nobody wants.
func TestKeep(t *testing.T) {
	data := archive(t, map[string]string{"/big": strings.Repeat("b", 1<<20), "/init": "text"})
	for _, data := range [][]byte{data, packed(t, "zstd", data)} {
		a, err := Read(image.Bytes(data), func(name string, size int64) bool { return size < 100 })
		if err != nil {
			t.Fatal(err)
		}
		if got := list(t, a); got["/big"] != "1048576 bytes" || got["/init"] != "text" {
			t.Errorf("%q", got)
		}
		if a, err = Read(image.Bytes(data), nil); err != nil || list(t, a)["/init"] != "4 bytes" {
			t.Errorf("%v, %v", a, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	whole := archive(t, map[string]string{"/init": strings.Repeat("text", 5000)})
	many := bytes.Repeat(end(), maxParts+1)
	bomb := packed(t, "zstd", make([]byte, 3<<20))
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"text":         {[]byte("#!/bin/sh\n"), `initial RAM disk: the part at byte 0: "#!/bin/s" begins neither a cpio archive`},
		"old format":   {[]byte("070707" + strings.Repeat("0", 200)), `"070707" begins no entry of a cpio archive`},
		"cut":          {whole[:len(whole)/2], "unexpected EOF"},
		"cut gzip":     {packed(t, "gzip", whole)[:60], "gzip: "},
		"cut zstd":     {packed(t, "zstd", whole)[:60], "zstd: "},
		"cut xz":       {packed(t, "xz", whole)[:60], "xz: "},
		"cut lz4":      {packed(t, "lz4", whole)[:60], "lz4: "},
		"cut bzip2":    {packed(t, "bzip2", whole)[:60], "bzip2: "},
		"lzo":          {[]byte("\x89LZO\x00\r\n\x1a\n"), "LZO"},
		"no number":    {[]byte("070701" + strings.Repeat("x", 104)), `"xxxxxxxx" in the header of an entry is no hexadecimal number`},
		"long name":    {[]byte("070701" + strings.Repeat("0", 88) + "00001001" + strings.Repeat("0", 8)), "the name of an entry is 4097 bytes long; Linux allows 1 to 4096"},
		"many":         {many, "holds more than 10000 archives"},
		"many packed":  {bytes.Repeat(packed(t, "gzip", end()), maxPacked+1), "holds more than 32 compressed parts"},
		"huge":         {bytes.Repeat(bomb, 32), ""},
		"large and no": {newc("a", typeRegular, 1, 1, "")[:54], "unexpected EOF"},
		"junk within":  {packed(t, "gzip", []byte("junk, junk, junk, junk")), `gzip: "junk, " is no header of a cpio archive`},
	} {
		_, err := Read(image.Bytes(c.data), keepAll)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

// FuzzRead unpacks what nobody packed, in bounded memory: 1 MiB for each compressed part.
func FuzzRead(f *testing.F) {
	small := slices.Concat(newc("d", typeDirectory|0o755, 1, 2, ""), newc("d/a", typeRegular, 2, 2, "text"), newc("b", typeRegular, 2, 2, ""), newc("l", typeSymlink, 3, 1, "d"), newc("l/c", typeRegular, 4, 1, "x"), end())
	f.Add(small)
	for _, method := range []string{"gzip", "zstd", "xz", "lz4"} {
		f.Add(slices.Concat(packed(f, method, small), small))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4096 {
			return
		}
		fstest.Budget(t, len(in)+256<<10, func() {
			a, err := readWithin(image.Bytes(in), func(_ string, size int64) bool { return size < 100 }, 1<<20)
			if err == nil {
				_ = a.Tree.Walk(func(string, *image.Node) error { return nil })
			}
		})
	})
}
