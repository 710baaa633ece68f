package recipes

import (
	"context"
	"fmt"

	"ingot/image"
	"ingot/image/qcow2"
	"ingot/partition/squashfs"
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

// Compresses says whether the output is one that [Plan.Contain] compresses.
func (p *Plan) Compresses() bool { return p.Recipe.Output.compression().Type != "" }

// Contains says whether the output is one that [Plan.Contain] has to make first.
func (p *Plan) Contains() bool { return p.Recipe.Output.Format == "qcow2" }

// Contain does all of the work that a qcow2 takes before it can be written, and nothing for any
// other output; it has to come before [Plan.Work], and before [Plan.Emit] and [Plan.Stream] if
// the disk is compressed. What is compressed lies in a file without a name in the folder temp
// until the Plan is closed; otherwise clusters of zeros are looked for. Progress and Workers of
// the options count; progress adds up to the size of the disk.
func (p *Plan) Contain(ctx context.Context, temp string, o image.WriteOptions) error {
	if !p.Contains() {
		return nil
	}
	if err := p.whole(); err != nil {
		return err
	}
	var err error
	if !p.Compresses() {
		p.contained, err = qcow2.Layout(ctx, p.Disk.Map, o)
		return err
	}
	p.compressed, err = qcow2.Compress(ctx, p.Disk.Map, temp, p.Recipe.Output.compression(), o)
	if err != nil {
		return fmt.Errorf("compressing %s: %w", p.Recipe.Name, err)
	}
	p.contained = p.compressed.Map
	return nil
}

// contain makes what [Plan.Contain] has not made, unless that takes a folder.
func (p *Plan) contain(ctx context.Context, o image.WriteOptions) error {
	if p.contained != nil || p.Compresses() {
		return nil
	}
	return p.Contain(ctx, "", image.WriteOptions{Workers: o.Workers})
}
