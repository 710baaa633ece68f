package applet

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ingot/tests/testenv"
)

// TestMain makes the test binary be the applet that it is called as.
func TestMain(m *testing.M) {
	if a, ok := Find(filepath.Base(os.Args[0])); ok {
		os.Exit(a.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// links returns a folder with a link for every applet.
func links(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range Names() {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// result is what a command line printed, and its status.
type result struct {
	out, err string
	status   int
}

// limited is a buffer for what should end.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len() > 4<<20 {
		return 0, errors.New("it prints without end")
	}
	return l.Buffer.Write(p)
}

// script runs a command line in a folder by the system's shell, with programs
// from path.
func script(t *testing.T, dir, path, line string) result {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + path, "LC_ALL=C", "TZ=UTC"}
	var out, errout limited
	cmd.Stdout, cmd.Stderr = &out, &errout
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", line, err)
	}
	return result{out.String(), errout.String(), cmd.ProcessState.ExitCode()}
}

// folder makes files for commands to work on, always the same.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	binary := make([]byte, 100_000)
	for i := range binary {
		binary[i] = byte(i * i >> 3)
	}
	files := map[string]string{
		"words":     "pear 3\napple 10\nFig 2\napple 10\n\nbanana 1\n",
		"table":     "a:b:c:d\ne:f\nplain\n::x\n",
		"no-end":    "one\ntwo",
		"empty":     "",
		"text/long": strings.Repeat("a line of text\n", 1000),
		"text/a.c":  "int main(void) { return 0; }\n",
		"text/b.h":  "#define MAIN main\n",
		"binary":    string(binary),
		"zeros":     strings.Repeat("\x00", 70_000) + "end",
		".hidden":   "hidden\n",
		"nul":       "a\x00b\nc\x00\na\x00b\n",
		"latin":     "caf\xe9 \xff\xfe b\nna\xc3\xafve\n\xe9\n",
		"long":      strings.Repeat("x y ", 20_000) + "\n" + "short\n" + strings.Repeat("z", 70_000),
		"numbers":   "10\n9\n-3\n0.5\n1e3\n 7\n+4\n\n010\n99999999999999999999\n99999999999999999998\n",
		"-dash":     "dash\n",
	}
	at := time.Unix(1_000_000_000, 123_456_789)
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "words", "text/up": "..", "dangling": "nowhere"} {
		path := filepath.Join(dir, name)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		times := []unix.Timespec{unix.NsecToTimespec(at.UnixNano()), unix.NsecToTimespec(at.UnixNano())}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "words"), filepath.Join(dir, "text/same")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"text", "."} {
		if err := os.Chtimes(filepath.Join(dir, d), at, at); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestAsDebian runs command lines with the applets and with the system's own
// commands; both must print the same, leave the same, and end alike.
func TestAsDebian(t *testing.T) {
	testenv.Slow(t)
	ours := links(t)
	for _, line := range []string{
		"basename /a/b/c.txt .txt; basename /; basename c c; dirname /a/b; dirname b; dirname /; dirname a/b/",
		"head -n 2 words; head -3 words; head -c 5 words; head -n 1 words table",
		"tail -n 2 words; tail -1 no-end; tail -n +4 words; tail -c 7 words; tail -n 0 words",
		"wc -l < words; wc -w < words; wc -c < binary; wc -m < table; wc -l < no-end",
		"sort words; sort -r words; sort -u words; sort -n -k 2 words | head -1; sort -t : -k 2 table",
		"printf '10K\\n2M\\n512\\n1G\\n' | sort -h; printf '3\\n-1\\n2.5\\n' | sort -n",
		"sort words | uniq; sort words | uniq -c; sort words | uniq -d; sort words | uniq -u",
		"cut -d : -f 1,3- table; cut -c 2-4 words; cut -d : -f 2 table",
		"tr a-z A-Z < words; tr -d aeiou < words; tr '[:lower:]\\n' '[:upper:] ' < words; tr ab xy < table",
		"grep a words; grep -n apple words; grep -c a words; grep -v a words; grep -i FIG words; grep -w 1 words",
		"grep -r main text | sort; grep -l int text/a.c text/b.h; grep -o '[0-9][0-9]*' words; grep -q pear words; echo $?",
		"grep nothing words; echo $?; grep -h 'a\\|3' words table; grep -E '(pear|Fig) [23]' words; grep -F . words; grep -x Fig\\ 2 words",
		"grep -e pear -e Fig words; grep x nonesuch 2>/dev/null; echo $?",
		"seq 5; seq 2 4; seq 10 -3 1; seq 0.5 0.5 2",
		"md5sum words binary; sha1sum words; sha256sum words binary > sums; sha256sum -c sums; sha512sum < empty",
		"echo x > copy; sha256sum copy > sums; echo y > copy; sha256sum -c sums 2>/dev/null; echo $?",
		"base64 words; base64 words | base64 -d",
		"cat words no-end; cat < table; cat words - < no-end; cat nonesuch 2>/dev/null; echo $?; chmod 600 nonesuch 2>/dev/null; echo $?; touch no/no 2>/dev/null; echo $?",
		"cp words copy && cat copy; cp -r text new && find new | sort; cp -a text exact && stat -c '%a %Y %F %n' exact/* | sort",
		"truncate -s 1M holes; echo end >> holes; truncate -s 2M holes; cp holes copy; cmp holes copy; stat -c %s copy; du -k copy",
		"cp -a . ../x && ls -A ../x | sort; cd ../x && stat -c %i words > a; stat -c %i text/same | cmp - a; rm -r ../x",
		"cp words text; cmp words text/words; cp link plain; test -f plain && ! test -L plain && echo followed; cp -P link stay; readlink stay",
		"cp nonesuch x 2>/dev/null; echo $?; cp text x 2>/dev/null; echo $?; cp words words 2>/dev/null; echo $?",
		"mv words moved && cat moved; mv moved text && ls text; mv -n table empty; cat empty; mv text other; ls other",
		"ln words hard; stat -c %h words; ln -s words soft; readlink soft; ln -sf table soft; readlink soft; ln -s ../words text; readlink text/words",
		"ln -s words table 2>/dev/null; echo $?; ln -sfn /tmp text/up; readlink text/up",
		"readlink -f text/up/link | sed 's|.*/||'; realpath . | cmp - /dev/null > /dev/null; echo $?",
		"mkdir -p a/b/c && rmdir a/b/c && ls a; rmdir -p a/b; ls a 2>/dev/null; echo $?; mkdir words 2>/dev/null; echo $?",
		"touch new && stat -c '%s %F' new; mkdir -m 700 d; stat -c %a d; chmod -R 711 text; stat -c '%a %n' text text/a.c; chmod u+x,g-r words; stat -c %a words",
		"rm words; ls; rm -f nonesuch; echo $?; rm nonesuch 2>/dev/null; echo $?; rm -rf text; ls",
		"truncate -s 10 words; wc -c < words; truncate -s 3K new; wc -c < new; truncate -s +5 new; stat -c %s new",
		"ls; ls -a; ls -A text; ls -F; ls -1 text words; ls -d text; ls -r; ls -S text; ls -R text",
		"ls nonesuch 2>/dev/null; echo $?; ls -n words | cut -d ' ' -f 1-2; stat -c '%A %a %f %h %s %Y %y %F' words link text/.; stat -L -c %s link",
		"find . | sort; find . -name '*.c'; find . -type l | sort; find . -type f -size +10k | sort; find text -maxdepth 0; find . -maxdepth 1 -type d",
		"find . -newer words -type f; find . -iname 'A.*'; find . -path '*/text/*' -name 'b*'; find . -perm 640 -type f | sort; find . -links 2 -type f | sort",
		"find . -empty; find . ! -type d -a ! -name '*a*' | sort; find . \\( -name words -o -name table \\) -print | sort; find . -name text -prune -o -type f -print | sort",
		"find . -name '*.?' -exec cat {} \\; | sort; find . -name words -exec wc -c {} + ; find . -name empty -delete; ls; find nonesuch 2>/dev/null; echo $?",
		"find text -print0 | tr '\\0' ' ' | wc -w; find . -mtime -1 -type f; find . -type f -mtime +100 | wc -l",
		"seq 10 | xargs -n 3 echo; printf 'a\\0b c\\0' | xargs -0 -n 1 echo; ls text | xargs echo",
		"tar cf a.tar text && tar tf a.tar | sort; mkdir out && tar xf a.tar -C out && find out | sort; cmp text/long out/text/long",
		"tar czf a.tgz words text && mkdir out && tar -xzf a.tgz -C out && cat out/text/a.c; tar tzf a.tgz words; stat -c '%a %Y' out/words; tar xOf a.tgz words",
		"gzip -k words && gunzip -c words.gz | cmp - words && gzip -d < words.gz; gzip table && ls table.gz && gunzip table.gz && cat table",
		"dd if=binary bs=1000 skip=3 count=2 status=none | sha256sum; cp words w; dd if=table of=w bs=1 seek=3 conv=notrunc status=none; cat w",
		"dd if=zeros of=sparse bs=4096 conv=sparse status=none; cmp zeros sparse; echo $?; dd if=words of=x bs=5 seek=2 count=1 status=none; wc -c < x",
		"hexdump -C words | head -3; hexdump -C zeros; hexdump -C -s 3 -n 20 binary; hexdump -C empty",
		"strings -n 6 binary | wc -l; strings words",
		"cmp words link; echo $?; cmp -s words table; echo $?; cmp words table > /dev/null; echo $?; head -c 50000 binary > part; cmp binary part 2>/dev/null; echo $?",
		"echo hello | tee t1 t2; cat t1 t2; echo more | tee -a t1; cat t1",
		"env -i A=1 B=2 env | sort; env X=5 sh -c 'echo $X'; printenv LC_ALL; printenv NONESUCH; echo $?",
		"date -u +%Y | wc -c; uname -r; uname -s -m; id -u; whoami; true; echo $?; false; echo $?",
		"timeout 1h echo in time; timeout 0.1 sleep 1000; echo $?; timeout 1h false; echo $?; timeout 1h nonesuch 2>/dev/null; echo $?",
		"mkfifo p && stat -c '%F %a' p; sleep 0 && yes | head -2; yes no | head -1; tty < /dev/null; echo $?",
		"kill -l 9; kill -0 $$; echo $?; kill -s NONESUCH $$ 2>/dev/null; test $? -ne 0 && echo refused",
		"du -s --apparent-size empty 2>/dev/null | cut -f 2; du -a -b text | sort | grep -v 'text$'; nice -n 5 nice 2>/dev/null; nohup echo kept 2>/dev/null",
		"pwd | wc -l; mktemp -d -p . | wc -l; which nonesuch; echo $?; unxz --help > /dev/null; echo $?",
	} {
		name, _, _ := strings.Cut(line, ";")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theirs := script(t, folder(t), "/usr/sbin:/usr/bin:/sbin:/bin", line)
			// Beside the applets there is only what the lines use and no applet is.
			path := ours + ":" + only(t, "sed", "printf", "test")
			if mine := script(t, folder(t), path, line); mine.out != theirs.out || mine.status != theirs.status {
				t.Errorf("%s\nprinted\n%s\nstatus %d; the system's commands printed\n%s\nstatus %d\n%s", line, mine.out, mine.status, theirs.out, theirs.status, mine.err)
			}
		})
	}
}

