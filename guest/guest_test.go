package guest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ingot/guest/wire"
)

func TestParseCmdline(t *testing.T) {
	c := parseCmdline("quiet root=UUID=1-2 a=\"b c\" \"d e=f\"\tempty= init=/x ro rw ro init=/y -- one two\n")
	want := cmdline{"quiet", "root=UUID=1-2", "a=b c", "d e=f", "empty=", "init=/x", "ro", "rw", "ro", "init=/y", "--", "one", "two"}
	if !slices.Equal(c, want) {
		t.Fatalf("parseCmdline = %q; want %q", c, want)
	}
	for key, want := range map[wire.Word]string{"root": "UUID=1-2", "a": "b c", "init": "/y", "empty": "", "none": "", "d e": "f"} {
		if got := c.value(key); got != want {
			t.Errorf("value(%s) = %q; want %q", key, got, want)
		}
	}
	if !c.has("quiet") {
		t.Error("quiet is there")
	}
	if got := c.last("ro", "rw"); got != "ro" {
		t.Errorf("last(ro, rw) = %q; want ro", got)
	}
	if got := c.initArguments(); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("initArguments = %q; want one and two", got)
	}
}

func TestConsoles(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", ""},
		{"console=ttyS0", "ttyS0"},
		{"console=tty0 console=ttyS0,115200n8 console=ttyS0", "tty1 ttyS0"},
		{"console=tty1 console=tty0 console= console=null", "tty1"},
	} {
		if got := strings.Join(parseCmdline(test.line).consoles(), " "); got != test.want {
			t.Errorf("consoles(%s) = %s; want %s", test.line, got, test.want)
		}
	}
}

func TestWaitLimit(t *testing.T) {
	for _, test := range []struct {
		line string
		want time.Duration
		bad  bool
	}{
		{"", defaultWait, false}, {"rootwait", -1, false}, {"rootwait=5", 5 * time.Second, false},
		{"rootwait=0", 0, false}, {"rootwait=soon", 0, true}, {"rootwait=-1", 0, true},
	} {
		got, err := waitLimit(parseCmdline(test.line))
		if got != test.want || (err != nil) != test.bad {
			t.Errorf("waitLimit(%s) = %v, %v; want %v", test.line, got, err, test.want)
		}
	}
}

// TestExecutableIn follows links as they will be once the folder is the root.
func TestExecutableIn(t *testing.T) {
	root := t.TempDir()
	for name, mode := range map[string]os.FileMode{"store/init": 0o755, "store/data": 0o644} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"absolute": "/store/init", "climbing": "../../../store/init", "dir": "/store", "outside": "/bin/sh", "loop": "/loop",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for path, good := range map[string]bool{
		"/store/init": true, "/absolute": true, "/climbing": true, "/dir/init": true, "/../../store/init": true,
		"/store/data": false, "/store": false, "/outside": false, "/loop": false, "/nonesuch": false,
	} {
		if err := executableIn(root, path); (err == nil) != good {
			t.Errorf("executableIn(%s) = %v; want good: %v", path, err, good)
		}
	}
}

// TestMainIsModest wants ordinary arguments left alone, also where they look like
// an applet's.
func TestMainIsModest(t *testing.T) {
	for _, args := range [][]string{nil, {"ingot"}, {"/usr/bin/ingot", "build"}, {"ingot", "ls"}, {"ingot", "version", "applet"}} {
		if Main(args) {
			t.Errorf("Main(%q) = true; want false", args)
		}
	}
}
