package iso9660

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// foreign are files whose names tell the readings apart.
var foreign = []string{
	"meta-data", "user-data", "Mixed.Case.Name", "UPPER", "readme", "README", "noext", "tra.", "dir.d/x",
	"ünï/cödé", "1/2/3/4/5/6/7/8/9/10/deep-file.txt", strings.Repeat("n", 50) + ".txt", strings.Repeat("l", 100) + ".txt",
}

// TestReadings has volumes of two writers, with one, two and all of the hierarchies that
// there can be: the best one is taken, the reading is told, and the others can be asked for.
func TestReadings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	for _, name := range foreign {
		name = filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, []byte(filepath.Base(name)), 0o644))
	}
	long := strings.Repeat("l", 100) + ".txt"
	all := func(from ...string) []string { // foreign, but some under other names
		names := slices.Clone(foreign)
		for i := 0; i < len(from); i += 2 {
			at := slices.Index(names, from[i])
			names[at] = from[i+1]
		}
		return names
	}
	genisoimage := func(args ...string) []string {
		return append([]string{"genisoimage", "genisoimage", "-quiet", "-D", "-o", "IMAGE"}, append(args, dir)...)
	}
	xorriso := func(args ...string) []string {
		return append([]string{"xorriso", "xorriso", "-report_about", "SORRY", "-local_charset", "UTF-8", "-outdev", "stdio:IMAGE"}, append(args, "-map", dir, "/", "-commit")...)
	}
	for what, x := range map[string]struct {
		command  []string
		readings []Reading
		want     []string
	}{
		"Rock Ridge and all others": {xorriso("-joliet", "on", "-compliance", "iso_9660_1999"), []Reading{RockRidge, Joliet, Enhanced, Plain}, foreign},
		"Rock Ridge and Joliet":     {genisoimage("-R", "-J", "-input-charset", "utf-8"), []Reading{RockRidge, Joliet, Plain}, foreign},
		"Joliet":                    {genisoimage("-J", "-input-charset", "utf-8"), []Reading{Joliet, Plain}, all(long, long[:64])},
		"long Joliet":               {genisoimage("-J", "-joliet-long", "-input-charset", "utf-8"), []Reading{Joliet, Plain}, all(long, long[:103])},
		"Joliet of xorriso":         {xorriso("-rockridge", "off", "-joliet", "on"), []Reading{Joliet, Plain}, all(long, long[:61]+".txt")},
		"ISO 9660:1999":             {xorriso("-rockridge", "off", "-compliance", "iso_9660_1999"), []Reading{Enhanced, Plain}, foreign},
		"level 4":                   {genisoimage("-iso-level", "4"), []Reading{Enhanced, Plain}, foreign},
		"plain": {xorriso("-rockridge", "off"), []Reading{Plain}, all("meta-data", "meta_data", "user-data", "user_data",
			"Mixed.Case.Name", "mixed_case.name", "UPPER", "upper", "readme", "readme1", "README", "readme0", "tra.", "tra_", "dir.d/x", "dir_d/x", "ünï/cödé", "_n_/c_d_",
			"1/2/3/4/5/6/7/8/9/10/deep-file.txt", "1/2/3/4/5/6/7/8/9/10/deep_file.txt", foreign[11], strings.Repeat("n", 27)+".txt", long, strings.Repeat("l", 27)+".txt")},
	} {
		t.Run(what, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "iso")
			command := slices.Clone(x.command)
			for i := range command {
				command[i] = strings.ReplaceAll(command[i], "IMAGE", name)
			}
			fstest.Run(t, fstest.Judge(t, command[0], command[1]), command[2:]...)
			m, err := image.MapFile(name)
			must(t, err)
			r := reopen(t, m)
			if got := r.Readings(); !slices.Equal(got, x.readings) || r.Reading() != got[0] {
				t.Errorf("the readings are %q, of which %s is taken; want %q", got, r.Reading(), x.readings)
			}
			got := regular(t, r)
			for i, name := range x.want {
				if n := got[name]; n != filepath.Base(foreign[i]) {
					t.Errorf("%s holds %q; want %q", name, n, filepath.Base(foreign[i]))
				}
			}
			if len(got) > len(x.want) {
				t.Errorf("there are %d files; want %d: %q", len(got), len(x.want), got)
			}
			for _, other := range x.readings {
				r, err := r.As(other)
				must(t, err)
				if files := regular(t, r); r.Reading() != other || len(files) != len(got) {
					t.Errorf("%s (%s) has %d files; want %d", other, r.Reading(), len(files), len(got))
				}
			}
			if _, err := r.As("UDF"); err == nil {
				t.Error("As of a reading that the volume has not succeeds")
			}
			if x.readings[0] == RockRidge || x.readings[0] == Joliet { // bsdtar knows no others, and keeps upper case
				judgeNames(t, name, got)
			}
		})
	}
}

