package guest

import (
	"os"
	"path/filepath"
	"strings"

	"ingot/guest/mounts"
)

// shareWord is the key of a folder that the host shows: ingot.share=KIND:TAG.
const shareWord = "ingot.share"

// sharesDir is where these are, each under its tag.
const sharesDir = "/mnt"

// mountShares mounts the folders that the host shows.
func (s *system) mountShares() {
	words, _ := s.cmdline.all(shareWord)
	for _, word := range words {
		kind, tag, ok := strings.Cut(word, ":")
		if !ok || tag == "" || tag != filepath.Base(tag) || tag == "." || tag == ".." {
			s.say("%s=%s: it is written KIND:TAG", shareWord, word)
			continue
		}
		if err := mountShare(kind, tag); err != nil {
			s.say("share %s: %v", tag, err)
		}
	}
}

func mountShare(kind, tag string) error {
	dir := filepath.Join(sharesDir, tag)
	if mounts.IsMounted(dir) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data := ""
	if kind == "9p" {
		data = nineP
	}
	return mounts.Mount(tag, dir, kind, 0, data)
}
