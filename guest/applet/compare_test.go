package applet

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// filters are commands that read the files named last, or standard input.
var filters = []string{
	"cat", "cat -n", "cat -A", "cat -bs", "cat -vET", "head", "head -n 2", "head -n -2", "head -c 7", "head -c -7", "head -qn1", "head -1",
	"tail", "tail -n 2", "tail -n +2", "tail -c 7", "tail -c +7", "tail -2", "tail -vn1",
	"wc", "wc -l", "wc -c", "LC_ALL=C.UTF-8 wc -m", "LC_ALL=C.UTF-8 wc", "wc -w", "wc -L", "sort", "sort -n", "sort -r", "sort -u", "sort -nr", "sort -h", "sort -f", "sort -b", "sort -g", "sort -V",
	"sort -k1,1 -k2,2n", "sort -k 2", "sort -s -k2,2", "sort -k2.2,2.3r", "sort -t : -k2,2 -k1r", "sort -c", "sort -d", "sort -z",
	"uniq", "uniq -c", "uniq -d", "uniq -u", "uniq -i", "uniq -f 1", "uniq -s 1", "uniq -w 1", "uniq -z",
	"cut -c 2-3", "cut -b 1,3-", "cut -d : -f 2", "cut -d: -f1,3-", "cut -sd: -f2", "cut -f 1", "cut -d ' ' -f -2 --output-delimiter=,", "cut -c 3,1 --complement",
	"grep a", "grep -n a", "grep -c a", "grep -v a", "grep -o '[a-z]*'", "grep -E 'a|b'", "grep -F .", "grep -x dash", "grep -l a", "grep -L a", "grep -q a", "grep ''", "grep -m 1 a", "grep -a a",
	"grep '^$'", "grep -w e", "grep -i A", "grep -A1 Fig", "grep -B1 apple", "grep -C 1 2", "grep -H a", "grep -b a",
	"md5sum", "sha1sum", "sha256sum", "sha512sum", "base64", "base64 -w 10", "base64 -w0", "gzip -c | gunzip -c", "tee", "tr a-z A-Z",
}

// inputs are what filters read.
var inputs = []string{"words", "table", "no-end", "empty", "nul", "latin", "long", "numbers", "zeros", "text", "nonesuch"}

