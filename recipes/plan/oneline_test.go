package plan

import (
	"path/filepath"
	"strings"
	"testing"

	"ingot/recipes"
)

// TestOneLine: a name with a line feed makes no second line of a message.
func TestOneLine(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "from", "d\nx: all is well"), "")
	for _, x := range []struct{ disk, want string }{
		{`{name: "a\nx: b", filesystem: fat, size: 64MiB, contents: {from: from}}`, `disk.partitions[0].contents: a\nx: b: /d\nx: all is well: the name has '\n'`},
		{`{name: "a\nx: b", filesystem: ext4, size: 4KiB}`, "disk.partitions[0].size: "},
		{`{name: "a\nx: b", type: linux, size: 1MiB, mount: /b}`, `a\nx: b has no file system with files`},
		{`{name: "a\nx: b", filesystem: ext4, start: 512, size: 1MiB}`, `disk.partitions[0]: a\nx: b: start at byte 512`},
		{`{name: a, filesystem: ext4, contents: {files: [{path: "/a\nx: b", text: x}, {path: "/a\nx: b", text: y}]}}`, `/a\nx: b is there already`},
		{`{name: a, filesystem: ext4, contents: {files: [{path: "/a\nx: b", text: x}, {path: "/a\nx: b/c", text: y}]}}`, `/a\nx: b is a regular file, not a directory`},
		{`{name: a, filesystem: ext4, contents: {files: [{path: "/a\nx: b"}]}}`, `/a\nx: b: exactly one of text`},
	} {
		r, err := recipes.Parse("x", dir, []byte("name: x\ndisk: {partitions: ["+x.disk+"]}\n"), nil)
		if err == nil {
			_, err = New(t.Context(), r, Host{Temp: dir})
		}
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v\nwant one line with %s", x.disk, err, x.want)
		}
	}
}
