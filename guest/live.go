package guest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ingot/guest/applet"
	"ingot/guest/block"
	"ingot/guest/mounts"
	"ingot/guest/network"
	"ingot/guest/wire"
	"ingot/internal/grammar"
	"ingot/partition"
)

// Where the parts of a live system lie. /run moves along with the root.
const (
	liveDir     = "/run/live"
	liveMedium  = liveDir + "/medium"  // the CD, stick or partition
	liveCarrier = liveDir + "/carrier" // the file system that holds the medium as a file
	liveImage   = liveDir + "/image"   // the file system in ingot.live='s file
	liveMemory  = liveDir + "/memory"  // the system's writes
	liveCopy    = liveDir + "/copy"    // files copied or fetched to memory
)

// live are the words for a live system.
type live struct {
	image    string // ingot.live=: a file on the medium, or in the initramfs
	iso      string // findiso=: a file that is the medium
	netroot  string // netroot=: HOST=FILE, fetched by TFTP
	realroot string // realroot=: tmpfs, or the device of a root that the store goes into
	inMemory bool   // copytoram
}

func (c cmdline) live() live {
	return live{
		image: c.value(wire.LiveWord), iso: c.value(wire.ISOWord), netroot: c.value(wire.NetRootWord),
		realroot: c.value(wire.RealRootWord), inMemory: c.has(wire.CopyToRAMWord),
	}
}

// hasRoot reports whether the command line names a root at all.
func (c cmdline) hasRoot() bool {
	l := c.live()
	return c.value(wire.RootWord) != "" || l.image != "" || l.iso != "" || l.netroot != ""
}

// none reports whether there is only a root= to mount.
func (l live) none() bool { return l == live{} }

// unmountLive unmounts all that was mounted for a root.
func unmountLive() {
	for _, dir := range []string{sysroot, liveImage, liveMedium, liveCarrier, liveCopy, liveMemory} {
		for mounts.IsMounted(dir) && unix.Unmount(dir, unix.MNT_DETACH) == nil {
		}
	}
}

// mountLive mounts the root of a live system at sysroot: its read-only part from the medium, an
// image, or the network, with a writable layer over it.
func (s *system) mountLive(l live) error {
	lower, err := s.lower(l)
	if err != nil {
		return err
	}
	return s.layOut(l, lower)
}

// layOut makes the root from the read-only system in a folder.
func (s *system) layOut(l live, lower string) error {
	store, root := storeIn(lower, s.initPath())
	var err error
	switch {
	case l.realroot != "" || root == "":
		err = s.layStore(l, store)
	case s.cmdline.last(wire.ReadOnlyWord, wire.WritableWord) == wire.ReadOnlyWord:
		err = mounts.Mount(lower, sysroot, "", unix.MS_BIND, "")
	default:
		err = layOver(lower)
	}
	if err != nil {
		return err
	}
	return s.bringDatabase(root, store)
}

// lower mounts the read-only system and returns its folder.
func (s *system) lower(l live) (string, error) {
	switch {
	case l.netroot != "":
		file, err := s.fetchRoot(l.netroot)
		if err != nil {
			return "", err
		}
		return liveImage, mountFile(file, liveImage)
	case l.iso == "" && s.cmdline.value(wire.RootWord) == "":
		if _, err := os.Stat(l.image); err != nil {
			return "", fmt.Errorf("%s: no such file in the initramfs (root= or findiso= names the medium that has it)", wire.LiveWord.With(l.image))
		}
		return liveImage, mountFile(l.image, liveImage)
	}
	source, err := s.mountMedium(l)
	if err != nil {
		return "", err
	}
	switch {
	case l.image == "" && l.inMemory:
		copied, err := s.toMemory(source, mediumSize())
		if err != nil {
			return "", err
		}
		return liveMedium, mountFile(copied, liveMedium)
	case l.image == "":
		return liveMedium, nil
	}
	file, err := within(liveMedium, l.image)
	if err != nil {
		return "", fmt.Errorf("%s: on the medium: %w", wire.LiveWord.With(l.image), err)
	}
	if l.inMemory {
		if file, err = s.toMemory(file, math.MaxInt64); err != nil {
			return "", err
		}
	}
	return liveImage, mountFile(file, liveImage)
}

