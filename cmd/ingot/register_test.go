package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/storedb"
)

// TestUnpackRefuses tells a file that cannot join the store from a name that cannot.
func TestUnpackRefuses(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "dev/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file, noise := filepath.Join(dir, "device.tar"), filepath.Join(dir, "noise")
	for name, data := range map[string][]byte{file: b.Bytes(), noise: bytes.Repeat([]byte{1, 2, 0xff, 0x1b}, 10_000)} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(dir, "root")
	for _, x := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--unpack", "x=" + file}, exitFailed, "device.tar: holds no files"},
		{[]string{"--unpack", "x=" + noise}, exitFailed, "nor a Debian package"},
		{[]string{"--add", "x=" + filepath.Join(dir, "none")}, exitFailed, "no such file"},
		{[]string{"--unpack", ".-x=" + file}, exitUsage, `".-x" cannot join the store: its name is ".-x": what stands before the first dash must not be "."`},
		{[]string{"--add", "a b=" + noise}, exitUsage, "cannot join the store: its name holds ' '"},
	} {
		code, _, errout := ingot(append([]string{"register", "--root", root}, x.args...)...)
		if code != x.code || !strings.Contains(errout, x.want) || len(errout) > 1500 {
			t.Errorf("%v: %d\n%s\nwant %d, %s", x.args, code, errout, x.code, x.want)
		}
		if _, err := os.Lstat(root); err == nil {
			t.Errorf("%v: the root is there", x.args)
		}
	}
}

// TestFullDiskHints hints at a flag that the verb has.
func TestFullDiskHints(t *testing.T) {
	full := &image.SpaceError{Path: "/x", Need: 2, Have: 1}
	for _, verb := range newRoot().Commands() {
		if err := fmt.Errorf("x: %w", full); strings.Contains(hint(verb, err), "-o") != (verb.Flags().Lookup("output") != nil) {
			t.Errorf("%s: %s", verb.Name(), hint(verb, err))
		}
		if err := fmt.Errorf("x: %w", &storedb.NotInStoreError{}); strings.Contains(hint(verb, err), "--copy") != (verb.Flags().Lookup("copy") != nil) {
			t.Errorf("%s: %s", verb.Name(), hint(verb, err))
		}
		if err := fmt.Errorf("x: %w", unix.EDQUOT); hint(verb, err) == "" {
			t.Errorf("%s has no hint for a full quota", verb.Name())
		}
	}
}

// TestCacheServeListens prints a URL of the address that was asked for, at which it answers.
func TestCacheServeListens(t *testing.T) {
	for listen, want := range map[string]string{"127.0.0.1:0": "http://127.0.0.1:", "0.0.0.0:0": "http://0.0.0.0:", "localhost:0": "http://", ":0": "http://"} {
		ctx, cancel := context.WithCancel(t.Context())
		out, in := io.Pipe()
		ended := make(chan int, 1)
		go func() {
			ended <- commandLine(ctx, []string{"cache", "serve", t.TempDir(), "--listen", listen}, in, io.Discard)
			in.Close()
		}()
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("--listen %s: %q, %v; want %s", listen, line, err, want)
		} else if resp, err := http.Get(strings.TrimSpace(line)); err != nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("--listen %s: %v, %v", listen, resp, err)
		}
		cancel()
		<-ended
	}
}
