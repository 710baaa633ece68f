// Package digests checks that ingot's output does not change: testdata/digests has the SHA-256 of
// shipped recipes, of every output format, and of random trees in every file system.
//
// A changed digest is a decision, which the commit message explains:
//
//	go test ./tests/digests -update
//
// No byte depends on the machine. The test writes the inputs: store items, a kernel, a Debian package,
// a program in place of ingot's own, and stand-ins for GRUB and mksquashfs that write their arguments.
//
// Not covered: results of a helper VM (btrfs, XFS, f2fs, LUKS, steps), whose bytes come from the
// host's programs; signatures, which recipes/signature tests; and the output of real GRUBs and
// mksquashfs, which tests/boot boots. Go, SQLite, the compressors and rapid, which draws the random
// trees, also affect bytes: a new version of one of them can be such a decision.
package digests

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

const golden = "testdata/digests"

var update = flag.Bool("update", false, "write "+golden)

// lines are digest and size of each case, by name.
type lines map[string]string

var (
	want = lines{}
	mu   sync.Mutex
	got  = lines{}
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if want, err = readLines(golden); err != nil && !*update {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	all := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""
	switch {
	case status != 0 || flag.Lookup("test.list").Value.String() != "":
	case *update:
		if err := writeLines(golden, all); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	case all:
		for name := range want {
			if got[name] == "" {
				fmt.Fprintf(os.Stderr, "%s has %s, which no test makes\n", golden, name)
				status = 1
			}
		}
	}
	return status
}

// readLines reads a file of lines of a digest, a size and a name.
func readLines(file string) (lines, error) {
	text, err := os.ReadFile(file)
	l := lines{}
	for line := range strings.Lines(string(text)) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(words) != 3 {
			return nil, fmt.Errorf("%s: %q is not digest, size and name", file, line)
		}
		l[words[2]] = words[0] + " " + words[1]
	}
	return l, err
}

// writeLines writes what was made. What was not stays, unless all tests have run.
func writeLines(file string, all bool) error {
	out := lines{}
	if !all {
		maps.Copy(out, want)
	}
	maps.Copy(out, got)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(out)) {
		fmt.Fprintln(&text, out[name], name)
	}
	return os.WriteFile(file, []byte(text.String()), 0o644)
}

// check compares what r holds with what it held before.
func check(t *testing.T, name string, r io.Reader) {
	t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	line := fmt.Sprintf("%x %d", h.Sum(nil), n)
	mu.Lock()
	defer mu.Unlock()
	if got[name] != "" {
		t.Fatalf("%s is made twice", name)
	}
	got[name] = line
	if !*update && line != want[name] {
		t.Errorf("%s: other bytes than before: digest and size are %s; want %s\n"+
			"if they have to change, the commit says why, with what go test ./tests/digests -update writes", name, line, want[name])
	}
}

// checkFile is [check] of a file.
func checkFile(t *testing.T, name, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	check(t, name, f)
}
