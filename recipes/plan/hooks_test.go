package plan

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"ingot/image"
	"ingot/recipes"
)

const hooks = `  hooks:
    pre-mount: |
      echo before the root
    post-boot: |
      echo before the shells
`

// TestHooks looks for the scripts where the guest's init does.
func TestHooks(t *testing.T) {
	p, err := planMade(t, hooks)
	if err != nil {
		t.Fatal(err)
	}
	if got := initrdFile(t, p, "etc/ingot/pre-mount"); got != "echo before the root\n" {
		t.Errorf("the initial RAM disk's script is %q", got)
	}
	if n := lookup(t, p, "/etc/rc.local"); n == nil || n.Mode.Perm() != 0o644 || content(t, n.Data) != "echo before the shells\n" {
		t.Errorf("/etc/rc.local = %+v", n)
	}
	if p, err = planMade(t, ""); err != nil {
		t.Fatal(err)
	}
	if got := initrdFile(t, p, "etc/ingot/pre-mount"); got != "" || lookup(t, p, "/etc/rc.local") != nil {
		t.Errorf("without hooks there are scripts: %q, and /etc/rc.local", got)
	}
}

func TestHooksRefused(t *testing.T) {
	for hook, want := range map[string]string{
		"pre-mount: 'if true; then'": "small.yaml:4:22: system.hooks.pre-mount: is no script: 1:10: ",
		"post-boot: 'echo \"'":       "system.hooks.post-boot: is no script: 1:6: ",
		"pre-boot: echo":             "system.hooks.pre-boot: unknown key; known here: pre-mount, post-boot",
	} {
		if _, err := planMade(t, "  hooks: {"+hook+"}"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", hook, err, want)
		}
	}
	system := strings.Replace(generationsRecipe, "system: "+store32(3, "system"), "system: {path: "+store32(3, "system")+", hooks: {post-boot: date}}", 1)
	if _, err := recipes.Parse("web.yaml", "/", []byte(system), nil); err == nil || !strings.Contains(err.Error(), "system.hooks: is for systems that ingot makes") {
		t.Errorf("hooks for a system that is there = %v", err)
	}
	file := strings.Replace(madeRecipe, "{store: true}", "{store: true, files: [{path: /etc/rc.local, text: x}]}", 1)
	if _, err := planText(t, file, hooks); err == nil || !strings.Contains(err.Error(), "system.hooks.post-boot: its place is /etc/rc.local, which another part") {
		t.Errorf("a hook in the place of a file = %v", err)
	}
}

// initrdFile returns what a file of the planned system's initial RAM disk holds; nothing if
// it is not there.
func initrdFile(t *testing.T, p *Plan, name string) string {
	t.Helper()
	for _, it := range p.items {
		if !strings.Contains(it.Path, "-initrd-") {
			continue
		}
		z, err := zstd.NewReader(strings.NewReader(content(t, it.Node.Data)))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		archive, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(archive)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Name == name {
				text, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
		}
		return ""
	}
	t.Fatal("the plan has no initial RAM disk")
	return ""
}

func content(t *testing.T, b image.Blob) string {
	t.Helper()
	data := make([]byte, b.Size())
	if _, err := b.ReadAt(data, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return string(data)
}
