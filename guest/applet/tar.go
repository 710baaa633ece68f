package applet

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"ingot/internal/tarstream"
)

// tarball is one run of tar.
type tarball struct {
	*Call
	create, extract, list, verbose, toStdout bool
	gzip, zstd                               bool
	file, dir                                string
	links                                    map[inode]string
}

func runTar(c *Call) error {
	c.trouble = 2
	t := &tarball{Call: c, links: map[inode]string{}}
	// The first word may come without its hyphen: tar xzf FILE.
	if len(c.Args) > 0 && !strings.HasPrefix(c.Args[0], "-") {
		c.Args = slices.Clone(c.Args)
		c.Args[0] = "-" + c.Args[0]
	}
	c.flags.BoolVarP(&t.create, "create", "c", false, "pack")
	c.flags.BoolVarP(&t.extract, "extract", "x", false, "unpack")
	c.flags.BoolVarP(&t.list, "list", "t", false, "list")
	c.flags.BoolVarP(&t.verbose, "verbose", "v", false, "name the files")
	c.flags.BoolVarP(&t.toStdout, "to-stdout", "O", false, "unpack to standard output")
	c.flags.BoolVarP(&t.gzip, "gzip", "z", false, "compressed with gzip")
	c.flags.BoolVar(&t.zstd, "zstd", false, "compressed with zstd")
	c.flags.BoolP("xz", "J", false, "compressed with xz (unpacking finds out by itself)")
	c.flags.BoolP("preserve-permissions", "p", true, "always on")
	c.flags.StringVarP(&t.file, "file", "f", "-", "the archive")
	c.flags.StringVarP(&t.dir, "directory", "C", ".", "the folder to work in")
	names := c.parse(0, -1)
	if btoi(t.create)+btoi(t.extract)+btoi(t.list) != 1 {
		return usageError{"one of c, x and t is needed"}
	}
	if t.create && c.flags.Changed("xz") {
		return errors.New("xz is for unpacking only; -z packs with gzip, --zstd with zstd")
	}
	if t.create {
		return t.pack(names)
	}
	return t.input(t.file, func(_ string, r io.Reader) error { return t.unpack(r, names) })
}

