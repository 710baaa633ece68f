package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ingot/image"
	"ingot/image/fileformat"
	"ingot/image/nbd"
	"ingot/inspect"
	"ingot/internal/socket"
	"ingot/lab"
	"ingot/partition"
	"ingot/recipes"
)

func newServe() *cobra.Command {
	var r recipeFlags
	var s serveFlags
	c := &cobra.Command{
		Use:   "serve WHAT|IMAGE | NAME=WHAT|IMAGE...",
		Short: "serve a disk over NBD, block by block, without writing it",
		Long: `Serve the disk that a recipe describes, or the disk in an image (raw, qcow2, VDI or VHD,
by its name or by a word behind it, such as IMAGE:qcow2), as a network block device on a
Unix socket. ingot does not write a recipe's disk: it makes the bytes that clients read, and
they are those that build writes, with the same digest.

serve prints the address on standard output once clients can connect. Only you can use the
socket. serve removes it at the end, and replaces one that a killed serve left.

Clients can write with --writable, which discards writes on exit, or with --overlay FILE,
which keeps them in FILE for the next time, as long as the disk below is the same.

` + whatHelp + `

NAME=WHAT or NAME=IMAGE serves several disks under their names. The default socket is
NAME.nbd in ingot's folder below XDG_RUNTIME_DIR, or in /tmp/ingot-UID.`,
		Example: `  ingot serve web.yaml --socket web.nbd
  qemu-system-x86_64 -m 512 -snapshot -drive file=nbd+unix:///?socket=web.nbd,format=raw
  ingot serve web.qcow2 --overlay changes.overlay
  ingot serve root=web.yaml data=data.img --writable
  ingot serve web.yaml --once & qemu-img convert -O raw "nbd+unix:///?socket=…" copy.img`,
		Args: takes(1, -1),
		RunE: func(c *cobra.Command, args []string) error { return serve(c, args, r, s) },
	}
	r.add(c)
	r.addStore(c)
	r.addHelper(c)
	f := c.Flags()
	f.StringVar(&s.socket, "socket", "", "`PATH` of the socket. Default: NAME.nbd, see above.")
	f.BoolVar(&s.writable, "writable", false, "clients may write; writes are discarded on exit")
	f.StringVar(&s.kept, "overlay", "", "keep writes in `FILE`; clients may write then")
	f.StringVar(&s.export, "export", "", "`NAME` of the export. Default: none.")
	f.BoolVar(&s.once, "once", false, "end when the last client has gone")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "print results and errors only")
	return c
}

type serveFlags struct {
	socket, kept, export  string
	writable, once, quiet bool
}

func serve(c *cobra.Command, args []string, r recipeFlags, s serveFlags) error {
	exports, done, err := openExports(c, args, r, s)
	defer done()
	if err != nil {
		return err
	}
	failed := func(err error) { sayLines(c.ErrOrStderr(), "ingot: serve: ", err.Error()) }
	server, err := nbd.NewServer(exports, nbd.Options{Failed: failed, Once: s.once})
	if err != nil {
		return usageError{fmt.Errorf("serve: %w", err)}
	}
	path, l, err := s.listen(args[0])
	if err != nil {
		return err
	}
	for _, e := range exports {
		if !s.quiet {
			fmt.Fprintf(c.ErrOrStderr(), "serving %s of %s\n", partition.FormatBytes(e.Disk.Allocated(1)), partition.FormatBytes(e.Disk.Size()))
		}
		fmt.Fprintln(c.OutOrStdout(), nbd.URI(path, e.Name))
	}
	return server.Serve(c.Context(), l)
}

// openExports opens all disks. What done closes may be open also if there is an error.
func openExports(c *cobra.Command, args []string, r recipeFlags, s serveFlags) (exports []nbd.Export, done func(), err error) {
	var opened []io.Closer
	done = func() {
		for _, o := range opened {
			if err := o.Close(); err != nil {
				sayLines(c.ErrOrStderr(), "ingot: serve: ", err.Error())
			}
		}
	}
	if len(args) > 1 && (s.kept != "" || s.export != "") {
		return nil, done, usageError{errors.New("serve: --overlay and --export are for a single disk")}
	}
	if err := onlyImages(c, args, r); err != nil {
		return nil, done, err
	}
	for _, arg := range args {
		e := nbd.Export{Name: s.export}
		if len(args) > 1 {
			name, what, ok := strings.Cut(arg, "=")
			if !ok || name == "" {
				return nil, done, usageError{fmt.Errorf("serve: %s: each of several disks needs a name: NAME=%s", arg, arg)}
			}
			e.Name, arg = name, what
		}
		var close io.Closer
		if e.Disk, close, err = openMap(c, arg, r); err != nil {
			return nil, done, err
		}
		opened = append(opened, close)
		if e.Overlay, err = s.overlay(e.Disk); err != nil {
			return nil, done, err
		}
		if e.Overlay != nil {
			opened = append(opened, e.Overlay)
		}
		exports = append(exports, e)
	}
	return exports, done, nil
}

