package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/docker"
	"ingot/image/fileformat"
	"ingot/image/iso9660"
	"ingot/image/tar"
	"ingot/inspect"
	"ingot/internal/grammar"
	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/partition/filesystems"
	"ingot/partition/volume"
	"ingot/recipes"
	"ingot/recipes/manifest"
	"ingot/recipes/plan"
	"ingot/vm"
)

func newConvert() *cobra.Command {
	var r recipeFlags
	var o convertFlags
	compressed, packed, run := fileformat.Names(fileformat.Format.HasCodecs), packedFormats(), containerFormats()
	c := &cobra.Command{
		Use:   "convert RECIPE|IMAGE -o OUTPUT",
		Short: "write the disk of a recipe or of an image in another format",
		Long: `Write the disk in an image (` + grammar.Or(fileformat.Names(fileformat.Format.IsOpened)...) + `, by its name or by a word behind it,
such as IMAGE:qcow2), or the disk that a recipe describes, in another format:

` + formatList(fileformat.Format.Converted) + `
Source and output share blocks if the file system can do that. --compress compresses a
` + grammar.Or(compressed...) + `. An archive holds the files of the partition with the store, or of the one
that --partition names by its name or number (name=2 and number=2 tell them apart). Of an ISO,
--partition also takes / for its own files, the path of a file that holds a file system, or
eltorito=1 for a boot image; mbr:1 is a partition of a table that is not in use. So
convert can also show what an image contains, without mounting it.

--format sets the format. Default: by the suffix of the output's name. ingot refuses a name
with the suffix of another format. The same disk always gives the same bytes; ingot derives
a UUID that the format needs from the disk's table. The output - is standard output.

Archives and pipes have no holes. If one would get more than 8 times the bytes that the
source holds, and more than 16GiB of files or 16TiB of a disk, ingot writes nothing unless
--max-size allows it.`,
		Example: `  ingot convert web.qcow2 -o web.vdi
  ingot convert web.yaml -o web.vhd
  ingot convert web.qcow2 -o - --format tar | tar tv
  ingot convert web.yaml -o - --format docker --tag web --entrypoint /init | docker load
  ingot convert web.img -o - --format qcow2 --compress=zstd | ssh host 'cat > web.qcow2'`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, args []string) error { return convert(c, args[0], r, o) },
	}
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "", "the `FILE` to write")
	f.StringVar(&o.as, "format", "", "`FORMAT` to write. Default: by the output's name.")
	f.StringVar(&o.partition, "partition", "", packed+": read this one, by `NAME` or number")
	f.StringVar(&o.filesystem, "filesystem", "", packed+": read it as this `KIND`: ext4, fat, ...")
	f.StringVar(&o.docker.Tag, "tag", "", run+": name the image `NAME[:VERSION]`")
	f.StringArrayVar(&o.docker.Entrypoint, "entrypoint", nil, run+": `PROGRAM`, then its arguments; repeatable")
	f.StringArrayVarP(&o.docker.Env, "env", "e", nil, run+": set `NAME=VALUE`; repeatable")
	f.StringVar(&o.docker.Architecture, "arch", "", run+": processor `ARCH`. Default: a recipe's, amd64.")
	addCompression(f, &o.compression, compressed)
	o.limit.add(f, "take up to `SIZE`. Default: 8 times the data.")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print results and errors only")
	f.StringArrayVar(&r.set, "set", nil, "`KEY=VALUE`: override a key of the recipe; repeatable")
	addStall(f)
	return c
}

type convertFlags struct {
	output, as, partition string
	filesystem            string
	compression           image.Compression
	docker                docker.Options
	limit                 sizeLimit
	quiet                 bool
}

// packedFormats and containerFormats are those that hold files, and those that say what is run,
// as help has them.
func packedFormats() string { return strings.Join(fileformat.Names(fileformat.Format.Packed), ", ") }

func containerFormats() string {
	return strings.Join(fileformat.Names(func(f fileformat.Format) bool { return f.Container }), ", ")
}

// addCompression adds the flags of formats that compress.
func addCompression(f *pflag.FlagSet, c *image.Compression, formats []string) {
	var types, levels []string
	most := 0
	for _, codec := range fileformat.Codecs() {
		types, levels = append(types, codec.Name), append(levels, fmt.Sprintf("%d (%s)", codec.Default, codec.Name))
		most = max(most, codec.Levels)
	}
	f.StringVar(&c.Type, "compress", "", fmt.Sprintf("`TYPE`: %s: compress by %s. Default: %s.", strings.Join(formats, ", "), grammar.Or(types...), types[0]))
	f.Lookup("compress").NoOptDefVal = types[0]
	addCount(f, &c.Level, "level", 0, 1, most, fmt.Sprintf("%s: `LEVEL`. Default: %s.", strings.Join(formats, ", "), strings.Join(levels, ", ")))
}

