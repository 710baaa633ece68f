package vm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ShareKind is how a guest reaches a folder of the host.
type ShareKind string

const (
	// VirtioFS takes a process of its own, virtiofsd, and a kernel with virtiofs.
	VirtioFS ShareKind = "virtiofs"
	// NineP is QEMU's own; the guest mounts it with -t 9p -o trans=virtio.
	NineP ShareKind = "9p"
)

// A Share is a folder of the host that a guest can mount by its tag.
type Share struct {
	Tag, Dir string
	ReadOnly bool
	Kind     ShareKind // Default: DefaultShare.
}

// DefaultShare returns how shares without a kind are reached: by virtiofs where
// virtiofsd is, else by 9p.
func DefaultShare() ShareKind {
	if _, err := findVirtiofsd(); err == nil {
		return VirtioFS
	}
	return NineP
}

// Reached returns how the guest reaches the folder: its kind, or [DefaultShare].
func (s *Share) Reached() ShareKind {
	if s.Kind == "" {
		return DefaultShare()
	}
	return s.Kind
}

// maxTag is what the devices hold of a tag: virtiofs 36 bytes, 9p 31.
const maxTag = 31

// Check says why the folder cannot be shared, or nil.
func (s *Share) Check() error {
	info, err := os.Stat(s.Dir)
	switch {
	case s.Tag == "" || len(s.Tag) > maxTag || strings.ContainsAny(s.Tag, " \t\n,=/"):
		return fmt.Errorf("the name %q: it has 1 to %d bytes, without blanks, commas, = and /", s.Tag, maxTag)
	case s.Kind != "" && s.Kind != VirtioFS && s.Kind != NineP:
		return fmt.Errorf("kind %q; there are %s and %s", s.Kind, VirtioFS, NineP)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", s.Dir)
	}
	return nil
}

func (c *Config) checkShares() error {
	seen := map[string]bool{}
	for _, s := range c.Shares {
		err := s.Check()
		if err == nil && seen[s.Tag] {
			err = errors.New("there are two of that name")
		}
		if err == nil && s.Reached() == VirtioFS {
			_, err = findVirtiofsd()
		}
		if err != nil {
			return fmt.Errorf("shared folder %s: %w", s.Tag, err)
		}
		seen[s.Tag] = true
	}
	return nil
}

// sharesMemory reports whether another process has to see the guest's memory.
func (c *Config) sharesMemory() bool {
	return c.OpenMemory || slices.ContainsFunc(c.Shares, func(s Share) bool { return s.Reached() == VirtioFS })
}

func (l *line) addShares(c *Config) error {
	for i, s := range c.Shares {
		dir, err := filepath.Abs(s.Dir)
		if err != nil {
			return err
		}
		if s.Reached() == VirtioFS {
			fd := l.inherit(func(m *Machine) (*os.File, error) { return m.startVirtiofsd(dir, s.ReadOnly) })
			l.add("-chardev", fmt.Sprintf("socket,id=share%d,fd=%d", i, fd),
				"-device", fmt.Sprintf("%s,chardev=share%d,tag=%s,queue-size=1024", c.virtio("vhost-user-fs"), i, s.Tag))
			continue
		}
		// Without a security model of QEMU's own: files that the guest makes belong to the
		// user who runs ingot, and it cannot change their owner. multidevs keeps the inode
		// numbers of several file systems apart.
		back := fmt.Sprintf("local,id=share%d,path=%s,security_model=none,multidevs=remap", i, escape(dir))
		if s.ReadOnly {
			back += ",readonly=on"
		}
		l.add("-fsdev", back, "-device", fmt.Sprintf("%s,fsdev=share%d,mount_tag=%s", c.virtio("virtio-9p"), i, s.Tag))
	}
	return nil
}
