package plan

import (
	"context"
	"fmt"

	"ingot/image"
	"ingot/image/qcow2"
)

// Compresses says whether the output is one that [Plan.Contain] compresses.
func (p *Plan) Compresses() bool { return p.Recipe.Output.QCOW2().Type != "" }

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
	p.compressed, err = qcow2.Compress(ctx, p.Disk.Map, temp, p.Recipe.Output.QCOW2(), o)
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
