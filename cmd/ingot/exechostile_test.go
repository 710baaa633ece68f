package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// TestExecHostile has an agent that attacks its host answer the whole of ingot exec: what
// is refused is said in words that do nothing to a terminal, with the flag that takes
// more, and leaves nothing.
func TestExecHostile(t *testing.T) {
	s := newSession(t)
	s.env = append(s.env, "INGOT_GUEST="+testenv.Hostile(t))
	_, stderr, status := s.run("", "--output", "results/", "--output-limit", "1MiB", "large")
	if status != 125 || !strings.Contains(stderr, "there are more than 1.0 MiB (1048576 bytes), which is the limit") || !strings.Contains(stderr, "hint: --output-limit SIZE takes more") {
		t.Errorf("a file that is too large: status %d, %q", status, stderr)
	}
	if strings.Contains(stderr, "\x1b") {
		t.Errorf("%q has an escape in it", stderr)
	}
	s.only("cache", "kernel", "tmp")
}

// TestExecFolderChanged has a guest put a link in the place of a folder of --xchg, which it
// reaches by --shared: its files are still those of the folder, and where the link leads
// is as it was.
func TestExecFolderChanged(t *testing.T) {
	s := newSession(t)
	s.file("shared/xchg/input", "input\n")
	s.file("target/file", "target\n")
	_, stderr, status := s.run("", "--shared", "shared", "--xchg", "shared/xchg", "--output", "shared/all/",
		"echo new > /tmp/xchg/new; cd /tmp/shared && mv xchg moved && ln -s ../target xchg")
	if status != 0 {
		t.Fatalf("status %d, %q", status, stderr)
	}
	for name, want := range map[string]string{"shared/moved/new": "new\n", "shared/all/new": "new\n", "target/file": "target\n"} {
		if text, err := os.ReadFile(filepath.Join(s.dir, name)); string(text) != want || err != nil {
			t.Errorf("%s holds %q, %v; want %q", name, text, err, want)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(s.dir, "target")); err != nil || len(entries) != 1 {
		t.Errorf("where the link leads are %v, %v; want what was there", entries, err)
	}
}
