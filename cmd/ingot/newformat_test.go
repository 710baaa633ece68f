package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/fileformat"
	"ingot/recipes"
	"ingot/tests/reference"
)

const crateMagic = "CRATE\n"

// crate is a format like any other: behind a magic and the size of the disk, in one sector,
// lie the bytes of the disk.
var crate = fileformat.Format{
	Name: "crate", What: "a disk in a crate", Suffixes: []string{".crate"}, Disk: true,
	Check: func(size int64) error {
		if size > 1<<30 {
			return fmt.Errorf("a disk of %d bytes is too large for a crate, which holds %d", size, 1<<30)
		}
		return nil
	},
	Layout: func(_ context.Context, disk *image.Map, _ image.WriteOptions) (*image.Map, error) {
		var b image.Builder
		b.Add(0, image.Bytes(fmt.Appendf(nil, "%s%d\n", crateMagic, disk.Size())), &image.Owner{Name: "crate header"})
		b.AddExtent(image.Extent{Off: 512, Len: disk.Size(), Src: disk})
		return b.Map(512 + disk.Size())
	},
	Detect: func(file io.ReaderAt, _ int64) bool {
		head := make([]byte, len(crateMagic))
		file.ReadAt(head, 0)
		return string(head) == crateMagic
	},
	Open: func(_ context.Context, path string) (*image.Map, error) {
		file, err := image.NewHostFile(path)
		if err != nil {
			return nil, err
		}
		var b image.Builder
		b.AddExtent(image.Extent{Len: file.Size() - 512, Src: file, SrcOff: 512})
		return b.Map(file.Size() - 512)
	},
}

// TestNewFormat adds a format by its row alone: recipes, verbs, help, schema and messages have
// it, and it is written and read.
func TestNewFormat(t *testing.T) {
	before := fileformat.All
	fileformat.All = append(before[:len(before):len(before)], crate)
	t.Cleanup(func() { fileformat.All = before })
	t.Chdir(t.TempDir())
	if err := os.WriteFile("data.yaml", []byte(dataDisk), 0o644); err != nil {
		t.Fatal(err)
	}
	schema, err := recipes.Schema()
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the schema": string(schema), "the reference": reference.Text(t)} {
		if strings.Count(text, "crate") < 2 { // as a word, and with its meaning
			t.Errorf("%s does not have the format", what)
		}
	}
	for _, verb := range []string{"build", "convert"} {
		if _, help, _ := ingot(verb, "--help"); !regexp.MustCompile(`(?m)^  crate +a disk in a crate$`).MatchString(help) {
			t.Errorf("%s --help does not have the format:\n%s", verb, help)
		}
	}
	for _, c := range []struct {
		line   string
		status int
		want   string
	}{
		{"build data.yaml -q -o data.img", 0, ""},
		{"build data.yaml -q -o data.crate", 0, ""},
		{"build data.yaml -q --format crate -o named", 0, ""},
		{"convert data.img -q -o other.crate", 0, ""},
		{"convert data.crate -q -o back.img", 0, ""},
		{"convert named:crate -q -o again.img", 0, ""},
		{"build data.yaml --format raw -o x.crate", exitUsage, "the suffix .crate is that of the format crate, and the output is raw by --format: give --format crate"},
		{"build data.yaml --format carte", exitUsage, `--format: "carte" is not known; did you mean "crate"?`},
		{"build data.yaml --format xx", exitUsage, "known are raw, qcow2, vdi, vhd, iso, netboot, kexec, ext4, fat, erofs, squashfs, crate"},
		{"convert data.img --format carte -o x", exitUsage, `"carte" is none of raw, qcow2, vdi, vhd, tar, docker, crate; did you mean "crate"?`},
		{"convert data.img --compress -o x.crate", exitUsage, "--compress and --level are for qcow2, not for crate"},
		{"build data.yaml --set disk.size=2GiB -o x.crate", exitRecipe, "a disk of 2147483648 bytes is too large for a crate, which holds 1073741824"},
		{"run data.crate:crate --overlay x.crate", exitUsage, "the suffix .crate is that of a disk in a crate: name it x.qcow2"},
	} {
		if status, _, errout := ingot(strings.Fields(c.line)...); status != c.status || !strings.Contains(errout, c.want) {
			t.Errorf("%s: status %d: %s; want %d, and %s", c.line, status, errout, c.status, c.want)
		}
	}
	for name, same := range map[string]string{"named": "data.crate", "other.crate": "data.crate", "back.img": "data.img", "again.img": "data.img"} {
		got, err := os.ReadFile(name)
		want, err2 := os.ReadFile(same)
		if err != nil || err2 != nil || len(want) == 0 || string(got) != string(want) {
			t.Errorf("%s has %d bytes, %v; want the %d of %s, %v", name, len(got), err, len(want), same, err2)
		}
	}
}