// regular returns the contents of all files, by their paths without the first slash. There
// must not be a flaw.
func regular(t testing.TB, r *Reader) map[string]string {
	t.Helper()
	tree, err := r.Tree()
	must(t, err)
	for _, f := range tree.Flaws.List() {
		t.Errorf("%s: flaw: %v", r.Reading(), f)
	}
	return contents(t, tree)
}

func contents(t testing.TB, tree *image.Tree) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, tree.Walk(func(path string, n *image.Node) error {
		if n.Mode.IsRegular() {
			text := ""
			if n.Data != nil {
				b, err := image.ReadAll(n.Data)
				text = string(b)
				if err != nil {
					text = err.Error()
				}
			}
			files[path[1:]] = text
		}
		return nil
	}))
	return files
}

// judgeNames has bsdtar say which files there are.
func judgeNames(t *testing.T, name string, got map[string]string) {
	t.Helper()
	cmd := exec.Command(fstest.Judge(t, "bsdtar", "libarchive-tools"), "-xOf", name, "--include", "*")
	cmd.Args = []string{cmd.Args[0], "-tf", name}
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	must(t, err)
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if _, ok := got[line]; ok || line == "." {
			continue
		}
		dir := slices.ContainsFunc(slices.Collect(func(yield func(string) bool) {
			for path := range got {
				if !yield(path) {
					return
				}
			}
		}), func(path string) bool { return strings.HasPrefix(path, line+"/") })
		if !dir {
			t.Errorf("bsdtar finds %q, which is not among %d files", line, len(got))
		}
	}
}

// made is a directory record of a volume that is made by hand.
type made struct {
	id          string
	flags       byte
	block, size uint32
	use         string // the system use area
	set         func(record []byte)
}

// volume puts descriptors and blocks of records together; the directory of blocks[n] lies
// in the block n.
func volume(descriptors [][]byte, blocks map[int][]made) []byte {
	size := 0
	for n := range blocks {
		size = max(size, n+1)
	}
	b := make([]byte, (size+10)*sectorSize)
	for i, d := range descriptors {
		copy(b[(firstDescriptor+i)*sectorSize:], d)
	}
	end := b[(firstDescriptor+len(descriptors))*sectorSize:]
	end[0] = typeTerminator
	copy(end[1:], standardID)
	for n, records := range blocks {
		var dir []byte
		for _, m := range records {
			at := len(dir)
			dir = appendRecord(dir, directoryRecord{block: m.block, size: m.size, flags: m.flags}, m.id, []byte(m.use))
			if m.set != nil {
				m.set(dir[at:])
			}
		}
		copy(b[n*sectorSize:], dir)
	}
	return b
}

// descriptor is a volume descriptor whose root directory is one block.
func descriptor(kind byte, root uint32, set func(*volumeDescriptor)) []byte {
	d := volumeDescriptor{Type: kind, Version: 1, LogicalBlockSize: newBoth16(sectorSize), VolumeSetSize: newBoth16(1), VolumeSequenceNumber: newBoth16(1)}
	copy(d.StandardIdentifier[:], standardID)
	copy(d.RootDirectoryRecord[:], appendRecord(nil, directoryRecord{block: root, size: sectorSize, flags: flagDirectory}, self, nil))
	if set != nil {
		set(&d)
	}
	return encode(nil, d)
}

func escape(s string) func(*volumeDescriptor) {
	return func(d *volumeDescriptor) { copy(d.EscapeSequences[:], s) }
}

// directoryOf are the records of a directory of one block: its own two, and those given.
func directoryOf(block int, records ...made) []made {
	return append([]made{{id: self, flags: flagDirectory, block: uint32(block), size: sectorSize}, {id: parent, flags: flagDirectory, block: uint32(block), size: sectorSize}}, records...)
}

