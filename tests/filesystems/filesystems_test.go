package filesystems

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/guest/block"
	"ingot/image"
	"ingot/inspect"
	"ingot/partition/filesystems"
	"ingot/partition/volume"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/tests/reference"
	"ingot/vm/run"
)

// noteFS is a file system with one file, /note, of at most 400 bytes.
type noteFS struct{ signed string }

var note = &volume.Kind{
	Name: "notefs", Title: "NoteFS", Class: volume.Files,
	Identify: func(p *volume.Probe) (volume.ID, bool) {
		return volume.ID{Label: p.Text(8, 8)}, p.Has(0, "NOTEFS\x00\x01")
	},
	Open:          func(b image.Blob) (volume.Reader, error) { return noteReader{b}, nil },
	FileSystem:    noteFS{},
	Options:       func() volume.Options { return &noteOptions{} },
	PartitionType: "data",
}

func (noteFS) Check(v image.Volume) error {
	if len(v.Label) > 8 {
		return fmt.Errorf("label %q: NoteFS holds 8 bytes", v.Label)
	}
	return nil
}

func (noteFS) UUID(image.Volume) string { return "" }

func (f noteFS) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	text := "nothing"
	if n := t.Lookup("/note"); n != nil {
		b, err := image.ReadAll(n.Data)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	var b image.Builder
	b.Add(0, image.Bytes(fmt.Sprintf("NOTEFS\x00\x01%-8s%-496s", v.Label, text+f.signed)), nil)
	return b.Map(max(v.Size.Bytes, 512))
}

type noteReader struct{ image.Blob }

func (r noteReader) Tree() (*image.Tree, error) {
	b := make([]byte, 496)
	if _, err := r.ReadAt(b, 16); err != nil {
		return nil, err
	}
	t := image.NewTree()
	return t, t.Put("/note", image.NewFile(0o644, image.Bytes(strings.TrimSpace(string(b)))))
}

type noteOptions struct {
	Signed string `json:"signed,omitempty" jsonschema_description:"notefs: who signs."`
}

func (o *noteOptions) Check(volume.Place) (string, error) {
	if o.Signed == "nobody" {
		return "signed", errors.New("nobody signs")
	}
	return "", nil
}
func (o *noteOptions) FileSystem(volume.Place) volume.FileSystem { return noteFS{o.Signed} }
func (o *noteOptions) Canonical(volume.Place) volume.Options     { return o }

func add(t *testing.T) { t.Cleanup(filesystems.Add(note)) }

// TestOneLine: a file system that is in the list of package filesystems is known to all that
// make, read, identify or describe file systems.
func TestOneLine(t *testing.T) {
	schema := func() string {
		text, err := recipes.Schema()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	parse := func(partition string) (*recipes.Recipe, error) {
		return recipes.Parse("test.yaml", t.TempDir(), []byte("name: t\ndisk: {partitions: [{name: p, "+partition+"}]}\n"), nil)
	}
	if _, err := parse("filesystem: notefs"); err == nil || strings.Contains(schema()+reference.Text(t), "notefs") {
		t.Fatalf("the file system is known before it is in the list: %v", err)
	}
	add(t)

	for what, text := range map[string]string{"schema": schema(), "reference": reference.Text(t)} {
		for _, want := range []string{"notefs", "notefs: who signs."} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s says nothing of %q", what, want)
			}
		}
	}
	for partition, want := range map[string]string{
		"filesystem: notef":                                 `"notef" is not known; did you mean "notefs"?`,
		"filesystem: fat, signed: me":                       "signed: is a matter of notefs, and the file system is fat",
		"filesystem: notefs, bits: 16":                      "bits: is a matter of fat, and the file system is notefs",
		"filesystem: notefs, type: data, signed: nobody":    "signed: nobody signs",
		"filesystem: notefs, label: NINEBYTES":              `label "NINEBYTES": NoteFS holds 8 bytes`,
		"filesystem: notefs, contents: {store: true}":       "notefs cannot hold a store",
		"filesystem: notefs, type: swap, size: 1MiB":        "swap says that the partition holds swap, and the file system is notefs",
		"filesystem: ext4, singed: me, contents: {from: .}": `did you mean "signed"?`,
	} {
		if _, err := parse(partition); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("{%s}: %v; want %s", partition, err, want)
		}
	}
	if _, err := run.ParseEmpty("1M:none"); err == nil || !strings.Contains(err.Error(), "a disk can have ext4, fat, notefs, swap") {
		t.Errorf("ParseEmpty = %v; want the file system among those that there are", err)
	}
	if e, err := run.ParseEmpty("1M:notefs:LABEL"); err != nil || e.Filesystem != "notefs" {
		t.Errorf("ParseEmpty = %+v, %v", e, err)
	}
	if got := inspect.Readable(); !strings.Contains(got, "NoteFS") {
		t.Errorf("Readable() = %s", got)
	}
}

