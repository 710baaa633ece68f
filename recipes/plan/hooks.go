package plan

import (
	"fmt"

	"ingot/bootloader/initramfs"
	"ingot/image"
)

// postBootFile is run by a system of ingot's own behind /etc/rc, and before its shells.
const postBootFile = "/etc/rc.local"

// addPreMount adds the script that the initial RAM disk runs, if there is one, to its files.
func addPreMount(script string, files *image.Tree) error {
	if script == "" {
		return nil
	}
	return files.Put(initramfs.PreMountFile, image.NewFile(0o444, image.Bytes(script)))
}

// furnishHook adds the script that is run on the root to it.
func (m *made) furnishHook(t *image.Tree) error {
	if m.postBoot == "" {
		return nil
	}
	if t.Lookup(postBootFile) != nil {
		return fmt.Errorf("system.hooks.post-boot: its place is %s, which another part of the recipe has put there already", postBootFile)
	}
	return t.Put(postBootFile, image.NewFile(0o644, image.Bytes(m.postBoot)))
}