func open(t testing.TB, b []byte) *Reader {
	t.Helper()
	r, err := Open(image.Bytes(b), int64(len(b)))
	must(t, err)
	return r
}

// TestJolietNames has names of all three levels, in UTF-16 where UCS-2 has no characters,
// and such as are neither.
func TestJolietNames(t *testing.T) {
	for _, level := range []string{"%/@", "%/C", "%/E"} {
		b := volume([][]byte{descriptor(typePrimary, 24, nil), descriptor(typeSupplementary, 25, escape(level))}, map[int][]made{
			24: directoryOf(24),
			25: directoryOf(25, made{id: ucs2("meta-data;1")}, made{id: ucs2("no.;1")}, made{id: ucs2("dot.")}, made{id: ucs2("a;12")},
				made{id: "\xd8\x3d\xde\x00"}, made{id: "\xde\x00\x00x"}, made{id: "\x00o\x00d\x00"}, made{id: ucs2("a/b;1")}, made{id: ucs2("..")}, made{id: ucs2("twice;1")}, made{id: ucs2("twice;2")}),
		})
		r := open(t, b)
		tree, err := r.Tree()
		must(t, err)
		got := contents(t, tree)
		for _, want := range []string{"meta-data", "no", "dot.", "a", "😀", "\ufffdx", "od", "a_b;1", "twice", "twice;2"} {
			if _, ok := got[want]; !ok {
				t.Errorf("level %s: there is no %q in %q", level, want, got)
			}
		}
		var flaws []string
		for _, f := range tree.Flaws.List() {
			flaws = append(flaws, fmt.Sprint(f.Lost, " ", f))
		}
		want := []string{
			"false /\ufffdx: its recorded name is not UCS-2: U+FFFD replaces its invalid characters",
			"false /od: its recorded name is not UCS-2: U+FFFD replaces its invalid characters",
			`false /a_b;1: is called so here, since its recorded name "a/b" is not a file name`,
			`true /: its recorded name ".." is not a file name, and is left out`,
			"false /twice;2: is called so here, since its recorded name \"twice\" is that of another file",
		}
		if r.Reading() != Joliet || !slices.Equal(flaws, want) {
			t.Errorf("level %s: read as %s, with the flaws\n%s\nwant\n%s", level, r.Reading(), strings.Join(flaws, "\n"), strings.Join(want, "\n"))
		}
	}
	// Without a primary volume descriptor Linux reads it, too.
	b := volume([][]byte{descriptor(typeSupplementary, 25, func(d *volumeDescriptor) {
		escape("%/E")(d)
		copy(d.VolumeIdentifier[:], ucs2("Vol"+strings.Repeat(" ", 13)))
	})}, map[int][]made{25: directoryOf(25, made{id: ucs2("x")})})
	r := open(t, b)
	if got := regular(t, r); r.Reading() != Joliet || len(got) != 1 || r.VolumeID() != "Vol" {
		t.Errorf("Joliet alone: %s %q has %q", r.Reading(), r.VolumeID(), got)
	}
}

// entry is a SUSP entry.
func entry(signature, data string) string {
	return signature + string([]byte{byte(suspHeader + len(data)), suspVersion}) + data
}

// px is a PX entry of a mode.
func px(mode uint32) string {
	var b []byte
	for _, v := range []uint32{mode, 1, 0, 0} {
		b = appendBoth32(b, v)
	}
	return entry("PX", string(b))
}

