package files

import (
	"archive/tar"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ingot/internal/tarstream"
)

// UnpackOptions say what is kept of files beside their contents, modes and times, and
// how much is taken.
type UnpackOptions struct {
	Owners bool // user and group, by number

	// Special keeps what can do more than a file's contents: device nodes, pipes,
	// set-user-ID and set-group-ID bits, and the attributes that only root may set.
	Special bool

	Limits Limits

	// Memory is that of the sender, if the receiver asked it to leave files there.
	Memory Memory
}

// Memory is what files can be read from by their addresses. No more bytes are read than
// its size says.
type Memory interface {
	io.ReaderAt
	Size() int64
}

// Unpack makes the files of a tar stream in a folder, which is there. It replaces
// files and links of the same names, and leaves others alone. A stream names each file
// once, and all in a folder before it goes on to the next, as [Pack] does. Lost tells, in
// one line for each kind, what was left out: what o does not ask for, attributes that the
// file system does not take, devices that only root can make. The error is a
// [*LimitError] if the stream holds too much.
func Unpack(r io.Reader, dir string, o UnpackOptions) (lost []string, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return UnpackInto(r, f, o)
}

// UnpackInto is [Unpack] to a folder that is open: whatever has its name meanwhile.
func UnpackInto(r io.Reader, dir *os.File, o UnpackOptions) (lost []string, err error) {
	u := &unpacker{options: o, budget: budget{limits: o.Limits.orDefault()}, made: map[uint64]byte{}, seed: maphash.MakeSeed()}
	root, err := openFolder(int(dir.Fd()), ".")
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir.Name(), Err: err}
	}
	u.open = []folder{{fd: root}}
	err = u.all(r)
	for len(u.open) > 0 {
		err = errors.Join(err, u.leave(err == nil))
	}
	return u.left.lines(), err
}

// IsBroken reports whether an error of [Pack] or [Unpack] means that the other side has ended
// the stream: it may know why.
func IsBroken(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, unix.EPIPE)
}

type unpacker struct {
	options UnpackOptions
	budget  budget
	left    leftOut
	open    []folder // the one that the stream is in, behind those that it lies in
	pending int      // what their attributes take
	buffer  []byte   // for contents

	// made has the types of all that the stream has made, by digests of their names: a
	// million names would take much more. The sender does not know the seed.
	made map[uint64]byte
	seed maphash.Seed
}

// folder is one that is open. Its metadata is set through the descriptor when the stream
// has left it, for its mode might keep its contents out: its name may by then be that of
// something else.
type folder struct {
	name string // from the root, which is ""
	fd   int
	meta *metadata // nil if the stream has not named it
	was  uint32    // its mode, if it was there and had to be made writable, or else 0
}

// metadata is what a file has beside its contents.
type metadata struct {
	name       string
	typ        byte
	mode       uint32
	uid, gid   int
	modified   time.Time
	attributes map[string]string
	cost       int // of the attributes, in memory
}

// all unpacks the stream to its end.
func (u *unpacker) all(r io.Reader) error {
	in := tarstream.NewReader(r)
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("tar stream: %w", err)
		}
		if err := u.add(h, in); err != nil {
			return err
		}
	}
	// The sender may still be at the zeros that end the stream.
	n, err := io.Copy(io.Discard, io.LimitReader(r, maxTrailing+1))
	if n > maxTrailing {
		return fmt.Errorf("tar stream: more than %d bytes follow its end", maxTrailing)
	}
	return err
}

func (u *unpacker) add(h *tar.Header, in io.Reader) error {
	switch skip, odd := tarstream.Settle(h); { // another program than an agent may have packed it
	case skip && odd != "":
		u.left.add("entries that are no files", h.Name)
		return nil
	case skip:
		return nil
	case odd != "":
		u.left.add("types that are not known, of what is taken for regular files", h.Name)
	}
	name, err := cleanName(h.Name)
	if err != nil || name == "." { // the folder itself belongs to the receiver
		return err
	}
	if err := u.enter(path.Dir(name)); err != nil {
		return err
	}
	if err := u.note(name, h.Typeflag); err != nil {
		return err
	}
	if len(h.Linkname) > maxTarget {
		return fmt.Errorf("tar stream: %.200q leads to a name of %d bytes; the limit is %d", name, len(h.Linkname), maxTarget)
	}
	m, err := u.metadata(name, h)
	if err != nil {
		return err
	}
	dir, base := u.in().fd, path.Base(name)
	switch h.Typeflag {
	case tar.TypeDir:
		return u.folder(name, 0o700, m)
	case tar.TypeReg:
		err = u.file(dir, base, m, h, in)
	case tar.TypeLink:
		err = u.link(dir, base, name, h.Linkname)
	case tar.TypeSymlink:
		err = u.symlink(dir, base, m, h.Linkname)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		err = u.special(dir, base, m, h)
	default:
		err = errSparse(name)
	}
	return failed(name, err)
}

