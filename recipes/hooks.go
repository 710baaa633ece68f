package recipes

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"ingot/bootloader/initramfs"
	"ingot/image"
)

// postBootFile is run by a system of ingot's own behind /etc/rc, and before its shells.
const postBootFile = "/etc/rc.local"

func (h Hooks) check(d *decoder) {
	for _, hook := range []struct{ key, script string }{{"pre-mount", h.PreMount}, {"post-boot", h.PostBoot}} {
		if _, err := syntax.NewParser().Parse(strings.NewReader(hook.script), ""); err != nil {
			d.fail("system.hooks."+hook.key, "is no script: %v", err)
		}
	}
}

// addTo adds the script that is run in the initial RAM disk to what that has of files,
// which may be nil.
func (h Hooks) addTo(files *image.Tree) (*image.Tree, error) {
	if h.PreMount == "" {
		return files, nil
	}
	if files == nil {
		files = image.NewTree()
	}
	return files, files.Put(initramfs.PreMountFile, image.NewFile(0o444, image.Bytes(h.PreMount)))
}

// furnish adds the script that is run on the root to it.
func (h Hooks) furnish(t *image.Tree) error {
	if h.PostBoot == "" {
		return nil
	}
	if t.Lookup(postBootFile) != nil {
		return fmt.Errorf("system.hooks.post-boot: its place is %s, which another part of the recipe has put there already", postBootFile)
	}
	return t.Put(postBootFile, image.NewFile(0o644, image.Bytes(h.PostBoot)))
}
