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

// Options are options of the compression. The zero value is the good default.
type Options struct {
	// Compression is zstd, xz, gzip or none. Default: zstd.
	Compression string
	// Level is the level of zstd, 1 to 22, or of gzip, 1 to 9. Default: 6. For a kernel with its
	// modules, zstd's 19 saved a tenth of the space and took 25 times as long.
	Level int
	// Block is the number of bytes that are compressed together: a power of two from 4 KiB to
	// 1 MiB. Default: 1 MiB.
	Block int64
	// Processors is the number of processors to use. It does not affect the bytes. Default: all.
	Processors int
	// Progress is called with the number of bytes packed since the last call, and the total of
	// a whole run.
	Progress func(n, total int64)

	allRoot   bool // root owns all files
	namespace bool // mksquashfs must run in a user namespace, as root
}

const (
	defaultLevel       = 6
	minBlock, maxBlock = 4 << 10, 1 << 20
)

// Check refuses invalid options.
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

// arguments returns the arguments of mksquashfs.
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

// Tool is an installed mksquashfs.
type Tool struct {
	path string
	// Version is its own description of its version, on which the bytes depend.
	Version string
}

// hostPath are the usual folders of mksquashfs.
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
		out, _ := cmd.Output() // some versions exit with 1
		t := &Tool{path: name}
		t.Version, _, _ = strings.Cut(string(out), "\n")
		var major, minor int
		if _, err := fmt.Sscanf(t.Version, "mksquashfs version %d.%d", &major, &minor); err != nil {
			return nil, fmt.Errorf("squashfs: %s -version prints %q, which is no version", name, t.Version)
		}
		if major < 4 || major == 4 && minor < 5 {
			return nil, fmt.Errorf("squashfs: %s is version %d.%d, but reading archives requires 4.5: install a newer squashfs-tools", name, major, minor)
		}
		return t, nil
	}
	return nil, errors.New("squashfs: mksquashfs is missing: install squashfs-tools, 4.5 or later")
}

// An Image is a finished file system: a Map over a file without a name, which disappears with
// [Image.Close] or with the process.
type Image struct {
	*image.Map
	file *image.Scratch
}

// Close removes the file, after which the Map cannot be read.
func (i *Image) Close() error { return i.file.Close() }

// Make returns a file system that holds the tree. It needs space in the folder temp, up to the
// size of the files, and frees it even if the process is killed.
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
	// The user that runs mksquashfs owns the root directory, unless root owns all files.
	o.allRoot = allRoot(tree)
	o.namespace = !o.allRoot && (os.Geteuid() != 0 || os.Getegid() != 0)
	f, err := image.NewScratch(temp)
	if err != nil {
		return nil, err
	}
	// Without this limit for all times, mksquashfs gives the root directory the clock's time. It
	// is also the time of the file system.
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

// mapOf returns the output of mksquashfs.
func mapOf(f *image.Scratch) (*image.Map, error) {
	blob, err := f.Blob()
	if err != nil {
		return nil, err
	}
	return image.MapOf(blob, &image.Owner{Name: "squashfs"}), nil
}

// run makes mksquashfs convert the archive to a file system in f.
func (t *Tool) run(ctx context.Context, tar *image.Map, f *os.File, o Options, root *image.Node, environment string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	_, _ = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, pipeSize) // a smaller one works, too
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, t.path, append([]string{"-", "/proc/self/fd/3"}, o.arguments(root)...)...)
	cmd.Env, cmd.Dir = []string{"LC_ALL=C", environment}, "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &said, &said
	cmd.ExtraFiles = []*os.File{f}
	ended, err := launch(cmd, o.namespace)
	r.Close()
	if err != nil && o.namespace {
		return fmt.Errorf("mksquashfs gives the root directory to user %d, who runs it, and this host allows no user namespace to prevent that: run as root, or give all files to root (%w)", os.Geteuid(), err)
	}
	if err != nil {
		return err
	}
	// If mksquashfs ends early, the pipe breaks; its output has the reason.
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
		return fmt.Errorf("%s ended before it had read everything: %s", t.path, lastWords(said.String()))
	}
	return nil
}

// pipeSize is the limit for a pipe of an ordinary user, and one write of the archive.
const pipeSize = 1 << 20

// launch starts a child that dies with this process, even by SIGKILL. The kernel sends that
// signal when the thread that started the child ends, so launch keeps the thread. In a user
// namespace the child runs as root.
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

// lastWords returns the end of a program's output as one line.
func lastWords(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return "it printed nothing"
	}
	return s[max(0, len(s)-500):]
}