// only returns a folder with links to some of the system's programs.
func only(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOwn tries what Debian has in other words, or not at all.
func TestOwn(t *testing.T) {
	path := links(t)
	for _, test := range []struct {
		line, out, err string
		status         int
	}{
		{"help | head -n 1", "Disks and file systems", "", 0},
		{"help mount", "mount [-r]", "", 0},
		{"help nonesuch", "", `no command is called "nonesuch"`, 1},
		{"ls --help", "usage: ls", "", 0},
		{"ls > /dev/full", "", "ls: write error: no space left on device", 2},
		{"sort words > /dev/full", "", "sort: write error: no space left on device", 2},
		{"seq 100000000 > /dev/full", "", "seq: write error: no space left on device", 1},
		{"yes > /dev/full", "", "yes: write error: no space left on device", 1},
		{"sh -c 'help >/dev/full'", "", "help: write error: no space left on device", 1},
		{"ls --nonesuch", "", "unknown flag: --nonesuch\nusage: ls", 2},
		{"basename", "", "operand missing\nusage: basename", 2},
		{"dd bs=0", "", "bs=0; it is 1 to 1073741824 bytes", 2},
		{"dd nonesuch=1", "", `unknown operand "nonesuch"`, 2},
		{"truncate -s 1x f", "", `"1x" is not a size`, 2},
		{"zstd words && rm words && zcat words.zst | head -n 1", "pear 3", "", 0},
		{"zstd -c text/long | zcat | sha256sum", "  -", "", 0},
		{"zcat words", "", "words: not compressed", 1},
		{"seq 1 0 5", "", "a step of 0", 2},
		{"mv words text nonesuch", "", "nonesuch is not a folder", 1},
		{"cp -r text text/sub", "", "cannot be copied into itself", 1},
		{"chroot nonesuch", "", "nonesuch", 125},
		{"ps | head -n 1", "PID ", "", 0},
		{"free -m", "Mem:", "", 0},
		{"uptime", "load average:", "", 0},
		{"df -h .", "Filesystem", "", 0},
		{"ip addr", "1: lo: <", "", 0},
		{"mount | grep ' on / '", " on / type ", "", 0},
		{"modprobe", "", "operand missing", 2},
		{"mount words text/nonesuch", "", "mount: ", 1},
		{"tar cf x.tar", "", "no files to pack", 2},
		{"tar xf words", "", "words: ", 2},
		{"tar cf a.tar words && head -c 1000 a.tar > cut.tar && tar tf cut.tar", "words", "cut.tar: unexpected EOF", 2}, // in what fills up the last block
		{"tar cf a.tar words && head -c 1024 a.tar > cut.tar && tar tf cut.tar", "words", "", 0},
		// A file called - is none of the standard streams, and . is the folder's own name.
		{"cd text && echo here > - && echo in | grep -r here", "./-:here", "", 0},
		{"cd text && echo here > - && echo in | tar cf - . | tar xOf - ./-", "here", "", 0},
		{"mkdir d && touch d/.h && tar cf - -C d . | tar tf - && cd d && tar cf - . ./ | tar tf - | sort | tr '\\n' ' '", "./\n./.h\n./ ./ ./.h ./.h ", "", 0},
		{"sleep -- -1", "", "is not a time", 2},
		{"tr '\\0' x < /dev/zero | head -c 200000 | xargs", "", "a word of more than 131072 bytes", 1},
		{"tr '\\0' x < /dev/zero | head -c 200000 | xargs -0", "", "a word of more than 131072 bytes", 1},
		{"mkdir d && touch d/f && printf 'y\\nn\\n' | rm -ri d; ls d", "f", "descend into folder d? rm: remove file d/f? ", 0}, // and no error of d
		{"ulimit -n 250; d=$(seq -s / 300) && mkdir -p $d && touch $d/f && chmod -R -x,+X $d 1 && find 1 -type f | wc -l && du -s 1 > d && rm -r 1 && test ! -e 1 && ls d", "1\nd\n", "", 0},
		{"mkdir d && touch d/f && chmod -w -R d && stat -c %a d/f && mktemp -u XXX | wc -c && mktemp -q d/d/XXX", "444\n4\n", "", 1},
		{"sleep 9 & env kill -n 9 $! && ! wait $! && env kill -SIGNONE 1", "", `kill: invalid argument "SIGNONE" for "-s, --signal" flag: unknown signal "SIGNONE"`, 2},
		{"tar c words | head -c 329 | tail -c 64 | tr -d '\\0' | wc -c", "0", "", 0}, // no names of owners
		{"mount LABEL= text || swapon FOO=x", "", "mount: LABEL=: no value\nswapon: FOO=x: unknown tag \"FOO\"", 1},
		{"nc 127.0.0.1", "", "host and port", 2},
		{"ping -c 1 -W 60 127.0.0.1 || test $(id -u) -ne 0 && echo seq=1 time=", "seq=1 time=", "", 0}, // users may not everywhere
	} {
		t.Run(test.line, func(t *testing.T) {
			t.Parallel()
			got := script(t, folder(t), path, test.line)
			if !strings.Contains(got.out, test.out) || !strings.Contains(got.err, test.err) || got.status != test.status {
				t.Errorf("printed %q and %q, status %d; want %q and %q, %d", got.out, got.err, got.status, test.out, test.err, test.status)
			}
		})
	}
}

// TestTarStaysInside unpacks archives that want to leave the folder.
func TestTarStaysInside(t *testing.T) {
	path := links(t)
	dir := folder(t)
	outside := t.TempDir()
	for _, line := range []string{
		"tar -P --transform 's|^words|../../escaped|' -cf bad.tar words", // a name that climbs
		fmt.Sprintf("ln -s %s door; tar -cf bad.tar door; rm door; mkdir door; cp words door/escaped; tar -rf bad.tar door/escaped; rm -r door", outside),
	} {
		if r := script(t, dir, "/usr/bin:/bin", line); r.status != 0 {
			t.Fatalf("%s: %s", line, r.err)
		}
		r := script(t, dir, path, "mkdir -p out/in; tar xf bad.tar -C out/in")
		if r.status == 0 {
			t.Errorf("%s: unpacked without an error", line)
		}
		for _, name := range []string{filepath.Join(dir, "escaped"), filepath.Join(outside, "escaped"), filepath.Join(filepath.Dir(dir), "escaped")} {
			if _, err := os.Lstat(name); err == nil {
				t.Errorf("%s: %s was written", line, name)
			}
		}
	}
}

// TestTarHolds unpacks folders with large records in their headers.
func TestTarHolds(t *testing.T) {
	const folders, record, most = 100, 512 << 10, 20 << 20
	var before, after runtime.MemStats
	r, w := io.Pipe()
	go func() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		tw := tar.NewWriter(w)
		for i := range folders {
			h := &tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("größe%d/", i), Mode: 0o755, PAXRecords: map[string]string{"comment": strings.Repeat("x", record)}}
			if err := tw.WriteHeader(h); err != nil {
				t.Error(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		w.CloseWithError(tw.Close())
	}()
	dir := t.TempDir()
	unpack, _ := Find("tar")
	var said bytes.Buffer
	if status := unpack.Within([]string{"xC", dir}, r, io.Discard, &said); status != 0 {
		t.Errorf("tar ends with %d: %s", status, &said)
	}
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > most {
		t.Errorf("%d folders take %d bytes while the rest is unpacked; want %d at most", folders, held, most)
	}
	if info, err := os.Stat(filepath.Join(dir, "größe99")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the last folder is %v, %v", info, err)
	}
}

// TestTarTypes unpacks entries of types that GNU tar has, and of one that nobody has.
func TestTarTypes(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}, {Name: "label", Typeflag: 'V', Format: tar.FormatGNU},
		{Name: "odd", Typeflag: 'Z', Mode: 0o644, Size: 5}, {Name: "joined", Typeflag: tar.TypeCont, Mode: 0o644},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "four\n"[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.tar"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	r := script(t, dir, links(t), "tar tf x.tar; mkdir out; tar xf x.tar -C out; echo $?; cat out/odd; ls out")
	if want := "odd\njoined\n0\nfour\njoined\nodd\n"; r.out != want || !strings.Contains(r.err, "odd: is of type 'Z', which is not known, and is taken for a regular file") {
		t.Errorf("printed %q and %q; want %q", r.out, r.err, want)
	}
}

// TestSummaries wants every applet to be told in one line, and known once.
func TestSummaries(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range groups() {
		for _, a := range g.applets {
			if a.Summary == "" || len(a.Summary) > 60 || strings.HasSuffix(a.Summary, ".") {
				t.Errorf("%s: summary %q; want up to 60 characters without a full stop", a.Name, a.Summary)
			}
			if seen[a.Name] {
				t.Errorf("%s stands twice", a.Name)
			}
			seen[a.Name] = true
		}
	}
	if got, want := len(Names()), len(seen); got != want || got < 60 {
		t.Errorf("%d names, %d applets; want as many, and 60 or more", got, want)
	}
}

// update has TestDocumented write the document.
var update = flag.Bool("update", false, "write docs/commands.md")

// TestDocumented holds the list of commands in the documentation to the table.
func TestDocumented(t *testing.T) {
	const file = "../../docs/commands.md"
	var want strings.Builder
	want.WriteString("# The commands of a guest\n\n" +
		"These commands are part of ingot, and every guest that it starts has them; `ingot applet NAME`\n" +
		"runs one on the host. A test compares those that Debian has, too, with Debian's on the same\n" +
		"input, and lists what differs and why (`guest/applet/compare_test.go`). Options are the usual\n" +
		"ones; any other is refused with a message and a status other than 0.\n")
	for _, g := range groups() {
		fmt.Fprintf(&want, "\n## %s\n\n", g.title)
		for _, a := range g.applets {
			fmt.Fprintf(&want, "- `%s`: %s\n", strings.TrimSpace(a.Name+" "+a.Usage), a.Summary)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want.String() {
		t.Errorf("%s is not what the table of commands has (%v): go test ./guest/applet -run TestDocumented -update", file, err)
	}
}
