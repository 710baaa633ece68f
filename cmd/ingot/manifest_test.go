package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManifestPlace: --manifest names the manifest's file for every output, and verify compares
// an image with it.
func TestManifestPlace(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("data.yaml", []byte(dataDisk), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(status int, want, line string) {
		t.Helper()
		got, out, errout := ingot(strings.Fields(line)...)
		if got != status || !strings.Contains(out+errout, want) {
			t.Errorf("%s: status %d: %s%s; want %d, and %s", line, got, out, errout, status, want)
		}
	}
	exists := func(name string, want bool) {
		t.Helper()
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: %v; want it there: %t", name, err, want)
		}
	}
	run(0, "in data.img.manifest.json", "build data.yaml -o data.img")
	run(0, "data.img matches its manifest\n", "verify data.img --manifest data.img.manifest.json")
	// A build with its manifest elsewhere leaves none of an older image beside.
	run(0, "in m.json", "build data.yaml -o data.img --manifest m.json")
	exists("data.img.manifest.json", false)
	run(0, "data.img matches", "verify data.img --manifest m.json")
	for _, format := range []string{"qcow2", "vdi"} {
		run(0, "", "build data.yaml -q -o x."+format+" --manifest "+format+".json")
		run(0, "matches its manifest", "verify -q x."+format+" --manifest m.json") // by the disk inside
	}
	if err := os.Mkdir("tree", 0o755); err != nil {
		t.Fatal(err)
	}
	if status, out, errout := ingot("build", "data.yaml", "-q", "-o", "-", "--manifest", "tree/piped.json"); status != 0 || os.WriteFile("piped.img", []byte(out), 0o644) != nil {
		t.Errorf("-o -: status %d: %s", status, errout)
	}
	run(0, "piped.img matches its manifest", "verify -q piped.img --manifest tree/piped.json")

	// One byte of the partition, one outside of it, and another size.
	data, err := os.ReadFile("data.img")
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int]string{
		1<<20 + 5: "disk: the digest is sha256-1MiB:", // of which the partition is told, too
		600:       "disk: the digest is sha256-1MiB:",
	} {
		other := append([]byte{}, data...)
		other[at] ^= 1
		if err := os.WriteFile("other.img", other, 0o644); err != nil {
			t.Fatal(err)
		}
		run(exitDiffers, want, "verify -q other.img --manifest m.json")
		status, out, _ := ingot("verify", "-q", "other.img", "--manifest", "m.json", "--json")
		if told := strings.Contains(out, `"partition 1 (data)"`); status != exitDiffers || told != (at > 1<<20) {
			t.Errorf("byte %d: status %d: %s", at, status, out)
		}
	}
	if err := os.WriteFile("short.img", data[:2<<20], 0o644); err != nil {
		t.Fatal(err)
	}
	run(exitDiffers, "disk: has 2097152 bytes; want", "verify -q short.img --manifest m.json")

	run(exitUsage, "--manifest -: standard output is for the image", "build data.yaml -o x.img --manifest -")
	run(exitUsage, "x.img is the output itself", "build data.yaml -o x.img --manifest ./x.img")
	for link, target := range map[string]string{"here": ".", "later": "x.img"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"$PWD/x.img", "here/x.img", "later"} {
		run(exitUsage, "is the output itself", "build data.yaml -o x.img --manifest "+strings.Replace(name, "$PWD", dir, 1))
	}
	run(1, "data.yaml: is one of the files that the output is made from", "build data.yaml -o x.img --manifest data.yaml")
	run(exitUsage, "--manifest and --no-manifest exclude each other", "build data.yaml -o x.img --manifest a --no-manifest")
	run(exitUsage, "exclude each other", "verify x.img --manifest a --digest")
	run(1, "m2.json: no such file", "verify data.img --manifest m2.json")
	exists("x.img", false)
}

// TestManifestRead refuses what is no manifest.
func TestManifestRead(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.img", make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("folder/kernel", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":   "m.json: is no manifest: unexpected end",
		"{}": "m.json: is no manifest: it has the digest of neither a disk nor a file",
		`{"disk": {"size": 5, "digest": "x"}, "partitions": [{"name": "a", "start": 1, "size": 9223372036854775807}]}`: "m.json: is no manifest: partition a has 9223372036854775807 bytes from 1, and the disk has 5",
		`{"files": [{"name": "../a", "size": 1, "digest": "x"}]}`:                                                      `m.json: is no manifest: "../a" is no name in a folder`,
		`{"files": [{"name": "a", "size": 1, "digest": "x"}]}`:                                                         "m.json: the manifest is that of a folder",
	} {
		if err := os.WriteFile("m.json", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if status, _, errout := ingot("verify", "a.img", "--manifest", "m.json"); status != 1 || !strings.Contains(errout, want) {
			t.Errorf("%s: status %d: %s; want %s", text, status, errout, want)
		}
	}
	if err := os.WriteFile("m.json", []byte(`{"files": [{"name": "a", "size": 1, "digest": "x"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	status, out, _ := ingot("verify", "folder", "--manifest", "m.json")
	if want := "a: is missing\nkernel: is not in the manifest\n"; status != exitDiffers || out != want {
		t.Errorf("folder: status %d: %s; want %s", status, out, want)
	}
}

// TestManifestInFolder: a netboot folder has its manifest inside, unless a file is named.
func TestManifestInFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("live.yaml", []byte(strings.Replace(liveDisk, "{path: /boot/vmlinuz, text: kernel}", "{path: /boot/vmlinuz, text: kernel}, {path: /a, text: a}", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"--manifest", "m.json"}} {
		status, _, errout := ingot(append([]string{"build", "live.yaml", "-q", "--format", "netboot", "--set", "output.store=erofs", "-o", "net"}, args...)...)
		if status != 0 {
			t.Fatalf("%q: status %d: %s", args, status, errout)
		}
		file := filepath.Join("net", "manifest.json")
		_, err := os.Stat(file)
		if (err == nil) != (args == nil) {
			t.Errorf("%q: %s: %v", args, file, err)
		}
		if args != nil {
			file = "m.json"
		}
		if status, out, errout := ingot("verify", "net", "--manifest", file); status != 0 || out != "net matches its manifest\n" {
			t.Errorf("%q: status %d: %s%s", args, status, out, errout)
		}
	}
	if status, _, errout := ingot("build", "live.yaml", "--format", "netboot", "-o", "net", "--manifest", "net/m.json"); status != exitUsage || !strings.Contains(errout, "net/m.json: lies in the folder that is made") {
		t.Errorf("--manifest within: status %d: %s", status, errout)
	}
}
