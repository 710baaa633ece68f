package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var small = shape{Paths: 30, Plain: 3, Files: 200, Dirs: 120, Links: 50, Bytes: 1 << 20}

// TestMain lets the tests start this program as the benchmarks do.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "work" {
		exit(work(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// TestShape counts what was written: the numbers that results are stated with.
func TestShape(t *testing.T) {
	dir := t.TempDir()
	if err := small.generate(1).write(dir); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "root", storeDir)
	got := shape{}
	err := filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == store {
			return err
		}
		top := filepath.Dir(path) == store
		if top {
			got.Paths++
		}
		switch d.Type() {
		case fs.ModeDir:
			got.Dirs++
			return os.Chmod(path, 0o755) // so that the test's folder can be removed
		case fs.ModeSymlink:
			got.Links++
			return nil
		}
		if got.Files++; top {
			got.Plain++
		}
		info, err := d.Info()
		got.Bytes += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got != small {
		t.Errorf("the closure is %+v; want %+v", got, small)
	}
}

func TestGenerateIsFixed(t *testing.T) {
	a, b := small.generate(1), small.generate(1)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gave two closures")
	}
	if reflect.DeepEqual(a, small.generate(2)) {
		t.Error("two seeds gave the same closure")
	}
}

// TestRace runs ingot's side once, and a contestant that takes a known time.
func TestRace(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(path, 0o755)
			}
			return err
		})
	})
	if err := small.generate(1).write(dir); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{dir: dir, self: self}
	if err := b.command("work", "register", dir); err != nil {
		t.Fatal(err)
	}
	if err := warm(dir); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "output")
	results, err := race(2, []contestant{
		{name: "ingot", args: []string{self, "work", "nar", dir}},
		{name: "sleep", args: []string{"sleep", "0.05"}, aim: 1},
		{name: "sh", args: []string{"sh", "-c", `test ! -e "$1" && cat > "$1"`, "sh", out}, output: out, stdin: filepath.Join(dir, "files")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := results[1].median(); got < 50*time.Millisecond || len(results[1].times) != 2 {
		t.Errorf("two runs of sleep 0.05 took %v", results[1].times)
	}
	if _, err := os.Stat(out); err == nil {
		t.Errorf("%s was left behind", out)
	}
	var text bytes.Buffer
	table(&text, "title", results)
	for _, want := range []string{"title", "ingot", "sleep", "1.00"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, text.String())
		}
	}
	if _, err := race(1, []contestant{{name: "false", args: []string{"false"}}}); err == nil {
		t.Error("race took a contestant that failed for one that ended")
	}
}