// format is the output's.
func (o *convertFlags) format(source string) (as fileformat.Format, err error) {
	converted := fileformat.Names(fileformat.Format.Converted)
	as, _ = fileformat.Named(o.as)
	said, known := fileformat.OfName(o.output)
	if o.as == "" && o.output != stdout {
		as = said
	}
	switch {
	case o.output == "":
		return as, usageError{errors.New("convert: -o OUTPUT is missing")}
	case o.as == "" && as.Plain && as.Live: // which is right for a disk that is an ISO: holdsISO looks at it
		as, _ = fileformat.Named("raw")
	case o.as == "" && known && !as.Converted():
		return as, o.named("", source).check()
	case o.as == "" && as.Name == "":
		return as, usageError{fmt.Errorf("convert: the name %s has no suffix of a format: --format names one of %s", o.output, strings.Join(converted, ", "))}
	case !as.Converted():
		return as, usageError{fmt.Errorf("convert: --format: %s is none of %s%s", printable.Quote(o.as), strings.Join(converted, ", "), near.Hint(o.as, converted))}
	}
	if err := o.checkName(as, source); err != nil {
		return as, err
	}
	for _, f := range []struct{ name, value string }{{"partition", o.partition}, {"filesystem", o.filesystem}} {
		if f.value != "" && !as.Packed() {
			return as, usageError{fmt.Errorf("convert: --%s is for %s: %s holds the whole disk", f.name, grammar.And(fileformat.Names(fileformat.Format.Packed)...), as.Name)}
		}
	}
	if names := filesystems.Names(filesystems.Readable()); o.filesystem != "" && !slices.Contains(names, o.filesystem) {
		return as, usageError{fmt.Errorf("convert: --filesystem: %s is none of %s", printable.Quote(o.filesystem), strings.Join(names, ", "))}
	}
	if err := o.checkDocker(as); err != nil {
		return as, err
	}
	if _, err := o.limit.parse(); err != nil {
		return as, err
	}
	if o.limit.text != "" && o.output != stdout && !as.Packed() {
		return as, usageError{fmt.Errorf("convert: --max-size is for %s and -o -: a file of the format %s has holes", packedFormats(), as.Name)}
	}
	return as, o.checkCompression(as)
}

// named is the output's name, and the format that it is to have, if that is known.
func (o *convertFlags) named(format, source string) *outputName {
	return &outputName{verb: "convert", path: o.output, format: format, by: "--format", as: "--format", writes: fileformat.Names(fileformat.Format.Converted), source: source}
}

// checkName refuses the name of an output that says another format than it will have.
func (o *convertFlags) checkName(as fileformat.Format, source string) error {
	switch said, _ := fileformat.OfName(o.output); {
	case said.Plain && as.Plain: // which holdsISO looks at
		return nil
	case as.Container && said.Name == "tar": // as its archive is
		return nil
	}
	return o.named(as.Name, source).check()
}

// holdsISO refuses the name of an ISO for a disk that is none.
func (o *convertFlags) holdsISO(as fileformat.Format, source string, disk *image.Map) error {
	if said, _ := fileformat.OfName(o.output); said.Name != "iso" || !as.Plain || iso9660.Detect(disk) {
		return nil
	}
	return o.named("", source).check()
}

func (o *convertFlags) checkDocker(as fileformat.Format) error {
	if d := &o.docker; !as.Container && (d.Tag != "" || d.Architecture != "" || len(d.Entrypoint)+len(d.Env) > 0) {
		return usageError{fmt.Errorf("convert: --tag, --entrypoint, --env and --arch are for %s, not for %s", containerFormats(), as.Name)}
	}
	if arch, err := vm.ParseArch(o.docker.Architecture); err == nil { // else it is for the check
		o.docker.Architecture = cmp.Or(recipes.Arches[string(arch)].Go, o.docker.Architecture)
	}
	if err := o.docker.Check(); err != nil {
		return usageError{fmt.Errorf("convert: %w", err)}
	}
	return nil
}

