package squashfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/image/tar"
)

// Options says how a file system is compressed. The zero value is the good default.
type Options struct {
	// Compression is zstd, xz, gzip or none; zstd if it is empty.
	Compression string
	// Level is that of zstd, 1 to 22, or of gzip, 1 to 9; 0 is 6. On a kernel with its
	// modules zstd's 19 saved a tenth of the space of 6, and took 25 times as long.
	Level int
	// Block is how many bytes are compressed together: a power of two from 4 KiB to 1 MiB;
	// 0 is 1 MiB.
	Block int64
	// Processors is how many processors compress; 0 is all. No byte depends on it.
	Processors int
	// Progress is called with the number of bytes packed since the last call, and with what
	// they add up to over a whole run.
	Progress func(n, total int64)

	allRoot   bool // all files are root's
	namespace bool // mksquashfs needs one to take itself for root
}

const (
	defaultLevel       = 6
	minBlock, maxBlock = 4 << 10, 1 << 20
)

// Check says what is wrong with the options.
func (o Options) Check() error {
	most := map[string]int{"": 22, "zstd": 22, "gzip": 9, "xz": 0, "none": 0}
	levels, ok := most[o.Compression]
	switch {
	case !ok:
		return fmt.Errorf("compression %q: there are zstd, xz, gzip and none", o.Compression)
	case o.Level < 0 || o.Level > levels && levels > 0:
		return fmt.Errorf("level %d: %s has 1 to %d", o.Level, o.compression(), levels)
	case o.Level > levels:
		return fmt.Errorf("level %d: %s has no levels; leave it out", o.Level, o.compression())
	case o.Block != 0 && (o.Block < minBlock || o.Block > maxBlock || o.Block&(o.Block-1) != 0):
		return fmt.Errorf("block size %d: squashfs has powers of two from %d to %d", o.Block, minBlock, maxBlock)
	}
	return nil
}

func (o Options) compression() string {
	if o.Compression == "" {
		return "zstd"
	}
	return o.Compression
}

// arguments are those of mksquashfs for the options.
func (o Options) arguments(root *image.Node) []string {
	block := o.Block
	if block == 0 {
		block = maxBlock
	}
	args := []string{"-tar", "-noappend", "-exit-on-error", "-quiet", "-no-progress", "-reproducible",
		"-root-mode", strconv.FormatUint(uint64(root.UnixMode()&0o7777), 8),
		"-b", strconv.FormatInt(block, 10)}
	if o.allRoot {
		args = append(args, "-all-root")
	}
	if o.Processors > 0 {
		args = append(args, "-processors", strconv.Itoa(o.Processors))
	}
	level := o.Level
	if level == 0 {
		level = defaultLevel
	}
	switch o.compression() {
	case "none":
		args = append(args, "-comp", "gzip", "-noI", "-noD", "-noF", "-noX")
	case "xz":
		args = append(args, "-comp", "xz", "-Xdict-size", "100%")
	default:
		args = append(args, "-comp", o.compression(), "-Xcompression-level", strconv.Itoa(level))
	}
	return args
}

// Tool is an mksquashfs that was found.
type Tool struct {
	path string
	// Version is what it says that it is: the bytes depend on it.
	Version string
}

// hostPath is where mksquashfs lies beside the folders that a caller names.
var hostPath = []string{
	"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin",
	"/run/current-system/sw/bin", "/run/current-system/profile/bin",
}

// Find returns the first mksquashfs in the folders of path, then in the usual ones.
func Find(ctx context.Context, path []string) (*Tool, error) {
	for _, dir := range append(slices.Clone(path), hostPath...) {
		name, err := exec.LookPath(filepath.Join(dir, "mksquashfs"))
		if err != nil || !filepath.IsAbs(name) {
			continue
		}
		cmd := exec.CommandContext(ctx, name, "-version")
		cmd.Env, cmd.Dir = []string{"LC_ALL=C"}, "/"
		out, _ := cmd.Output() // its status is 1 in some versions
		t := &Tool{path: name}
		t.Version, _, _ = strings.Cut(string(out), "\n")
		var major, minor int
		if _, err := fmt.Sscanf(t.Version, "mksquashfs version %d.%d", &major, &minor); err != nil {
			return nil, fmt.Errorf("squashfs: %s -version says %q, and no version", name, t.Version)
		}
		if major < 4 || major == 4 && minor < 5 {
			return nil, fmt.Errorf("squashfs: %s is version %d.%d, and reading archives takes 4.5: install a newer squashfs-tools", name, major, minor)
		}
		return t, nil
	}
	return nil, errors.New("squashfs: mksquashfs is missing: install squashfs-tools, 4.5 or later")
}

