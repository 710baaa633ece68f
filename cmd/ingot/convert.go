package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/docker"
	"ingot/image/iso9660"
	"ingot/image/qcow2"
	"ingot/image/suffix"
	"ingot/image/tar"
	"ingot/image/vdi"
	"ingot/image/vhd"
	"ingot/inspect"
	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/partition/filesystems"
	"ingot/partition/volume"
	"ingot/recipes/manifest"
	"ingot/recipes/plan"
)

func newConvert() *cobra.Command {
	var r recipeFlags
	var o convertFlags
	c := &cobra.Command{
		Use:   "convert RECIPE|IMAGE -o OUTPUT",
		Short: "write the disk of a recipe or of an image in another format",
		Long: `Write the disk in an image (raw, qcow2, VDI or VHD, by its name or by a word behind it,
such as IMAGE:qcow2), or the one that a recipe describes, as another kind of file: raw,
qcow2, vdi (VirtualBox) or vhd (Hyper-V, Azure; of the fixed kind). Files share their
blocks where the file system can do that. --compress compresses a qcow2. As tar it is
the files of a partition, ext4 or FAT: that of the store, if it has one, or the one that
--partition names: by its name or number (name=2 and number=2 say which of the two), of
an ISO also / for its own files, the path of a file that is a file system, or eltorito=1
for a boot image; mbr:1 is of another table than the one in use. This is also how to
look into an image without mounting it. As docker it is these files, too, as the image
of one layer that docker load and podman load read.

The format follows from the output's name, or --as says it; a name that ends in the
suffix of another format is refused. The same disk always gives the same bytes; a UUID
that the format asks for is derived from the disk's table. The output - is standard
output.

Archives and pipes have no holes: where they would get more than 8 times what the source
holds, and more than 16GiB of files or 16TiB of a disk, nothing is written unless
--max-size allows it.`,
		Example: `  ingot convert web.qcow2 -o web.vdi
  ingot convert web.yaml -o web.vhd
  ingot convert web.qcow2 -o - --as tar | tar tv
  ingot convert web.yaml -o - --as docker --tag web --entrypoint /init | docker load
  ingot convert web.img -o - --as qcow2 --compress=zstd | ssh host 'cat > web.qcow2'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return convert(c, args[0], r, o) },
	}
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "", "the `FILE` to write")
	f.StringVar(&o.as, "as", "", "`FORMAT` to write. Default: by the output's name.")
	f.StringVar(&o.partition, "partition", "", "tar, docker: read this one, by `NAME` or number")
	f.StringVar(&o.filesystem, "filesystem", "", "tar, docker: read it as this `KIND`: ext4, fat, ...")
	f.StringVar(&o.docker.Tag, "tag", "", "docker: name the image `NAME[:VERSION]`")
	f.StringArrayVar(&o.docker.Entrypoint, "entrypoint", nil, "docker: `PROGRAM`, then its arguments; repeatable")
	f.StringArrayVar(&o.docker.Env, "env", nil, "docker: set a variable `NAME=VALUE`; repeatable")
	f.StringVar(&o.docker.Architecture, "arch", "", "docker: `ARCHITECTURE`. Default: a recipe's or amd64.")
	f.StringVar(&o.compression.Type, "compress", "", "`TYPE`: qcow2: compress by zlib or zstd. Default: zlib.")
	f.Lookup("compress").NoOptDefVal = "zlib"
	addCount(f, &o.compression.Level, "level", 0, 1, 22, "qcow2: `LEVEL`. Default: 6 (zlib), 3 (zstd).")
	o.limit.add(f, "write up to `SIZE`. Default: 8 times the data")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but errors")
	f.StringArrayVar(&r.set, "set", nil, "`KEY=VALUE`: override a key of the recipe; repeatable")
	addStall(f)
	return c
}

type convertFlags struct {
	output, as, partition string
	filesystem            string
	compression           qcow2.Compression // without a type: none
	docker                docker.Options
	limit                 sizeLimit
	quiet                 bool
}

// containers are the formats of files that hold a disk, or its files.
var containers = []string{"raw", "qcow2", "vdi", "vhd", "tar", "docker"}

// container is the format that is asked for.
func (o *convertFlags) container(source string) (string, error) {
	as := o.as
	said, known := suffix.Of(o.output)
	if as == "" && o.output != stdout {
		as = said.Name
	}
	switch {
	case o.output == "":
		return "", usageError{errors.New("convert: -o OUTPUT is missing")}
	case o.as == "" && as == "iso":
		as = "raw" // which is right for a disk that is an ISO: holdsISO looks at it
	case o.as == "" && known && !slices.Contains(containers, as):
		return "", (&outputName{verb: "convert", path: o.output, writes: containers, source: source}).check()
	case as == "":
		return "", usageError{fmt.Errorf("convert: the name %s tells no format: --as says which, of %s", o.output, strings.Join(containers, ", "))}
	case !slices.Contains(containers, as):
		return "", usageError{fmt.Errorf("convert: --as: %s is none of %s%s", printable.Quote(as), strings.Join(containers, ", "), near.Hint(as, containers))}
	}
	if err := o.checkName(as, source); err != nil {
		return "", err
	}
	for _, f := range []struct{ name, value string }{{"partition", o.partition}, {"filesystem", o.filesystem}} {
		if f.value != "" && as != "tar" && as != "docker" {
			return "", usageError{fmt.Errorf("convert: --%s is for tar and docker: %s holds the whole disk", f.name, as)}
		}
	}
	if names := filesystems.Names(filesystems.Readable()); o.filesystem != "" && !slices.Contains(names, o.filesystem) {
		return "", usageError{fmt.Errorf("convert: --filesystem: %s is none of %s", printable.Quote(o.filesystem), strings.Join(names, ", "))}
	}
	if err := o.checkDocker(as); err != nil {
		return "", err
	}
	if err := o.limit.check(); err != nil {
		return "", err
	}
	if o.limit.text != "" && o.output != stdout && as != "tar" && as != "docker" {
		return "", usageError{fmt.Errorf("convert: --max-size is for tar, docker and -o -: a file of the format %s has holes", as)}
	}
	return as, o.checkCompression(as)
}

// checkName refuses the name of an output that says another format than it will have.
func (o *convertFlags) checkName(as, source string) error {
	n := outputName{verb: "convert", path: o.output, format: as, by: "--as", as: "--as", writes: containers, source: source}
	switch said, _ := suffix.Of(o.output); {
	case said.Name == "iso" && as == "raw": // which holdsISO looks at
		return nil
	case as == "docker" && said.Name == "tar": // as its archive is
		return nil
	}
	return n.check()
}

// holdsISO refuses the name of an ISO for a disk that is none.
func (o *convertFlags) holdsISO(as, source string, disk *image.Map) error {
	if said, _ := suffix.Of(o.output); said.Name != "iso" || as != "raw" || iso9660.Detect(disk) {
		return nil
	}
	return (&outputName{verb: "convert", path: o.output, writes: containers, source: source}).check()
}

func (o *convertFlags) checkDocker(as string) error {
	if d := &o.docker; as != "docker" && (d.Tag != "" || d.Architecture != "" || len(d.Entrypoint)+len(d.Env) > 0) {
		return usageError{fmt.Errorf("convert: --tag, --entrypoint, --env and --arch are for docker, not for %s", as)}
	}
	if err := o.docker.Check(); err != nil {
		return usageError{fmt.Errorf("convert: %w", err)}
	}
	return nil
}

func (o *convertFlags) checkCompression(as string) error {
	c := o.compression
	switch {
	case c.Type == "" && c.Level == 0:
		return nil
	case as != "qcow2":
		return usageError{fmt.Errorf("convert: --compress and --level are for qcow2, not for %s", as)}
	}
	if err := c.Check(); err != nil {
		return usageError{fmt.Errorf("convert: %w", err)}
	}
	return nil
}

func convert(c *cobra.Command, source string, r recipeFlags, o convertFlags) error {
	start := time.Now()
	as, err := o.container(source)
	if err != nil {
		return err
	}
	out := raw(c.OutOrStdout())
	if o.output == stdout && onTerminal(out) {
		return usageError{errors.New("convert: standard output is a terminal; give a file with -o, or send it down a pipe")}
	}
	if isImage, err := looksLikeImage(source); err == nil && isImage {
		if err := checkKind(c, anyImage, source); err != nil {
			return err
		}
	}
	if name, err := diskfile.Parse(source); err == nil && image.SameFile(name.Path, o.output) {
		return &image.SourceError{Path: o.output}
	}
	disk, done, err := openMap(c, source, r)
	if err != nil {
		return err
	}
	defer done.Close()
	if plan, ok := done.(*plan.Plan); ok && o.docker.Architecture == "" {
		o.docker.Architecture = plan.Recipe.GoArch()
	}
	if err := o.holdsISO(as, source, disk); err != nil {
		return err
	}
	file, made, err := o.contain(c, as, disk)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	defer made.Close()
	if o.output == stdout {
		if limit := o.limit.of(disk, sparseDisk); as != "tar" && as != "docker" && file.Size() > limit {
			return fmt.Errorf("%s: %w", source, &holesError{"as " + as + ", the disk", file.Size(), disk.Allocated(1), limit})
		}
		bar := newProgress(c.ErrOrStderr(), o.quiet, "writing", file.Size())
		defer bar.close()
		return image.Stream(c.Context(), file, out, image.WriteOptions{Progress: bar.add})
	}
	mode, err := accessOf(source, done)
	if err != nil {
		return err
	}
	bar := newProgress(c.ErrOrStderr(), o.quiet, "writing", file.Allocated(1))
	err = o.write(c, file, image.WriteOptions{Progress: bar.add, Mode: mode})
	bar.close()
	if err == nil && !o.quiet {
		fmt.Fprintf(c.ErrOrStderr(), "wrote %s in %s\n", printable.Name(o.output), since(start))
	}
	return err
}

// accessOf returns the permissions that a copy of a disk begins with: those of an image,
// as cp(1) does it, and its owner's alone for what is on a device, or for a plan that holds
// a secret.
func accessOf(source string, opened io.Closer) (fs.FileMode, error) {
	if plan, ok := opened.(*plan.Plan); ok {
		if plan.Secret != "" {
			return 0o600, nil
		}
		return 0o666, nil
	}
	name, err := diskfile.Parse(source) // FILE:qcow2
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(name.Path)
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0o600, nil
	}
	return info.Mode().Perm() & 0o666, nil
}

// write writes the file. A manifest that stands beside the one that it replaces goes.
func (o *convertFlags) write(c *cobra.Command, file *image.Map, options image.WriteOptions) error {
	out, err := image.Create(o.output)
	if err != nil {
		return err
	}
	defer out.Abort()
	out.Describes = manifest.Path(o.output)
	if err := out.WriteMap(c.Context(), file, options); err != nil {
		return err
	}
	return out.Commit()
}

// contain returns the file of a format that holds a disk, and what to close when it has
// been written.
func (o *convertFlags) contain(c *cobra.Command, as string, disk *image.Map) (*image.Map, io.Closer, error) {
	var m *image.Map
	var err error
	switch {
	case as == "qcow2" && o.compression.Type != "":
		return o.compress(c, disk)
	case as == "docker":
		m, err = o.dockerArchive(c, disk)
	default:
		m, err = o.layOut(c, as, disk)
	}
	return m, io.NopCloser(nil), err
}

// dockerArchive returns a partition's files as docker load reads them.
func (o *convertFlags) dockerArchive(c *cobra.Command, disk *image.Map) (*image.Map, error) {
	v, tree, err := o.filesOf(c, disk)
	if err != nil {
		return nil, err
	}
	bar := newProgress(c.ErrOrStderr(), o.quiet, "hashing", unknownTotal)
	defer bar.close()
	options := o.docker
	options.MaxSize = o.limit.of(disk, sparseFiles)
	out := leftOut{out: c.ErrOrStderr(), from: v.String() + ": left out"}
	options.LeftOut = out.add
	archive, err := docker.Layout(c.Context(), tree, options, image.WriteOptions{Progress: bar.add})
	out.close("files or attributes, which an archive cannot hold")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v, archiveError(err, tree, disk))
	}
	return archive, nil
}

// compress returns the compressed qcow2 file that holds a disk.
func (o *convertFlags) compress(c *cobra.Command, disk *image.Map) (*image.Map, io.Closer, error) {
	bar := newProgress(c.ErrOrStderr(), o.quiet, "compressing", disk.Size())
	defer bar.close()
	file, err := qcow2.Compress(c.Context(), disk, tempBeside(o.output), o.compression, image.WriteOptions{Progress: bar.add})
	if err != nil {
		return nil, nil, err
	}
	return file.Map, file, nil
}

// layOut returns the file of a format that is a view of the disk's bytes.
func (o *convertFlags) layOut(c *cobra.Command, as string, disk *image.Map) (*image.Map, error) {
	switch as {
	case "tar":
		return o.tarArchive(c, disk)
	case "raw":
		return disk, nil
	case "qcow2":
		bar := newProgress(c.ErrOrStderr(), o.quiet, "looking for zeros", disk.Size())
		defer bar.close()
		return qcow2.Layout(c.Context(), disk, image.WriteOptions{Progress: bar.add})
	}
	seed, err := diskSeed(disk)
	if err != nil {
		return nil, err
	}
	if as == "vhd" {
		return vhd.Layout(disk, seed)
	}
	bar := newProgress(c.ErrOrStderr(), o.quiet, "looking for zeros", disk.Size())
	defer bar.close()
	return vdi.Layout(c.Context(), disk, seed, image.WriteOptions{Progress: bar.add})
}

// filesOf returns the partition of a disk whose files are meant, and its files.
func (o *convertFlags) filesOf(c *cobra.Command, m *image.Map) (*inspect.Volume, *image.Tree, error) {
	disk := inspect.Of(m)
	if err := disk.Identify(c.Context()); err != nil {
		return nil, nil, err
	}
	var v *inspect.Volume
	var left []*inspect.Volume
	var err error
	if o.partition != "" {
		if v, err = disk.Select(o.partition); err != nil {
			return nil, nil, fmt.Errorf("--partition %s: %w", o.partition, err)
		}
	} else if v, left, err = disk.Files(); err != nil {
		if unclear := (*inspect.UnclearError)(nil); errors.As(err, &unclear) && len(unclear.Files) > 0 {
			err = fmt.Errorf("%w; --partition names one", err)
		}
		return nil, nil, err
	}
	if o.filesystem != "" {
		if err := v.As(inspect.Kind(o.filesystem)); err != nil {
			return nil, nil, fmt.Errorf("--filesystem %s: %w", o.filesystem, err)
		}
	}
	tree, err := v.Tree()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", v, err)
	}
	sayFlaws(c.ErrOrStderr(), v, tree)
	if !o.quiet {
		sayNames(c.ErrOrStderr(), v)
	}
	if !o.quiet {
		sayLeftOut(c.ErrOrStderr(), v, left, o.filesystem != "")
	}
	return v, tree, nil
}

// sayLeftOut tells which partitions with files are left out, and what the one that is read
// could be read as, too.
func sayLeftOut(w io.Writer, v *inspect.Volume, left []*inspect.Volume, told bool) {
	for _, other := range left {
		sayLine(w, "", fmt.Sprintf("only the files of %s are written, and not those of %s (%s)", v, other, other.Kind()))
	}
	for _, r := range v.Readings[1:] {
		var unread *inspect.UnreadError
		switch class := r.Kind.Class(); {
		case told:
		case r.Err == nil:
			sayLine(w, "", fmt.Sprintf("%s is read as %s, and could be read as %s, too: --filesystem %[3]s does that", v, v.Kind(), r.Kind))
		case errors.As(r.Err, &unread) && r.Kind != "udf" && class != volume.Memory: // of UDF the reader of the ISO tells
			sayLine(w, "", fmt.Sprintf("%s is read as %s, and has the signature of %s, too, which ingot does not read", v, v.Kind(), r.Kind))
		}
	}
}

// tarArchive returns the files of a partition.
func (o *convertFlags) tarArchive(c *cobra.Command, m *image.Map) (*image.Map, error) {
	v, tree, err := o.filesOf(c, m)
	if err != nil {
		return nil, err
	}
	out := leftOut{out: c.ErrOrStderr(), from: v.String() + ": left out"}
	archive, err := tar.Layout(tree, tar.Options{MaxSize: o.limit.of(m, sparseFiles), LeftOut: out.add})
	out.close("files or attributes, which an archive cannot hold")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v, archiveError(err, tree, m))
	}
	return archive, nil
}

// archiveError says of an archive that is too large how large it would be.
func archiveError(err error, files *image.Tree, disk *image.Map) error {
	var size *tar.SizeError
	if !errors.As(err, &size) {
		return err
	}
	holes := &holesError{"an archive of the files", contentsOf(files), disk.Allocated(1), size.Limit}
	if holes.size <= holes.limit {
		holes.size = 0 // names make up the rest
	}
	return holes
}

// diskSeed is what makes a disk that disk, as far as its beginning tells it: with its
// GUIDs or its signature the partition table lies there.
func diskSeed(disk *image.Map) (image.Seed, error) {
	head := make([]byte, min(disk.Size(), 64<<10))
	if _, err := disk.ReadAt(head, 0); err != nil && err != io.EOF {
		return image.Seed{}, err
	}
	return image.NewSeed(fmt.Appendf(head, "%d", disk.Size())), nil
}