func (t *tarball) pack(names []string) error {
	if len(names) == 0 {
		return usageError{"no files to pack"}
	}
	var closers []io.Closer
	w := io.Writer(t.Stdout)
	if t.file != "-" {
		f, err := os.Create(t.file)
		if err != nil {
			return err
		}
		w, closers = f, append(closers, f)
	}
	switch {
	case t.gzip:
		z := gzip.NewWriter(w)
		w, closers = z, append(closers, z)
	case t.zstd:
		z, err := zstd.NewWriter(w)
		if err != nil {
			return err
		}
		w, closers = z, append(closers, z)
	}
	tw := tar.NewWriter(w)
	closers = append(closers, tw)
	for _, name := range names {
		root := filepath.Join(t.dir, name)
		if filepath.IsAbs(name) {
			root = name
		}
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				err = t.add(tw, path, archived(name, root, path))
			}
			if err != nil {
				t.warn(err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, c := range slices.Backward(closers) {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// archived returns the name of a file in the archive: the operand, and the path below it.
func archived(name, root, path string) string {
	below, err := filepath.Rel(root, path)
	if err != nil || below == "." {
		return name
	}
	return strings.TrimRight(name, "/") + "/" + below
}

// add packs one file; a second name of the same file becomes a link to the first.
func (t *tarball) add(tw *tar.Writer, path, name string) error {
	name = strings.TrimLeft(name, "/")
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if name == "" || info.Mode()&fs.ModeSocket != 0 { // no process will listen on it again
		return nil
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	h.Name, h.Uname, h.Gname = name, "", "" // a name may be another user elsewhere
	st := info.Sys().(*syscall.Stat_t)      //nolint:errcheck // os.Lstat returns it
	key := inode{st.Dev, st.Ino}
	switch first, seen := t.links[key]; {
	case info.IsDir():
		h.Name = strings.TrimRight(name, "/") + "/"
	case seen:
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
	case st.Nlink > 1:
		t.links[key] = name
	}
	t.name(h)
	if err := tw.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	// Without following a link that has taken its place meanwhile; a file called - is not standard input.
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(tw, f, h.Size)
	return err
}

// name prints the name of a file, to standard error if the archive goes to standard output.
func (t *tarball) name(h *tar.Header) {
	switch {
	case t.list && t.verbose:
		t.printf("%s %d/%d %12d %s %s\n", h.FileInfo().Mode(), h.Uid, h.Gid, h.Size, h.ModTime.Format("2006-01-02 15:04"), h.Name)
	case t.list:
		t.printf("%s\n", h.Name)
	case t.verbose && t.create && t.file == "-":
		fmt.Fprintln(t.Stderr, h.Name)
	case t.verbose:
		t.printf("%s\n", h.Name)
	}
}

// unpack unpacks or lists. os.Root keeps every path in the folder, whatever names
// and links the archive holds.
func (t *tarball) unpack(r io.Reader, names []string) error {
	plain, _, err := decompressed(r)
	if err != nil {
		return err
	}
	defer plain.Close()
	root, err := os.OpenRoot(t.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var dirs []*tar.Header
	found := map[string]bool{}
	tr := tarstream.NewReader(plain)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.file, err)
		}
		skip, odd := tarstream.Settle(h)
		if skip {
			continue
		}
		if len(names) > 0 {
			i := slices.IndexFunc(names, func(name string) bool { return selects(name, h.Name) })
			if i < 0 {
				continue
			}
			found[names[i]] = true
		}
		if odd != "" && !t.list {
			fmt.Fprintf(t.Stderr, "%s: %s: %s\n", t.Name, h.Name, odd)
		}
		t.name(h)
		switch {
		case t.list:
		case t.toStdout:
			_, err = io.Copy(t.Stdout, tr)
		default:
			err = t.extractOne(root, h, tr)
			if h.Typeflag == tar.TypeDir && err == nil {
				// Without the records of the header, which may be a megabyte.
				dirs = append(dirs, &tar.Header{Typeflag: h.Typeflag, Name: strings.Clone(h.Name), Mode: h.Mode, Uid: h.Uid, Gid: h.Gid, ModTime: h.ModTime})
			}
		}
		if err != nil {
			t.warn(fmt.Errorf("%s: %w", h.Name, err))
		}
	}
	for _, name := range names {
		if !found[name] {
			t.warn(fmt.Errorf("%s: is not in the archive", name))
		}
	}
	// The times of folders last, since new files in them change these.
	for _, h := range slices.Backward(dirs) {
		if err := setMetadata(root, local(h.Name), h); err != nil {
			t.warn(fmt.Errorf("%s: %w", h.Name, err))
		}
	}
	return nil
}

// selects returns whether a name is that of an operand, or below it.
func selects(operand, name string) bool {
	operand = strings.TrimRight(operand, "/")
	return strings.TrimRight(name, "/") == operand || strings.HasPrefix(name, operand+"/")
}

// local is a name as a path below the folder.
func local(name string) string { return filepath.Clean(strings.TrimLeft(name, "/")) }

func (t *tarball) extractOne(root *os.Root, h *tar.Header, r io.Reader) error {
	name := local(h.Name)
	if name == "." {
		return nil
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		if err = closing(f, err); err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := root.Symlink(h.Linkname, name); err != nil {
			return err
		}
	case tar.TypeLink:
		return root.Link(local(h.Linkname), name)
	case tar.TypeBlock, tar.TypeChar, tar.TypeFifo:
		if err := makeSpecial(root, name, h); err != nil {
			return err
		}
	}
	return setMetadata(root, name, h)
}

// makeSpecial makes a device or a pipe.
func makeSpecial(root *os.Root, name string, h *tar.Header) error {
	types := map[byte]uint32{tar.TypeBlock: unix.S_IFBLK, tar.TypeChar: unix.S_IFCHR, tar.TypeFifo: unix.S_IFIFO}
	dev := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	return within(root, name, func(dir int, base string) error {
		return unix.Mknodat(dir, base, types[h.Typeflag]|0o600, int(dev))
	})
}

// within calls fn with the folder of a file, open, so that fn stays below the root, too.
func within(root *os.Root, name string, fn func(dir int, base string) error) error {
	dir, err := root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return fn(int(dir.Fd()), filepath.Base(name))
}

// setMetadata gives a file the owner, mode and time that the archive has for it.
func setMetadata(root *os.Root, name string, h *tar.Header) error {
	if os.Geteuid() == 0 {
		if err := root.Lchown(name, h.Uid, h.Gid); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeSymlink {
		at := unix.NsecToTimespec(h.ModTime.UnixNano())
		return within(root, name, func(dir int, base string) error {
			return unix.UtimesNanoAt(dir, base, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
		})
	}
	if err := root.Chmod(name, h.FileInfo().Mode()); err != nil {
		return err
	}
	return root.Chtimes(name, h.ModTime, h.ModTime)
}