// within returns the path of a file below a folder; links in it do not lead out of there.
func within(dir, name string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	st, err := root.Stat(strings.TrimLeft(path.Clean("/"+name), "/"))
	if err != nil {
		return "", err
	}
	if !st.Mode().IsRegular() {
		return "", errors.New("not a file")
	}
	return filepath.Join(dir, path.Clean("/"+name)), nil
}

// mountMedium finds the medium, a device or a file, and mounts it.
func (s *system) mountMedium(l live) (source string, err error) {
	if l.iso != "" {
		file, err := s.findISO(l.iso)
		if err != nil {
			return "", err
		}
		return file, mountFile(file, liveMedium)
	}
	device, err := s.waitFor(wire.RootWord, s.cmdline.value(wire.RootWord))
	if err != nil {
		return "", err
	}
	fstype, err := s.fileSystem(device)
	if err != nil {
		return "", err
	}
	return device, mountReadOnly(device, fstype, liveMedium)
}

// mediumSize returns how many bytes of the medium its file system has at most: that on a CD may
// end before the disk does.
func mediumSize() int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(liveMedium, &st); err == nil && st.Type == unix.ISOFS_SUPER_MAGIC {
		return int64(st.Blocks) * st.Bsize
	}
	return math.MaxInt64
}

// careful are mount options that do not replay a journal: findISO searches disks that belong
// to other systems.
var careful = map[string]string{"ext3": "noload", "ext4": "noload", "xfs": "norecovery"}

// mountReadOnly mounts a device as it is.
func mountReadOnly(device, fstype, dir string) error {
	return mountAt(device, dir, fstype, unix.MS_RDONLY, careful[fstype])
}

