package guest

import (
	"path/filepath"
	"strings"

	"ingot/guest/mounts"
	"ingot/guest/wire"
)

// mountShares mounts the folders that the host shares.
func (s *system) mountShares() {
	for _, word := range wire.ShareWord.All(s.cmdline) {
		kind, tag, ok := strings.Cut(word, ":")
		if !ok || tag == "" || tag != filepath.Base(tag) || tag == "." || tag == ".." {
			s.say("%s: its form is KIND:TAG", wire.ShareWord.With(word))
			continue
		}
		if err := mountShare(kind, tag); err != nil {
			s.say("share %s: %v", tag, err)
		}
	}
}

func mountShare(kind, tag string) error {
	dir := wire.ShareDir(tag)
	if mounts.IsMounted(dir) {
		return nil
	}
	data := ""
	if kind == "9p" {
		data = wire.NinePOptions
	}
	return mountAt(tag, dir, kind, 0, data)
}