// onlyImages refuses flags of recipes where all that is served are images.
func onlyImages(c *cobra.Command, args []string, r recipeFlags) error {
	for _, arg := range args {
		if len(args) > 1 {
			_, arg, _ = strings.Cut(arg, "=")
		}
		if isImage, err := looksLikeImage(arg); err != nil || !isImage || r.systemPath(arg) != "" || isFolder(c, arg) {
			return nil // opening it returns the error
		}
	}
	return checkKind(c, anyImage, strings.Join(args, ", "))
}

// overlay returns the layer that takes what clients write, or nil.
func (s *serveFlags) overlay(disk *image.Map) (*nbd.Overlay, error) {
	switch {
	case s.kept != "":
		if said, ok := fileformat.OfName(s.kept); ok {
			return nil, usageError{fmt.Errorf("serve: --overlay %s: the suffix %s is that of %s, and the file holds changes in a format of its own: give another name, such as changes.overlay", s.kept, filepath.Ext(s.kept), said.What)}
		}
		if _, err := image.Target(s.kept); err != nil {
			return nil, fmt.Errorf("--overlay: %w", err)
		}
		return nbd.OpenOverlay(disk, s.kept)
	case !s.writable:
		return nil, nil
	}
	return nbd.TemporaryOverlay(disk, os.TempDir())
}

// openMap opens the disk of a recipe, or the one in an image.
func openMap(c *cobra.Command, name string, r recipeFlags) (*image.Map, io.Closer, error) {
	if r.systemPath(name) != "" || isFolder(c, name) {
		return planMap(c, name, r)
	}
	isImage, err := looksLikeImage(name)
	if err != nil {
		return nil, nil, err
	}
	if !isImage {
		return planMap(c, name, r)
	}
	disk, err := inspect.Open(c.Context(), name)
	if err != nil {
		return nil, nil, err
	}
	return disk.Map, disk, nil
}

func planMap(c *cobra.Command, name string, r recipeFlags) (*image.Map, io.Closer, error) {
	plan, err := r.plan(c, name, "")
	if err != nil {
		return nil, nil, err
	}
	if len(plan.Files) > 0 {
		plan.Close()
		if r.format != "" {
			return nil, nil, usageError{fmt.Errorf("serve: --format %s: is a folder of files, and no disk to serve", r.format)}
		}
		return nil, nil, &recipes.Error{File: name, Key: "output.format", What: "is a folder of files, and no disk to serve"}
	}
	if err := finishPlan(c, plan, r, false, os.TempDir()); err != nil {
		plan.Close()
		return nil, nil, err
	}
	return plan.Disk.Map, plan, nil
}

// looksLikeImage says whether a name is that of an image.
func looksLikeImage(text string) (bool, error) {
	if text == stdin {
		return false, nil
	}
	kind, err := lab.KindOfFile(text)
	return kind == lab.IsImage, err
}

// listen makes the socket, and returns its path.
func (s *serveFlags) listen(what string) (path string, l net.Listener, err error) {
	if s.socket != "" {
		if path, err = filepath.Abs(s.socket); err != nil {
			return "", nil, err
		}
		l, err = socket.Listen(path)
		return path, l, err
	}
	dir, err := runningDir()
	if err != nil {
		return "", nil, fmt.Errorf("%w; or name a --socket", err)
	}
	base := filepath.Base(what)
	name := strings.TrimSuffix(base, filepath.Ext(base)) + ".nbd"
	path = dir.Path(name)
	if err := socket.CheckPath(path); err != nil {
		return "", nil, err
	}
	listener, err := dir.Listen(name)
	if err != nil {
		return "", nil, fmt.Errorf("%w: name a --socket", err)
	}
	return path, listener, nil
}
