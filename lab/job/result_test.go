package job

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// leaves makes what a command has left, and puts it to an output.
func leaves(t *testing.T, output string, make func(dir string) error) error {
	t.Helper()
	began, err := checkResult(output)
	if err != nil {
		return err
	}
	r, err := newResult(output, began)
	if err != nil {
		return err
	}
	defer r.staged.Close()
	if err := make(r.stage.Path(stagedResult)); err != nil {
		t.Fatal(err)
	}
	return errors.Join(r.put(nil), r.stage.Close())
}

// TestResultElsewhere has a guest with a shared folder make the way to the output a link
// while the command runs: nothing gets to where it leads.
func TestResultElsewhere(t *testing.T) {
	for _, output := range []string{"way/file", "way/folder/", "way/there", "way/new", "way/linked"} {
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		if err := errors.Join(os.MkdirAll(at("way/there"), 0o755), os.MkdirAll(at("target/there"), 0o755)); err != nil {
			t.Fatal(err)
		}
		began, err := checkResult(at(output))
		if err != nil {
			t.Fatal(err)
		}
		switch output {
		case "way/new": // as a folder
			err = os.Symlink("../target", at(output))
		case "way/linked": // as a file
			err = os.Symlink("../target/file", at(output))
		default:
			err = errors.Join(os.Rename(at("way"), at("moved")), os.Symlink("target", at("way")))
		}
		if err != nil {
			t.Fatal(err)
		}
		if r, err := newResult(at(output), began); err == nil || !strings.Contains(err.Error(), "leads elsewhere than when the command began") {
			t.Errorf("newResult(%s) = %+v, %v; want a refusal", output, r, err)
		}
		for _, name := range []string{"target", "target/there"} {
			entries, err := os.ReadDir(at(name))
			if want := map[string]int{"target": 1}[name]; err != nil || len(entries) != want {
				t.Errorf("%s: %s has %v, %v; want what was there", output, name, entries, err)
			}
		}
	}
}

// oneFile makes a file with a text.
func oneFile(name, text string, mode fs.FileMode) func(string) error {
	return func(dir string) error {
		path := filepath.Join(dir, name)
		return errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chmod(path, mode))
	}
}

// TestResultReplaces: results replace regular files alone, as build does, and keep their
// permissions; everything else stays as it was.
func TestResultReplaces(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(
		os.WriteFile(at("private"), []byte("old"), 0o600),
		unix.Mkfifo(at("fifo"), 0o600),
		os.Symlink("far", at("link")),
		os.Symlink("/dev/null", at("null")),
		os.Mkdir(at("folder"), 0o755),
		os.WriteFile(at("folder/file"), []byte("old"), 0o600),
		os.Symlink("file", at("folder/link")),
		unix.Mkfifo(at("folder/fifo"), 0o600),
		os.MkdirAll(at("folder/sub/deep"), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		output string
		make   func(string) error
		want   string // of the error
	}{
		{"private", oneFile("a", "new", 0o644), ""},
		{"link", oneFile("a", "new", 0o644), ""}, // becomes far, as build has it
		{"fifo", oneFile("a", "new", 0o644), "fifo: is a FIFO, and only a regular file can be replaced"},
		{"null", oneFile("a", "new", 0o644), "null: is a character device, and only"},
		{"/dev/full", oneFile("a", "new", 0o644), "is a character device"},
		{"private/", oneFile("a", "new", 0o644), "private: is there already, and is no folder"},
		{"folder", oneFile("file", "new", 0o644), ""},
		{"folder", oneFile("link", "new", 0o644), "link: is a symlink, and the result is a regular file"},
		{"folder", oneFile("fifo", "new", 0o644), "fifo: is a FIFO"},
		{"folder/", oneFile("sub", "new", 0o644), "sub: is a directory"},
		{"folder", func(dir string) error { // refused as a whole
			return errors.Join(oneFile("first", "new", 0o644)(dir), os.Mkdir(filepath.Join(dir, "sub"), 0o755))
		}, "sub: is a directory, and the result is a directory"},
		{"folder", func(dir string) error { return os.Symlink("x", filepath.Join(dir, "new-link")) }, ""},
		{"made/", func(dir string) error { return os.Mkdir(filepath.Join(dir, "closed"), 0o555) }, ""},
	} {
		output := dir + "/" + x.output
		if filepath.IsAbs(x.output) {
			output = x.output
		}
		err := leaves(t, output, x.make)
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("--output %s: %v; want %q", x.output, err, x.want)
		}
	}
	for name, want := range map[string]string{"private": "-rw-------", "far": "-rw-r--r--", "fifo": "prw-------", "folder/file": "-rw-------",
		"folder/link": "Lrwxrwxrwx", "folder/fifo": "prw-------", "made/closed": "dr-xr-xr-x", "folder/new-link": "Lrwxrwxrwx"} {
		if info, err := os.Lstat(at(name)); err != nil || info.Mode().String() != want {
			t.Errorf("%s is %v, %v; want %s", name, info, err, want)
		}
	}
	for _, folder := range []string{"", "folder"} {
		entries, err := os.ReadDir(at(folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".ingot") || e.Name() == "first" {
				t.Errorf("%s is left in %q", e.Name(), folder)
			}
		}
	}
}