// TestPartsOfRockRidge: there is Rock Ridge where an ER entry, or entries of its own, say
// so; without names of files it is worth less than Joliet; a file that it leaves out has its
// plain name.
func TestPartsOfRockRidge(t *testing.T) {
	sp := entry("SP", "\xbe\xef\x00")
	er := func(id string) string { return entry("ER", string([]byte{byte(len(id)), 0, 0, 1})+id) }
	nm := func(name string) string { return entry("NM", "\x00"+name) }
	for what, x := range map[string]struct {
		root, file string // system use areas
		want       Reading
		name       string
		flaws      int
	}{
		"as it should be":              {sp + px(0o40755) + er("RRIP_1991A"), px(0o100644) + nm("meta-data"), RockRidge, "meta-data", 0},
		"SUSP of another protocol":     {sp + er("APPLE"), entry("AA", "\x00\x00"), Joliet, "joliet", 0},
		"SUSP, and no ER":              {sp, px(0o100644) + nm("meta-data"), RockRidge, "meta-data", 0},
		"neither SP nor ER":            {px(0o40755), px(0o100644) + nm("meta-data"), RockRidge, "meta-data", 0},
		"no names":                     {sp + px(0o40755) + er("IEEE_P1282"), px(0o100644), Joliet, "joliet", 1},
		"no entries but those of root": {sp + px(0o40755) + er("IEEE_P1282"), "", Joliet, "joliet", 1},
		"XA before it":                 {strings.Repeat("x", 14) + entry("SP", "\xbe\xef\x0e") + er("IEEE_1282"), strings.Repeat("x", 14) + px(0o100644) + nm("meta-data"), RockRidge, "meta-data", 0},
		"nothing":                      {"", "", Joliet, "joliet", 0},
	} {
		primary := directoryOf(24, made{id: "PLAIN.;1", use: x.file})
		primary[0].use = x.root
		b := volume([][]byte{descriptor(typePrimary, 24, nil), descriptor(typeSupplementary, 25, escape("%/E"))}, map[int][]made{
			24: primary, 25: directoryOf(25, made{id: ucs2("joliet")}),
		})
		r := open(t, b)
		tree, err := r.Tree()
		must(t, err)
		if got := contents(t, tree); r.Reading() != x.want || len(got) != 1 || tree.Lookup("/"+x.name) == nil || tree.Flaws.Count() != x.flaws {
			t.Errorf("%s: read as %s, %q, flaws %v; want %s, %s, %d", what, r.Reading(), got, tree.Flaws.List(), x.want, x.name, x.flaws)
		}
	}

	// Some files have Rock Ridge entries, and some have not.
	root := directoryOf(24, made{id: "META_DAT.;1", use: px(0o100600) + nm("readme.txt")}, made{id: "README.TXT;1"}, made{id: "OTHER.TXT;1"})
	root[0].use = sp + px(0o40755) + er("IEEE_P1282")
	r := open(t, volume([][]byte{descriptor(typePrimary, 24, nil)}, map[int][]made{24: root}))
	tree, err := r.Tree()
	must(t, err)
	got := contents(t, tree)
	for _, want := range []string{"readme.txt", "README.TXT", "other.txt"} {
		if _, ok := got[want]; !ok || len(got) != 3 {
			t.Errorf("files without Rock Ridge beside one with it: %q; want %s among them", got, want)
		}
	}
	if n := tree.Lookup("/readme.txt"); n == nil || n.Mode != 0o600 {
		t.Errorf("/readme.txt is %v", n)
	}
	if n := tree.Flaws.Count(); n != 3 {
		t.Errorf("%d flaws; want 3: %v", n, tree.Flaws.List())
	}
}