// errSparse refuses a file that can be much larger than what is sent of it.
func errSparse(name string) error {
	return fmt.Errorf("tar stream: %.200q is sparse, and agents send no sparse files", name)
}

// failed names the file at which a system call has failed. Other errors name it already.
func failed(name string, err error) error {
	if errno, ok := err.(unix.Errno); ok {
		return &fs.PathError{Op: "unpack", Path: fmt.Sprintf("%.200q", name), Err: errno}
	}
	return err
}

// cleanName refuses names that lead out of the root, or that no file can have.
func cleanName(name string) (string, error) {
	clean := filepath.Clean(strings.TrimSuffix(name, "/"))
	switch {
	case len(name) > maxName:
		return "", fmt.Errorf("tar stream: %.80q… is a name of %d bytes; the limit is %d", name, len(name), maxName)
	case !filepath.IsLocal(clean) || strings.ContainsRune(clean, 0):
		return "", fmt.Errorf("tar stream: %.200q leads out of the folder that it is unpacked to", name)
	case strings.Count(clean, "/") >= maxDepth:
		return "", fmt.Errorf("tar stream: %.80q… lies deeper than %d folders, which is the limit", name, maxDepth)
	}
	return strings.Clone(clean), nil
}

// note remembers a name that the stream makes. One that comes again could have become a
// link, or a folder whose metadata is set already.
func (u *unpacker) note(name string, typ byte) error {
	key := maphash.String(u.seed, name)
	if _, ok := u.made[key]; ok {
		return fmt.Errorf("tar stream: %.200q comes twice", name)
	}
	if err := u.budget.count(name); err != nil {
		return err
	}
	if typ == tar.TypeLink {
		typ = tar.TypeReg
	}
	u.made[key] = typ
	return nil
}

// in is the folder that the stream is in.
func (u *unpacker) in() folder { return u.open[len(u.open)-1] }

// enter makes a folder the one that the stream is in. Those that it is not in any more
// are finished. Folders that the stream has not named are made.
func (u *unpacker) enter(name string) error {
	if name == "." {
		name = ""
	}
	for at := u.in().name; at != "" && at != name && !strings.HasPrefix(name, at+"/"); at = u.in().name {
		if err := u.leave(true); err != nil {
			return err
		}
	}
	for at := u.in().name; at != name; at = u.in().name {
		next := strings.TrimPrefix(name[len(at):], "/")
		next, _, _ = strings.Cut(next, "/")
		next = path.Join(at, next)
		if typ, ok := u.made[maphash.String(u.seed, next)]; ok {
			if typ == tar.TypeDir {
				return fmt.Errorf("tar stream: %.200q: the stream comes back to this folder after it has left it", next)
			}
			return fmt.Errorf("tar stream: %.200q is no folder, and has files", next)
		}
		if err := u.note(next, tar.TypeDir); err != nil {
			return err
		}
		if err := u.folder(next, 0o755, nil); err != nil {
			return err
		}
	}
	return nil
}

// leave closes the folder that the stream is in, and finishes it first if all went well.
func (u *unpacker) leave(finish bool) (err error) {
	f := u.in()
	u.open = u.open[:len(u.open)-1]
	if f.meta != nil {
		u.pending -= f.meta.cost
	}
	switch {
	case f.meta != nil && finish:
		err = u.finish(f.fd, f.meta)
	case f.was != 0:
		err = unix.Fchmod(f.fd, f.was)
	}
	return errors.Join(err, unix.Close(f.fd))
}