func (o *convertFlags) checkCompression(as fileformat.Format) error {
	c := o.compression
	switch {
	case c.Type == "" && c.Level == 0:
		return nil
	case !as.HasCodecs():
		return usageError{fmt.Errorf("convert: --compress and --level are for %s, not for %s", strings.Join(fileformat.Names(fileformat.Format.HasCodecs), ", "), as.Name)}
	}
	if err := as.CheckCompression(c); err != nil {
		return usageError{fmt.Errorf("convert: %w", err)}
	}
	return nil
}

func convert(c *cobra.Command, source string, r recipeFlags, o convertFlags) error {
	start := time.Now()
	as, err := o.format(source)
	if err != nil {
		return err
	}
	out := raw(c.OutOrStdout())
	if o.output == stdout && onTerminal(out) {
		return usageError{errors.New("convert: standard output is a terminal; give a file with -o, or send it down a pipe")}
	}
	if isImage, err := looksLikeImage(source); err == nil && isImage && r.systemPath(source) == "" && !isFolder(c, source) {
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
		o.docker.Architecture = recipes.Arches[plan.Recipe.Arch].Go
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
		if limit := o.limit.of(disk, inspect.LeastDisk); !as.Packed() && file.Size() > limit {
			return fmt.Errorf("%s: %w", source, &inspect.HolesError{What: "as " + as.Name + ", the disk", Size: file.Size(), Held: disk.Allocated(1), Limit: limit})
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

// contain returns the file of a format that holds a disk, or its files, and what to close when
// it has been written.
func (o *convertFlags) contain(c *cobra.Command, as fileformat.Format, disk *image.Map) (*image.Map, io.Closer, error) {
	if as.Packed() {
		m, err := o.archive(c, as, disk)
		return m, io.NopCloser(nil), err
	}
	if as.Plain {
		return disk, io.NopCloser(nil), nil
	}
	bar := newProgress(c.ErrOrStderr(), o.quiet, containing(o.compression.Type != ""), disk.Size())
	defer bar.close()
	file, err := as.Make(c.Context(), disk, tempBeside(o.output), o.compression, image.WriteOptions{Progress: bar.add})
	if err != nil {
		return nil, nil, err
	}
	return file.Map, file, nil
}

// archive returns a partition's files as an archive.
func (o *convertFlags) archive(c *cobra.Command, as fileformat.Format, disk *image.Map) (*image.Map, error) {
	v, tree, err := o.filesOf(c, disk)
	if err != nil {
		return nil, err
	}
	bar := newProgress(c.ErrOrStderr(), o.quiet, "hashing", unknownTotal)
	defer bar.close()
	options := fileformat.PackOptions{Options: o.docker, WriteOptions: image.WriteOptions{Progress: bar.add}}
	options.MaxSize = o.limit.of(disk, inspect.LeastFiles)
	out := leftOut{out: c.ErrOrStderr(), from: v.String() + ": left out"}
	options.LeftOut = out.add
	archive, err := as.Pack(c.Context(), tree, options)
	out.close("files or attributes, which an archive cannot hold")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v, archiveError(err, tree, disk))
	}
	return archive, nil
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

// sayLeftOut prints which partitions with files are left out, and what the one that is read
// could be read as, too.
func sayLeftOut(w io.Writer, v *inspect.Volume, left []*inspect.Volume, told bool) {
	for _, other := range left {
		sayLine(w, "", fmt.Sprintf("ingot writes only the files of %s, not those of %s (%s)", v, other, other.Kind()))
	}
	for _, r := range v.Readings[1:] {
		var unread *inspect.UnreadError
		switch class := r.Kind.Class(); {
		case told:
		case r.Err == nil:
			sayLine(w, "", fmt.Sprintf("%s is read as %s, and could be read as %s, too: --filesystem %[3]s does that", v, v.Kind(), r.Kind))
		case errors.As(r.Err, &unread) && r.Kind != "udf" && class != volume.Memory: // the reader of the ISO reports UDF
			sayLine(w, "", fmt.Sprintf("%s is read as %s, and has the signature of %s, too, which ingot does not read", v, v.Kind(), r.Kind))
		}
	}
}

// archiveError says of an archive that is too large how large it would be.
func archiveError(err error, files *image.Tree, disk *image.Map) error {
	var size *tar.SizeError
	if !errors.As(err, &size) {
		return err
	}
	holes := &inspect.HolesError{What: "an archive of the files", Size: inspect.ContentsOf(files), Held: disk.Allocated(1), Limit: size.Limit}
	if holes.Size <= holes.Limit {
		holes.Size = 0 // names make up the rest
	}
	return holes
}