// TestOneLineOnADisk makes a disk with the file system, and reads it back.
func TestOneLineOnADisk(t *testing.T) {
	add(t)
	disk := build(t, `
name: notes
disk:
  partitions:
    - {name: p, filesystem: notefs, label: NOTES, size: 1MiB, signed: " (me)", contents: {files: [{path: /note, text: hello}]}}
`)
	v := volumeOf(t, disk, "p")
	tree, err := v.Tree()
	if err != nil {
		t.Fatal(err)
	}
	got, err := image.ReadAll(tree.Lookup("/note").Data)
	if string(got) != "hello (me)" || err != nil || v.Kind() != "notefs" || v.Type != "data" {
		t.Errorf("partition of type %s with %s: /note = %q, %v", v.Type, v.Kind(), got, err)
	}
	if id := identify(t, v); id != (block.ID{Type: "notefs", Label: "NOTES"}) {
		t.Errorf("in a guest it is %+v", id)
	}
}

// TestEROFS: a partition of a recipe holds an EROFS, which its own tool judges, and which is
// read back. GRUB does not read it.
func TestEROFS(t *testing.T) {
	const id = "0b9b7f3c-1f0e-4d7c-8e43-0f6ad7b6b2a4"
	for _, size := range []string{"fit", "fit+1MiB", "8MiB"} {
		disk := build(t, `
name: frozen
disk:
  partitions:
    - {name: p, filesystem: erofs, label: FROZEN, uuid: `+id+`, size: `+size+`, contents: {files: [{path: /a/b, text: hello, mode: 0600, uid: 7, xattrs: {user.x: y}}, {path: /l, link: a/b}]}}
`)
		v := volumeOf(t, disk, "p")
		part := filepath.Join(t.TempDir(), "part")
		b, err := image.ReadAll(v.Data)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(part, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if out := fstest.Run(t, fstest.Judge(t, "fsck.erofs", "erofs-utils"), part); strings.Contains(out, "rror") {
			t.Errorf("%s: fsck.erofs: %s", size, out)
		}
		tree, err := v.Tree()
		if err != nil {
			t.Fatal(err)
		}
		n := tree.Lookup("/a/b")
		if v.Kind() != "erofs" || n == nil || n.UID != 7 || n.Mode.Perm() != 0o600 || len(n.Xattrs) != 1 || tree.Lookup("/l").Link != "a/b" {
			t.Errorf("%s: %s with /a/b = %+v", size, v.Kind(), n)
		}
		if got, want := identify(t, v), (block.ID{Type: "erofs", UUID: id, Label: "FROZEN"}); got != want {
			t.Errorf("%s: in a guest it is %+v; want %+v", size, got, want)
		}
	}
	for text, want := range map[string]string{
		"disk: {partitions: [{name: p, filesystem: erofs, size: 4096, contents: {files: [{path: /a, text: " + strings.Repeat("x", 5000) + "}]}}]}":                                                                                             "needs 12288 bytes, has 4096",
		"bootloader: {grub: [bios], entries: [{title: a, kernel: /k}]}\ndisk: {partitions: [{name: b, type: bios-boot, size: 1MiB}, {name: p, filesystem: erofs, contents: {store: true}}]}\nstore: {add: [{name: x, source: /etc/hostname}]}": "GRUB cannot read its menu and the kernels from p, which is EROFS; add a partition for them",
	} {
		r, err := recipes.Parse("test.yaml", t.TempDir(), []byte("name: t\n"+text+"\n"), nil)
		if err == nil {
			_, err = plan.New(t.Context(), r, plan.Host{})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v; want %s", text, err, want)
		}
	}
}

// build writes the disk of a recipe and returns its path.
func build(t *testing.T, text string) string {
	t.Helper()
	r, err := recipes.Parse("test.yaml", t.TempDir(), []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(t.Context(), r, plan.Host{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	disk := filepath.Join(t.TempDir(), "disk.img")
	if _, err := p.Emit(t.Context(), disk, plan.EmitOptions{WriteOptions: image.WriteOptions{NoSync: true}}); err != nil {
		t.Fatal(err)
	}
	return disk
}

func volumeOf(t *testing.T, disk, name string) *inspect.Volume {
	t.Helper()
	i, err := inspect.Open(t.Context(), disk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	if err := i.Identify(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := i.Select(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// identify asks what a guest would take a partition for.
func identify(t *testing.T, v *inspect.Volume) block.ID {
	t.Helper()
	b, err := image.ReadAll(v.Data)
	if err != nil {
		t.Fatal(err)
	}
	id, err := block.Identify(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return id
}