// folder makes a folder and enters it. One that is there is taken; where a file or a
// link has its name, that goes.
func (u *unpacker) folder(name string, mode uint32, m *metadata) error {
	parent, base := u.in().fd, path.Base(name)
	mkdir := func() error { return again(func() error { return unix.Mkdirat(parent, base, mode) }) }
	err := mkdir()
	found := errors.Is(err, unix.EEXIST)
	if found {
		var st *unix.Stat_t
		if st, err = statusAt(parent, base); err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if m == nil {
				return failed(name, unix.ENOTDIR) // nothing says that it has to go
			}
			if err = remove(parent, base); err == nil {
				err = mkdir()
			}
		}
	}
	if err != nil {
		return failed(name, err)
	}
	fd, err := openFolder(parent, base)
	if err != nil {
		return failed(name, err)
	}
	f := folder{name: name, fd: fd, meta: m}
	if m != nil && found && os.Geteuid() != 0 {
		// A copy before this one may have made it, and taken from its owner the right to write.
		if st, err := status(fd); err == nil && st.Mode&0o300 != 0o300 && unix.Fchmod(fd, st.Mode&0o7777|0o300) == nil {
			f.was = st.Mode & 0o7777
		}
	}
	u.open = append(u.open, f)
	if m == nil {
		return nil
	}
	if u.pending += m.cost; u.pending > maxPending {
		return fmt.Errorf("tar stream: %.200q: the attributes of this folder, and of those that it lies in, take more than %d bytes, which is the limit", name, maxPending)
	}
	return nil
}

// remove removes what has a name, if anything has; a folder has to be empty.
func remove(dir int, base string) error {
	err := again(func() error { return unix.Unlinkat(dir, base, 0) })
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		if second := again(func() error { return unix.Unlinkat(dir, base, unix.AT_REMOVEDIR) }); !errors.Is(second, unix.ENOTDIR) {
			err = second
		}
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

const contentsPiece = 256 << 10

func (u *unpacker) file(dir int, base string, m *metadata, h *tar.Header, in io.Reader) (err error) {
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return errSparse(m.name)
		}
	}
	size, located := h.PAXRecords[memoryRecord]
	if !located {
		if err := u.budget.spend(m.name, h.Size); err != nil {
			return err
		}
	}
	if err := remove(dir, base); err != nil {
		return err
	}
	fd, err := openAt(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), m.name)
	defer func() { err = errors.Join(err, f.Close()) }()
	if u.buffer == nil {
		u.buffer = make([]byte, contentsPiece)
	}
	if located {
		err = u.collect(f, m.name, size, in)
	} else {
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, in, u.buffer)
	}
	if err != nil {
		return err
	}
	return u.finish(fd, m)
}

// link makes a further name for a file that the stream has made: not for one that was
// there, which is none of the sender's.
func (u *unpacker) link(dir int, base, name, target string) error {
	first, err := cleanName(target)
	if err != nil {
		return err
	}
	if u.made[maphash.String(u.seed, first)] != tar.TypeReg || first == name {
		return fmt.Errorf("tar stream: %.200q is a further name of %.200q, which is no file that the stream has made", name, target)
	}
	fd, err := u.find(first)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := remove(dir, base); err != nil {
		return err
	}
	// By its descriptor: linkat(2) lets only root have it without /proc.
	return again(func() error {
		return unix.Linkat(unix.AT_FDCWD, through(fd), dir, base, unix.AT_SYMLINK_FOLLOW)
	})
}

// find opens a regular file by its name from the root.
func (u *unpacker) find(name string) (int, error) {
	at := u.open[0].fd
	for {
		part, rest, more := strings.Cut(name, "/")
		fd, err := openAny(at, part)
		if at != u.open[0].fd {
			unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		if at, name = fd, rest; more {
			continue
		}
		st, err := status(fd)
		if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
			err = unix.EINVAL
		}
		if err != nil {
			unix.Close(fd)
			return -1, err
		}
		return fd, nil
	}
}

func (u *unpacker) symlink(dir int, base string, m *metadata, target string) error {
	if err := u.budget.spend(m.name, int64(len(target))); err != nil {
		return err
	}
	if err := remove(dir, base); err != nil {
		return err
	}
	if err := again(func() error { return unix.Symlinkat(target, dir, base) }); err != nil {
		return err
	}
	return u.finishNamed(dir, base, m, unix.S_IFLNK)
}

// specials are the kinds of file that tar's types stand for.
var specials = map[byte]struct {
	kind uint32
	what string
}{tar.TypeChar: {unix.S_IFCHR, "device nodes"}, tar.TypeBlock: {unix.S_IFBLK, "device nodes"}, tar.TypeFifo: {unix.S_IFIFO, "FIFOs"}}