// lines are command lines of every applet that Debian has too.
var lines = map[string][]string{
	"basename": {"basename a/b.c .c", "basename -a a/b c/d", "basename -s .c a.c b.c", "basename -- -x", "basename ''", "basename //", "basename a b c", "basename", "basename -z a/b", "basename .c .c"},
	"hexdump": {"hexdump words", "hexdump -C zeros", "hexdump zeros", "hexdump -v zeros | tail", "hexdump -C words no-end table", "hexdump words nonesuch no-end", "hexdump nonesuch", "hexdump < long",
		"hexdump -n 5 words", "hexdump -s 3 -n 0x12 words", "hexdump -s 1k -C long | head", "hexdump empty", "hexdump -C < empty", "hexdump -C words > /dev/full", "hexdump -Cv nul", "hexdump -n 0 words"},
	"strings": {"strings words no-end", "strings -n 2 nul", "strings binary", "strings < latin", "strings -n 6 -- -dash", "strings nonesuch words", "strings empty", "strings -a long", "strings -n 0 words", "strings -8 words", "strings zeros"},
	"chmod": {"chmod 1777 words text", "chmod u+s words", "chmod g+s text; chmod 755 text", "chmod g+s text; chmod 00755 text", "chmod -w words", "chmod a=,u=rw words", "chmod o=u words", "chmod u+x,g-r,o+w words table", "chmod -R u=rwX,go= text",
		"chmod +t text", "chmod +s words", "chmod 8 words", "chmod 77777 words", "chmod u+q words", "chmod nonesuch words", "chmod 600 nonesuch words", "chmod --reference=text words", "chmod -R 700 text nonesuch", "chmod -x -- words", "chmod -- -w words",
		"chmod u=rwxs,g=u,o-rwx words", "chmod = words", "chmod 644", "chmod", "chmod -f 600 nonesuch", "chmod 0 words", "chmod +X words text", "chmod a+r-w words", "chmod 600 dangling", "chmod 600 link", "chmod g+s,g-s text", "chmod u=g+o words"},
	"rm": {"rm words", "rm words nonesuch table", "rm -f nonesuch", "rm -f text", "rm text", "rm -r text", "rm -rf text nonesuch", "rm -rv text | sort", "rm -v words", "rm -f", "rm", "rm -- -dash", "rm -dash", "rm -d text", "mkdir d; rm -d d; ls d",
		"echo n | rm -i words", "echo y | rm -i words", "rm -f words/below", "rm words/below", "rm -rf /dev/full/x", "rm -r .", "rm -rf text/..", "rm -R link dangling", "rm -r text/up", "rm -f /proc/self/status", "rm -rf /proc/self/task", "rm ''", "rm -f ''", "rm -rf text/", "rm -z words"},
	"mktemp": {"mktemp XXXX | wc -c; ls | wc -l; rm ????", "mktemp -d -p text a.XXXXXX | wc -c; rm -r text/a.*", "mktemp aXX", "mktemp a", "mktemp -u XXXXX | wc -c", "mktemp -p nonesuch XXXX", "mktemp -q -p nonesuch XXXX", "mktemp -d --suffix=.d q.XXXX | wc -c; rm -r q.*",
		"mktemp q.XXXX.txt | wc -c; stat -c %a q.*; rm q.*", "mktemp a b", "mktemp --suffix=a XXXb", "mktemp -p . /XXXX"},
	"touch": {"touch new words", "touch -c new words", "touch -d '2001-02-03 04:05:06' words new", "touch -d @1000000001 words", "touch -t 200102030405.06 words", "touch -t 0102030405 words", "touch -r table words new", "touch -a words", "touch -m -d 2001-02-03 words", "touch no/no words",
		"touch", "touch -- -new", "touch -d nonsense words", "touch -t 1 words", "touch text", "touch dangling", "touch -r nonesuch words", "touch -d 2001-02-03T04:05:06Z words", "touch -ad 2001-02-03 words && stat -c %X words", "touch -Z words"},
	"xargs": {"seq 10 | xargs -n 3 echo", "printf 'a\\0b c\\0\\0' | xargs -0 -n 1 echo x", "xargs echo < empty", "xargs -r echo < empty", "xargs < words", "printf \"a 'b c' \\\"d e\\\" f\\\\ g\" | xargs -n1 echo", "printf \"'a\" | xargs echo", "xargs -I {} echo '<{}>' < words",
		"seq 3 | xargs -I% echo a%b%", "xargs -L 2 echo < words", "xargs -d : -n 1 echo < table", "xargs wc -c < long > /dev/null", "xargs -n 20000 echo < long | wc -l", "xargs -0 echo < long | wc -c", "tail -c 70000 long | xargs echo | wc -c", "tail -c 70000 long | tr z '\\n' | xargs | wc -w",
		"seq 3 | xargs -n1 false", "seq 3 | xargs -n1 nonesuch", "seq 3 | xargs -n1 sh -c 'exit 255'", "seq 3 | xargs -n 1 sh -c 'kill -9 $$'", "seq 3 | xargs -n1 sh -c 'exit 3'", "seq 3 | xargs -n 1 ./words", "seq 3 | xargs -t -n2 echo", "seq 3 | xargs cat", "echo a | xargs sh -c 'cat; echo $0'", "seq 3 | xargs -n 0 echo",
		"seq 100000 | xargs echo | wc -w", "echo words nonesuch | xargs cat", "xargs --nonesuch < words", "echo -n a | xargs -- echo -n", "printf ' a \\n b' | xargs -I x echo '[x]'", "printf '\\n\\na\\n\\n' | xargs -I x echo '[x]'", "printf 'a b \\nc\\nd\\n' | xargs -L1 echo", "seq 3 | xargs > /dev/full", "seq 3 | xargs -n 1 echo > /dev/full", "seq 30 | xargs -s 20 echo", "seq 3 | xargs -s 6 echo 12345"},
	"dirname": {"dirname ''", "dirname a//b//", "dirname -z a/b", "dirname -- -a/b", "dirname //", "dirname", "dirname a b/c /d"},
}