// An Image is a file system that was made: a Map over a file without a name, which is
// gone with [Image.Close] or with the process.
type Image struct {
	*image.Map
	file *image.Scratch
}

// Close gives the file back. The Map cannot be read any more.
func (i *Image) Close() error { return i.file.Close() }

// Make returns the file system that holds the tree. What it takes, up to the size of
// the files, is used in the folder temp, and given back even if the process is killed.
func (t *Tool) Make(ctx context.Context, tree *image.Tree, temp string, o Options) (*Image, error) {
	img, err := t.make(ctx, tree, temp, o)
	if err != nil {
		return nil, fmt.Errorf("squashfs: %w", err)
	}
	return img, nil
}

func (t *Tool) make(ctx context.Context, tree *image.Tree, temp string, o Options) (*Image, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := checkTree(tree); err != nil {
		return nil, err
	}
	archive, err := tar.Layout(tree, tar.Options{WholeSeconds: true})
	if err != nil {
		return nil, err
	}
	// The root directory becomes that of whoever runs mksquashfs, unless all becomes root's.
	o.allRoot = allRoot(tree)
	o.namespace = !o.allRoot && (os.Geteuid() != 0 || os.Getegid() != 0)
	f, err := image.NewScratch(temp)
	if err != nil {
		return nil, err
	}
	// mksquashfs takes the clock for the time of the root directory, unless this sets a limit to
	// all times; it is that of the file system, too.
	limit := "SOURCE_DATE_EPOCH=" + strconv.FormatInt(newest(tree), 10)
	if err := t.run(ctx, archive, f.File, o, tree.Root, limit); err != nil {
		f.Close()
		return nil, err
	}
	m, err := mapOf(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Image{m, f}, nil
}

// mapOf returns the bytes of what mksquashfs has written.
func mapOf(f *image.Scratch) (*image.Map, error) {
	blob, err := f.Blob()
	if err != nil {
		return nil, err
	}
	return image.MapOf(blob, &image.Owner{Name: "squashfs"}), nil
}

// run has mksquashfs turn the archive into a file system in f.
func (t *Tool) run(ctx context.Context, tar *image.Map, f *os.File, o Options, root *image.Node, environment string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	_, _ = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, pipeSize) // a smaller one does, too
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, t.path, append([]string{"-", "/proc/self/fd/3"}, o.arguments(root)...)...)
	cmd.Env, cmd.Dir = []string{"LC_ALL=C", environment}, "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &said, &said
	cmd.ExtraFiles = []*os.File{f}
	ended, err := launch(cmd, o.namespace)
	r.Close()
	if err != nil && o.namespace {
		return fmt.Errorf("mksquashfs gives the root directory to user %d, who runs it, and this host grants no user namespace in which that is root: run as root, or give all files to root (%w)", os.Geteuid(), err)
	}
	if err != nil {
		return err
	}
	// When mksquashfs ends early, the pipe breaks; its own words say why.
	fed := image.Stream(ctx, tar, w, image.WriteOptions{Progress: func(n int64) {
		if o.Progress != nil {
			o.Progress(n, tar.Size())
		}
	}})
	if fed != nil && !errors.Is(fed, unix.EPIPE) {
		cancel()
	}
	w.Close()
	err = <-ended
	switch {
	case fed != nil && !errors.Is(fed, unix.EPIPE):
		return fed
	case err != nil && strings.Contains(said.String(), "No space left on device"):
		return &os.PathError{Op: "write", Path: f.Name(), Err: unix.ENOSPC}
	case err != nil:
		return fmt.Errorf("%s: %w: %s", t.path, err, lastWords(said.String()))
	case fed != nil:
		return fmt.Errorf("%s ended before it had read all: %s", t.path, lastWords(said.String()))
	}
	return nil
}

// pipeSize is as much as a pipe may have without a privilege: one write of the archive.
const pipeSize = 1 << 20

// launch starts a child that dies with this process, even by SIGKILL. The kernel sends
// that signal when the thread ends that made the child, so one is kept until then.
// In a user namespace the child takes itself for root.
func launch(cmd *exec.Cmd, namespace bool) (ended <-chan error, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if namespace {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	started, done := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	return done, <-started
}

// lastWords makes one line of what a program said.
func lastWords(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return "it said nothing"
	}
	return s[max(0, len(s)-500):]
}