// special makes a device or a pipe, if that is wanted.
func (u *unpacker) special(dir int, base string, m *metadata, h *tar.Header) error {
	s := specials[h.Typeflag]
	if !u.options.Special {
		u.left.add(s.what, m.name)
		return nil
	}
	if err := remove(dir, base); err != nil {
		return err
	}
	err := again(func() error {
		return unix.Mknodat(dir, base, s.kind|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	})
	if errors.Is(err, unix.EPERM) {
		u.left.add(s.what+", which only root can make", m.name)
		return nil
	}
	if err != nil {
		return err
	}
	return u.finishNamed(dir, base, m, s.kind)
}

// metadata takes from a header what is to be kept. The header itself may hold a
// megabyte of records.
func (u *unpacker) metadata(name string, h *tar.Header) (*metadata, error) {
	m := &metadata{name: name, typ: h.Typeflag, mode: uint32(h.Mode & 0o7777), uid: h.Uid, gid: h.Gid, modified: h.ModTime}
	for record, value := range h.PAXRecords {
		attribute, ok := strings.CutPrefix(record, xattrPrefix)
		if !ok || h.Typeflag == tar.TypeLink {
			continue
		}
		if !u.options.Special && !everybodys(attribute) {
			u.left.add(namespace(attribute)+" attributes", name)
			continue
		}
		if m.attributes == nil {
			m.attributes = map[string]string{}
		}
		m.attributes[strings.Clone(attribute)] = strings.Clone(value)
		m.cost += len(attribute) + len(value) + attributeCost
	}
	return m, u.budget.spend(name, int64(m.cost))
}

// everybodys reports whether a file's owner may set an attribute: access lists are like modes.
func everybodys(attribute string) bool {
	return strings.HasPrefix(attribute, "user.") || attribute == "system.posix_acl_access" || attribute == "system.posix_acl_default"
}

// namespace tells which attributes one is of, of those that xattr(7) knows.
func namespace(attribute string) string {
	space, _, _ := strings.Cut(attribute, ".")
	if slices.Contains([]string{"security", "trusted", "system"}, space) {
		return space + ".*"
	}
	return "unknown"
}

// finishNamed is finish for what cannot be opened otherwise. It was just made.
func (u *unpacker) finishNamed(dir int, base string, m *metadata, kind uint32) error {
	fd, err := openAny(dir, base)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if st, err := status(fd); err != nil || st.Mode&unix.S_IFMT != kind {
		return fmt.Errorf("%.200q was replaced while it was made: %w", m.name, errors.Join(err, unix.ESTALE))
	}
	return u.finish(fd, m)
}

// finish sets what a file has beside its contents, through its descriptor. The owner
// comes first, for a change of it takes bits off the mode.
func (u *unpacker) finish(fd int, m *metadata) error {
	return failed(m.name, u.set(fd, m))
}

func (u *unpacker) set(fd int, m *metadata) error {
	if u.options.Owners {
		if err := unix.Fchownat(fd, "", m.uid, m.gid, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if err := u.attributes(fd, m); err != nil {
		return err
	}
	if m.typ != tar.TypeSymlink {
		mode, err := u.mode(fd, m)
		if err != nil {
			return err
		}
		if err := unix.Fchmodat(unix.AT_FDCWD, through(fd), mode, 0); err != nil {
			return err
		}
	}
	when, err := unix.TimeToTimespec(m.modified)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, through(fd), []unix.Timespec{when, when}, 0)
}

const setID = unix.S_ISUID | unix.S_ISGID

// mode is what a file gets. A folder that was there keeps its own set-group-ID, which
// says whose its files are.
func (u *unpacker) mode(fd int, m *metadata) (uint32, error) {
	if u.options.Special {
		return m.mode, nil
	}
	if m.typ != tar.TypeDir {
		if m.mode&setID != 0 {
			u.left.add("set-user-ID and set-group-ID bits", m.name)
		}
		return m.mode &^ setID, nil
	}
	st, err := status(fd)
	if err != nil {
		return 0, err
	}
	if m.mode&setID&^st.Mode != 0 {
		u.left.add("set-user-ID and set-group-ID bits", m.name)
	}
	return m.mode&^setID | st.Mode&setID, nil
}

// unkept are the reasons of a file system, or of a kernel, not to take an attribute.
var unkept = []error{unix.ENOTSUP, unix.EPERM, unix.EINVAL, unix.E2BIG, unix.ERANGE, unix.ENOSPC}

// attributes sets extended attributes.
func (u *unpacker) attributes(fd int, m *metadata) error {
	for _, name := range slices.Sorted(maps.Keys(m.attributes)) {
		err := unix.Setxattr(through(fd), name, []byte(m.attributes[name]), 0)
		if slices.ContainsFunc(unkept, func(reason error) bool { return errors.Is(err, reason) }) {
			u.left.add("attributes that the file system does not take", m.name)
		} else if err != nil {
			return fmt.Errorf("%.200q: attribute %.100q: %w", m.name, name, err)
		}
	}
	return nil
}