// TestPlainNames: what no other hierarchy says better is shown in lower case, unless the
// volume has lower case of its own. Versions and the dots before them go.
func TestPlainNames(t *testing.T) {
	for what, x := range map[string]struct{ ids, want []string }{
		"upper case":     {[]string{"README.;1", "META_DAT.TXT;1", "NOVERSIO.", "ODD\xc4.;1"}, []string{"readme", "meta_dat.txt", "noversio", "odd\xc4"}},
		"both":           {[]string{"README", "readme", "Mixed.Txt;1"}, []string{"README", "readme", "Mixed.Txt"}},
		"versions":       {[]string{"A.TXT;2", "A.TXT;1"}, []string{"a.txt", "a.txt;1"}},
		"no version":     {[]string{"A;B", ";1", ";"}, []string{"a;b", ";1", ";"}},
		"slashes":        {[]string{"A/B.;1", "N\x00L"}, []string{"a_b.;1", "n_l"}},
		"equal":          {[]string{"A.;1", "A.;1"}, []string{"a", "a.;1"}},
		"names of Linux": {[]string{".;1", "A.B.;1"}, []string{".;1", "a.b"}},
	} {
		var records []made
		for i, id := range x.ids {
			records = append(records, made{id: id, block: 25, size: uint32(i + 1)})
		}
		r := open(t, volume([][]byte{descriptor(typePrimary, 24, nil)}, map[int][]made{24: directoryOf(24, records...), 25: nil}))
		tree, err := r.Tree()
		must(t, err)
		for i, name := range x.want {
			if n := tree.Lookup("/" + name); n == nil || n.Size() != int64(i+1) {
				t.Errorf("%s: %q is %v; want the file of %d bytes", what, name, n, i+1)
			}
		}
		if err := tree.Complete("/"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestOddRecords: what is odd about one record is a flaw of its file, and all others are
// read.
func TestOddRecords(t *testing.T) {
	sparse := entry("SF", strings.Repeat("\x00", 17))
	zisofs := entry("ZF", "pz\x04\x0f"+string(appendBoth32(nil, 5000)))
	sp := entry("SP", "\xbe\xef\x00") + px(0o40755)
	good := made{id: "GOOD.;1", block: 30, size: 4, use: px(0o100644) + entry("NM", "\x00good")}
	end := uint32(50)
	for what, x := range map[string]struct {
		odd  made
		want string // the flaw; none where it is empty
		lost bool
		data string // of /odd; "-" where it is not there
	}{
		"attributes before the data": {odd: made{block: 29, size: 4, set: func(r []byte) { r[1] = 1 }}, data: "good"},
		"interleaved":                {made{block: 30, size: 4, set: func(r []byte) { r[26], r[27] = 1, 1 }}, "/odd: its contents are interleaved with those of another file, which is not read", true, "its contents are interleaved with those of another file, which is not read"},
		"beyond the end":             {made{block: end, size: 4}, "/odd: 4 bytes at 102400 are beyond the volume's end at 83968", true, "4 bytes at 102400 are beyond the volume's end at 83968"},
		"zisofs":                     {made{block: 30, size: 4, use: zisofs}, "/odd: its contents are compressed by zisofs, which is not read", true, "its contents are compressed by zisofs, which is not read"},
		"sparse":                     {made{block: 30, size: 4, use: sparse}, "/odd: its contents are sparse by Rock Ridge's own rule, which is not read", true, "its contents are sparse by Rock Ridge's own rule, which is not read"},
		"the mode of a directory":    {made{block: 30, size: 4, use: px(0o40700)}, "/odd: has the mode 040700, and is no directory; it is taken for a regular file", false, "good"},
		"a mode of no kind":          {made{block: 30, size: 4, use: px(0o700)}, "/odd: has the mode 0700, and is no directory; it is taken for a regular file", false, "good"},
		"a symlink without a target": {made{use: px(0o120777)}, "/odd: is a symlink without a target, and is left out", true, "-"},
		"an entry that is too long":  {made{block: 30, size: 4, use: "XX\xf0\x01"}, `/odd: a system use entry "XX" has a length of 240 in 12 bytes`, false, "good"},
		"entries beyond the end":     {made{block: 30, size: 4, use: string(continuation(end, 0, 10))}, "/odd: continuation area: 10 bytes at 102400 are beyond the volume's end at 83968", false, "good"},
		"associated":                 {made{flags: flagAssociated, block: 30, size: 4}, `/: the file "odd", which is associated with another, is left out`, false, "-"},
		"sections without an end":    {made{flags: flagMultiExtent, block: 30, size: 4}, "/odd: the last of its records is missing", true, "good"},
		"a directory beyond the end": {made{flags: flagDirectory, block: end, size: sectorSize}, "/odd: the directory: 2048 bytes at 102400 are beyond the volume's end at 83968", true, "-"},
		"a directory again":          {made{flags: flagDirectory, block: 24, size: sectorSize}, "/odd: the directory at block 24 stands in two places, and is read at / alone", true, "-"},
		"moved to nowhere":           {made{use: entry("CL", string(appendBoth32(nil, end)))}, "/odd: the directory was moved, and is not where it should be: 2048 bytes at 102400 are beyond the volume's end at 83968", true, "-"},
		"a record that ends late":    {made{set: func(r []byte) { r[32] = 200 }}, "/: a directory record of 40 bytes has an identifier of 200, at byte 198 of the directory; those that follow up to byte 2048 are not read", true, "-"},
	} {
		x.odd.id = "ODD.;1"
		if x.odd.use != "" {
			x.odd.use += entry("NM", "\x00odd")
			if !strings.HasPrefix(x.odd.use, "PX") && !strings.HasPrefix(x.odd.use, "XX") {
				x.odd.use = px(0o100644) + x.odd.use
			}
		}
		root := directoryOf(24, good, x.odd)
		root[0].use = sp
		b := volume([][]byte{descriptor(typePrimary, 24, nil)}, map[int][]made{24: root, 30: nil})
		copy(b[30*sectorSize:], "good")
		tree, err := open(t, b).Tree()
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		got := contents(t, tree)
		if got["good"] != "good" {
			t.Errorf("%s: the file beside it holds %q", what, got["good"])
		}
		if data, ok := got["odd"]; ok != (x.data != "-") || ok && data != x.data {
			t.Errorf("%s: /odd holds %q, there %v; want %q", what, data, ok, x.data)
		}
		var flaws []string
		for _, f := range tree.Flaws.List() {
			if strings.HasPrefix(f.Err.Error(), "has no Rock Ridge entries") {
				continue
			}
			flaws = append(flaws, f.Error())
			if f.Lost != x.lost {
				t.Errorf("%s: lost is %v", what, f.Lost)
			}
		}
		if got := strings.Join(flaws, "\n"); got != x.want {
			t.Errorf("%s: the flaw is %q; want %q", what, got, x.want)
		}
		if (tree.Complete("/") != nil) != x.lost {
			t.Errorf("%s: Complete = %v", what, tree.Complete("/"))
		}
	}
}

// TestOddRoots: the record of the root directory in the descriptor says where it lies, and
// its other fields are not needed.
func TestOddRoots(t *testing.T) {
	for what, set := range map[string]func(record []byte){
		"a record of 68 bytes":      func(r []byte) { r[0] = 68 },
		"a record of no bytes":      func(r []byte) { r[0] = 0 },
		"an identifier of 68 bytes": func(r []byte) { r[32] = 68 },
		"a directory of 68 bytes":   func(r []byte) { copy(r[10:], appendBoth32(nil, 68)) },
		"no flag of a directory":    func(r []byte) { r[25] = 0 },
	} {
		b := volume([][]byte{descriptor(typePrimary, 24, func(d *volumeDescriptor) { set(d.RootDirectoryRecord[:]) })},
			map[int][]made{24: directoryOf(24, made{id: "FILE.;1"})})
		if got := regular(t, open(t, b)); len(got) != 1 {
			t.Errorf("%s: there are the files %q; want one", what, got)
		}
	}
	// An empty one may end with its block, or the volume.
	b := volume([][]byte{descriptor(typePrimary, 24, func(d *volumeDescriptor) { copy(d.RootDirectoryRecord[10:], appendBoth32(nil, 68)) })}, map[int][]made{24: directoryOf(24)})
	for _, m := range []int{10, 14} { // its own records say the same
		copy(b[24*sectorSize+m-(m-10):], appendBoth32(nil, 68))
	}
	if got := regular(t, open(t, b)); len(got) != 0 {
		t.Errorf("an empty root directory has the files %q", got)
	}
}

// TestLostRoots: a hierarchy whose root directory is not there is taken after those that are,
// and told; where there is no other, it is read as it is.
func TestLostRoots(t *testing.T) {
	for what, c := range map[string]struct {
		joliet uint32
		plain  uint32
		want   Reading
		flaw   string
	}{
		"both":                  {25, 24, Joliet, ""},
		"Joliet behind the end": {99999, 24, Plain, "/: what the volume has as Joliet is not read: no directory lies where its root should be"},
		"Joliet among zeros":    {26, 24, Plain, "/: what the volume has as Joliet is not read: no directory lies where its root should be"},
		"plain among zeros":     {25, 26, Joliet, "/: what the volume has as plain ISO 9660 is not read: no directory lies where its root should be"},
		"neither":               {26, 26, Joliet, "/: what the volume has as plain ISO 9660 is not read: no directory lies where its root should be, /: the directory has no records, not even one of itself"},
	} {
		b := volume([][]byte{descriptor(typePrimary, c.plain, nil), descriptor(typeSupplementary, c.joliet, escape("%/E"))}, map[int][]made{
			24: directoryOf(24, made{id: "FILE.;1"}), 25: directoryOf(25, made{id: "\x00f\x00i\x00l\x00e"}),
		})
		r := open(t, b)
		tree, err := r.Tree()
		must(t, err)
		var flaws []string
		for _, f := range tree.Flaws.List() {
			flaws = append(flaws, f.Error())
		}
		if r.Reading() != c.want || len(r.Readings()) != 2 || strings.Join(flaws, ", ") != c.flaw {
			t.Errorf("%s: %s of %q is taken, with the flaws %q; want %s and %q", what, r.Reading(), r.Readings(), flaws, c.want, c.flaw)
		}
		if found := tree.Lookup("/file") != nil; found != (what != "neither") {
			t.Errorf("%s: there is the file: %t", what, found)
		}
	}
}

// TestSmallBlocks has logical blocks of 512 and 1024 bytes.
func TestSmallBlocks(t *testing.T) {
	for _, size := range []int{512, 1024} {
		at := func(sector int) uint32 { return uint32(sector * sectorSize / size) }
		root := []made{{id: self, flags: flagDirectory, block: at(24), size: sectorSize}, {id: parent, flags: flagDirectory, block: at(24), size: sectorSize}, {id: "FILE.;1", block: at(25) + 1, size: 4}}
		b := volume([][]byte{descriptor(typePrimary, at(24), func(d *volumeDescriptor) { d.LogicalBlockSize = newBoth16(uint16(size)) })}, map[int][]made{24: root, 25: nil})
		copy(b[25*sectorSize+size:], "file")
		if got := regular(t, open(t, b)); got["file"] != "file" {
			t.Errorf("blocks of %d bytes: the file holds %q", size, got["file"])
		}
	}
	b := volume([][]byte{descriptor(typePrimary, 24, func(d *volumeDescriptor) { d.LogicalBlockSize = newBoth16(4096) })}, map[int][]made{24: directoryOf(24)})
	if _, err := Open(image.Bytes(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), "blocks of 4096 bytes; those of 512, 1024 and 2048 are read") {
		t.Errorf("blocks of 4096 bytes: %v", err)
	}
}

// TestVolumeSets: contents can lie on another medium.
func TestVolumeSets(t *testing.T) {
	b := volume([][]byte{descriptor(typePrimary, 24, func(d *volumeDescriptor) { d.VolumeSetSize, d.VolumeSequenceNumber = newBoth16(2), newBoth16(2) })},
		map[int][]made{24: directoryOf(24, made{id: "FAR.;1", block: 24, size: 4}, made{id: "HERE.;1", block: 24, size: 1, set: func(r []byte) { binary.LittleEndian.PutUint16(r[28:], 2) }})})
	tree, err := open(t, b).Tree()
	must(t, err)
	if got := contents(t, tree); got["far"] != "its contents are on volume 1 of 2; this is volume 2" || len(got["here"]) != 1 {
		t.Errorf("the files hold %q", got)
	}
}

// TestUDF: that there is a second file system is told.
func TestUDF(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644))
	name := filepath.Join(t.TempDir(), "iso")
	fstest.Run(t, fstest.Judge(t, "genisoimage", "genisoimage"), "-quiet", "-udf", "-o", name, dir)
	m, err := image.MapFile(name)
	must(t, err)
	r := reopen(t, m)
	tree, err := r.Tree()
	must(t, err)
	if list := tree.Flaws.List(); !r.hasUDF || len(list) != 1 || list[0].Lost || !strings.Contains(list[0].Error(), "UDF") {
		t.Errorf("HasUDF = %v, flaws %v", r.hasUDF, list)
	}
}

// TestMovedDirectories: the directory into which genisoimage moves those that lie too deep
// is not shown, unless it holds something of its own.
func TestMovedDirectories(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	must(t, os.MkdirAll(filepath.Join(dir, "1/2/3/4/5/6/7/8/9/10"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "1/2/3/4/5/6/7/8/9/10/deep"), []byte("deep"), 0o644))
	for _, args := range [][]string{{"-R"}, {"-R", "-hide-rr-moved"}} {
		want := []string{"1"}
		name := filepath.Join(t.TempDir(), "iso")
		fstest.Run(t, fstest.Judge(t, "genisoimage", "genisoimage"), append(args, "-quiet", "-o", name, dir)...)
		m, err := image.MapFile(name)
		must(t, err)
		r := reopen(t, m)
		tree, err := r.Tree()
		must(t, err)
		var names []string
		for _, e := range tree.Root.Entries() {
			names = append(names, e.Name)
		}
		if !slices.Equal(names, want) || tree.Lookup("/1/2/3/4/5/6/7/8/9/10/deep") == nil || tree.Complete("/") != nil {
			t.Errorf("the root has %q, flaws %v; want %q", names, tree.Flaws.List(), want)
		}
	}
}
