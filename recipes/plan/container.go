package plan

import (
	"context"
	"fmt"
	"strings"

	"ingot/image"
)

// Compresses reports whether the output is one that [Plan.Contain] compresses.
func (p *Plan) Compresses() bool { return p.Recipe.Output.DiskCompression().Type != "" }

// Contains reports whether the output is one that [Plan.Contain] has to make first: a disk in a
// file of a format of its own.
func (p *Plan) Contains() bool {
	f := p.Recipe.Output.FileFormat()
	return f.OfDisk() && !f.Plain
}

// Contain does all of the work that the file of a disk takes before it can be written, and
// nothing where the file is the disk; it has to come before [Plan.Work], and before [Plan.Emit]
// and [Plan.Stream] if the disk is compressed. What is compressed lies in a file without a name
// in the folder temp until the Plan is closed; otherwise zeros are looked for. Progress and
// Workers of the options count; progress adds up to the size of the disk.
func (p *Plan) Contain(ctx context.Context, temp string, o image.WriteOptions) error {
	if !p.Contains() {
		return nil
	}
	if err := p.whole(); err != nil {
		return err
	}
	var err error
	p.contained, err = p.Recipe.Output.FileFormat().Make(ctx, p.Disk.Map, temp, p.Recipe.Output.DiskCompression(), o)
	if err != nil && p.Compresses() {
		return fmt.Errorf("compressing %s: %w", p.Recipe.Name, err)
	}
	return err
}

// contain makes what [Plan.Contain] has not made, unless that takes a folder. It returns the
// bytes of the output file.
func (p *Plan) contain(ctx context.Context, o image.WriteOptions) (*image.Map, error) {
	if p.contained == nil && !p.Compresses() {
		if err := p.Contain(ctx, "", image.WriteOptions{Workers: o.Workers}); err != nil {
			return nil, err
		}
	}
	return p.container()
}

// container returns the bytes of the output file.
func (p *Plan) container() (*image.Map, error) {
	if err := p.whole(); err != nil {
		return nil, err
	}
	switch {
	case !p.Contains():
		return p.Disk.Map, nil
	case p.contained == nil:
		return nil, fmt.Errorf("%s has not been made a %s", p.Recipe.Name, p.Recipe.Output.Format)
	}
	return p.contained.Map, nil
}

// whole reports whether nothing of the disk is missing any more.
func (p *Plan) whole() error {
	if !p.Whole() {
		return fmt.Errorf("%s is not whole: a virtual machine has to make %s", p.Recipe.Name, strings.Join(p.Privileged(), ", "))
	}
	return nil
}
