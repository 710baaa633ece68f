package recipes

import (
	"context"
	"errors"
	"fmt"

	"ingot/image"
	"ingot/image/qcow2"
	"ingot/image/squashfs"
)

// compression is how the clusters of a qcow2 are compressed; without a type they are not.
func (o Output) compression() qcow2.Compression {
	if o.Format != "qcow2" || o.Compression == "none" {
		return qcow2.Compression{}
	}
	return qcow2.Compression{Type: o.Compression, Level: o.Level}
}

// checkCompression looks at what the output says of compression, first without the level.
func (o Output) checkCompression(d *decoder) {
	level := o.Level
	o.Level = 0
	if err := o.compressionErr(); err != nil {
		if o.Format == "qcow2" {
			err = fmt.Errorf("%w; none leaves the disk as it is", err)
		}
		d.check("output.compression", err)
		return
	}
	o.Level = level
	d.check("output.level", o.compressionErr())
}

// compressionErr says why the output cannot be compressed in this way: a qcow2, or else the
// squashfs of an ISO or a folder. A recipe for a raw disk may speak of either, for others
// than this one are made of it, as by the output's name.
func (o Output) compressionErr() error {
	if o.Format == "qcow2" && (o.Compression == "" || o.Compression == "none") {
		return nil
	}
	disk := qcow2.Compression{Type: o.Compression, Level: o.Level}.Check()
	if o.Format == "qcow2" || o.Format == "raw" && disk == nil {
		return disk
	}
	return squashfs.Options{Compression: o.Compression, Level: o.Level}.Check()
}

// Compresses says whether the output is one that [Plan.Compress] has to make first.
func (p *Plan) Compresses() bool { return p.Recipe.Output.compression().Type != "" }

// Compress does all of the work that the compression of a qcow2 takes, and nothing for any
// other output; it has to come before [Plan.Work], [Plan.Emit] and [Plan.Stream]. What is
// compressed lies in a file without a name in the folder temp until the Plan is closed.
// Progress and Workers of the options count; progress adds up to the size of the disk.
func (p *Plan) Compress(ctx context.Context, temp string, o image.WriteOptions) error {
	if !p.Compresses() {
		return nil
	}
	if err := p.whole(); err != nil {
		return err
	}
	var err error
	p.compressed, err = qcow2.Compress(ctx, p.Disk.Map, temp, p.Recipe.Output.compression(), o)
	if err != nil {
		return fmt.Errorf("compressing %s: %w", p.Recipe.Name, err)
	}
	return nil
}

// qcow2 returns the bytes of the output as qcow2.
func (p *Plan) qcow2() (*image.Map, error) {
	switch {
	case !p.Compresses():
		return qcow2.Layout(p.Disk.Map)
	case p.compressed == nil:
		return nil, errors.New(p.Recipe.Name + " has not been compressed")
	}
	return p.compressed.Map, nil
}