// mountFile mounts the file system in a file. Its loop device ends with the mount.
func mountFile(file, dir string) error {
	device, held, err := applet.AttachLoop(file)
	if err != nil {
		return err
	}
	defer held.Close()
	fstype, err := fileSystem(device)
	if err == nil {
		err = mountReadOnly(device, fstype, dir)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// search is the time between two searches of the disks for a file.
const search = 500 * time.Millisecond

// findISO searches all file systems for a file, and leaves the one with the file mounted.
func (s *system) findISO(name string) (string, error) {
	return s.retry(wire.ISOWord, search, func() (string, error) {
		list, err := block.Devices()
		if err != nil {
			return "", err
		}
		for _, d := range list {
			if file, err := tryCarrier(d, name); err == nil {
				return file, nil
			}
		}
		return "", fmt.Errorf("%w has a file system with the file %s", block.ErrNoDevice, name)
	})
}

// tryCarrier mounts a device if it has the file.
func tryCarrier(d block.Device, name string) (string, error) {
	id, err := d.Identify()
	if err != nil {
		return "", err
	}
	if d.Kind == "loop" || d.Kind == "ram" || id.Type == "" || id.Type == "swap" || strings.HasPrefix(id.Type, "crypto") {
		return "", errors.New("not a file system")
	}
	if err := mountReadOnly(d.Path(), id.Type, liveCarrier); err != nil {
		return "", err
	}
	file, err := within(liveCarrier, name)
	if err != nil {
		_ = unix.Unmount(liveCarrier, 0)
	}
	return file, err
}

// toMemory copies a file or a device, up to most bytes, to memory, and releases the medium.
func (s *system) toMemory(file string, most int64) (copied string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	size = min(size, most)
	copied = filepath.Join(liveCopy, filepath.Base(file))
	if err := s.copyToMemory(io.NewSectionReader(f, 0, size), size, copied); err != nil {
		return "", fmt.Errorf("copytoram: %s: %w", filepath.Base(file), err)
	}
	f.Close()
	return copied, s.release()
}

// release unmounts the medium, and what carries it.
func (s *system) release() error {
	for _, dir := range []string{liveMedium, liveCarrier} {
		if !mounts.IsMounted(dir) {
			continue
		}
		// A loop device closes its file a moment after it was unmounted.
		err := unix.Unmount(dir, 0)
		for tries := 0; errors.Is(err, unix.EBUSY) && tries < 40; tries++ {
			time.Sleep(poll)
			err = unix.Unmount(dir, 0)
		}
		if err != nil {
			return fmt.Errorf("unmount %s: %w", dir, err)
		}
	}
	s.say("the system is in memory: its medium can be removed")
	return nil
}

// spare is the memory that a copy has to leave for the system.
const spare = 64 << 20

// copyToMemory copies so many bytes into a file in memory, if that has room.
func (s *system) copyToMemory(r io.Reader, size int64, to string) error {
	if err := makeRoom(size); err != nil {
		return err
	}
	s.say("copying %s to memory", partition.FormatBytes(size))
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := io.Copy(f, r); err != nil {
		return err
	} else if n < size {
		return fmt.Errorf("it ends after %d of %s", n, grammar.Count(size, "byte"))
	}
	return nil
}

// makeRoom mounts a file system of this size in memory.
func makeRoom(size int64) error {
	free, err := availableMemory()
	if err != nil {
		return err
	}
	if size+spare > free {
		return fmt.Errorf("%s do not fit into memory: %s are free, and the system needs %s of them; give the machine more memory, or leave the word out",
			partition.FormatBytes(size), partition.FormatBytes(free), partition.FormatBytes(spare))
	}
	const slack = 1 << 20 // pages that are not full, and the file system's own
	return mountAt("tmpfs", liveCopy, "tmpfs", 0, fmt.Sprintf("mode=700,size=%d", size+slack))
}

// availableMemory returns how many bytes programs can still get.
func availableMemory() (int64, error) {
	info, err := applet.MemoryInfo()
	return info["MemAvailable"], err
}

// fetchRoot fetches an image by TFTP into memory. It brings up the network by ip=. Default:
// dhcp.
func (s *system) fetchRoot(netroot string) (string, error) {
	host, name, ok := strings.Cut(netroot, "=")
	if !ok || host == "" || name == "" {
		return "", fmt.Errorf("netroot=%s is not HOST=FILE, such as netroot=10.0.2.2=root.squashfs", netroot)
	}
	var last error
	err := s.applyIP(cmp.Or(s.cmdline.value(wire.IPWord), "dhcp"), network.Options{
		Once: true, Failed: func(err error) { last = err },
		Bound: func(b network.Binding) { s.say("%s", b) },
	})
	if err != nil {
		return "", fmt.Errorf("netroot=%s: %w", netroot, errors.Join(err, last))
	}
	return s.fetch(host, name)
}

// fetch fetches a file into memory. Most servers tell its size before.
func (s *system) fetch(host, name string) (file string, err error) {
	file = filepath.Join(liveCopy, filepath.Base(name))
	var f *os.File
	n, err := network.TFTP(context.Background(), host, name, func(size int64) (io.Writer, error) {
		if size < 0 {
			free, err := availableMemory()
			if err != nil {
				return nil, err
			}
			size = free - spare // all there is: writing fails when it is full
		}
		if err := makeRoom(size); err != nil {
			return nil, err
		}
		f, err = os.Create(file)
		return f, err
	})
	if f != nil {
		f.Close()
	}
	if err != nil {
		return "", fmt.Errorf("netroot: %w", err)
	}
	s.say("fetched %s from %s: %s", name, host, partition.FormatBytes(n))
	return file, nil
}