// differing are command lines whose result is another one than Debian's, and why.
var differing = []struct{ line, reason string }{
	{"hexdump -s 100 words", "what lies behind the end is nothing, and not the end"},
}

// comparison is the result of a command line: what it prints, its status, whether it
// complains, and the tree that it leaves.
type comparison struct {
	out      string
	status   int
	complain bool
	tree     string
}

func compared(t *testing.T, path, line string) (comparison, string) {
	t.Helper()
	dir := folder(t)
	r := script(t, dir, path, line)
	return comparison{strings.ReplaceAll(r.out, dir, "DIR"), r.status, r.err != "", tree(t, dir)}, r.err
}

// tree describes all that is in a folder. Times are left out unless they were set.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		what, size := "", st.Size
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what = fmt.Sprintf("%x", sha256.Sum256(data))[:16]
		case unix.S_IFLNK:
			what, err = os.Readlink(path)
		case unix.S_IFDIR:
			size = 0
		}
		at := "now"
		if st.Mtim.Sec < 1_700_000_000 {
			at = fmt.Sprint(st.Mtim.Nano())
		}
		fmt.Fprintf(&out, "%s %s links=%d %d %s %s\n", strings.TrimPrefix(path, dir), ModeString(st.Mode), st.Nlink, size, at, what)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const debian = "/usr/sbin:/usr/bin:/sbin:/bin"

// TestCompared runs each command line with Debian's command and with ours.
func TestCompared(t *testing.T) {
	ours := links(t) + ":" + only(t, "sed", "printf", "test")
	var all []string
	for _, filter := range filters {
		first, rest, _ := strings.Cut(filter, "|")
		for _, input := range inputs {
			if rest == "" && !strings.HasPrefix(filter, "t") {
				all = append(all, filter+" "+input)
			}
			if input == "words" || input == "empty" || input == "long" {
				all = append(all, strings.TrimSpace(first)+" < "+input+strings.TrimSuffix(" | "+rest, " | "))
			}
		}
		all = append(all, filter+" < words > /dev/full", filter+" < long > /dev/full")
		if rest == "" && !strings.HasPrefix(filter, "t") {
			all = append(all, filter+" words nonesuch table", filter+" -- -dash", filter+" --no-such-option words", filter+" - < words")
		}
	}
	for _, of := range lines {
		all = append(all, of...)
	}
	for _, line := range all {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			theirs, _ := compared(t, debian, line)
			mine, said := compared(t, ours, line)
			if mine.complain && mine.status != 0 && theirs.complain && theirs.status != 0 && strings.Contains(said, "usage:") {
				mine.status = theirs.status // a wrong command line is 2 here, and often 1 there
			}
			if mine != theirs {
				t.Errorf("%s\n%s\nDebian's:\n%s\n%s", line, mine.text(), theirs.text(), said)
			}
		})
	}
	for _, d := range differing {
		t.Run(d.line, func(t *testing.T) {
			t.Parallel()
			theirs, _ := compared(t, debian, d.line)
			if mine, _ := compared(t, ours, d.line); mine == theirs {
				t.Errorf("%s\nis the same; it is said to differ: %s", d.line, d.reason)
			}
		})
	}
}

func (c comparison) text() string {
	const most = 600
	out := c.out
	if len(out) > most {
		out = out[:most] + "…"
	}
	return fmt.Sprintf("status %d, complains: %v, tree %s printed %q", c.status, c.complain, fmt.Sprintf("%x", sha256.Sum256([]byte(c.tree)))[:8], out)
}
