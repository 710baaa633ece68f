package recipes

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/partition"
	"ingot/storedb/archive"
)

// What boards boot from: files that become the bytes of a raw partition, or that lie
// outside of all partitions where a boot ROM looks for them.

// grubBootCode is how many bytes at the start of a disk GRUB for BIOS takes.
const grubBootCode = 440

func (r *Recipe) checkRaw(d *decoder) {
	for i, raw := range r.Disk.Raw {
		key := fmt.Sprintf("disk.raw[%d]", i)
		raw.Source.check(d, key+".source")
		if raw.At < grubBootCode && slices.Contains(r.Bootloader.Grub.Platforms, "bios") {
			d.fail(key+".at", "%d lies in the boot code of GRUB for BIOS (bytes 0 to %d)", raw.At, grubBootCode-1)
		}
	}
}

func (s *Source) check(d *decoder, key string) {
	if s.File != "" && !filepath.IsLocal(s.File) {
		d.fail(key+".file", "%s is not a path below that of from", printable.Quote(s.File))
	}
}

// String names the file that is meant, for people.
func (s *Source) String() string {
	if s.File != "" {
		return path.Base(s.File)
	}
	return filepath.Base(s.From.Host)
}

// bytes returns the bytes of the file that is meant.
func (p *planner) bytes(s *Source) (image.Blob, error) {
	host := p.store.hostPath(s.From)
	info, err := os.Stat(host)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir() && s.File == "":
		return nil, fmt.Errorf("%s is a folder: file says which file in it is meant", s.From.Text)
	case info.IsDir():
		return image.NewHostFile(filepath.Join(host, s.File))
	case s.File == "":
		return image.NewHostFile(host)
	}
	// One file is wanted: what else the archive has need not be of a type that a tree has.
	root, err := archive.Read(host, archive.Options{Temp: p.store.temp, LeftOut: func(string, error) {}})
	if err != nil {
		return nil, err
	}
	n := (&image.Tree{Root: root}).Lookup("/" + filepath.ToSlash(s.File))
	switch {
	case n == nil:
		return nil, fmt.Errorf("%s holds no file %s", s.From.Text, s.File)
	case !n.Mode.IsRegular():
		return nil, fmt.Errorf("%s in %s is not a regular file but %s", s.File, s.From.Text, n.Mode)
	}
	return n.Data, nil
}

// hostPath returns where a file lies on the host: one of an item of the store where that
// item's source has it, which need not be the store directory of this host.
func (s *store) hostPath(at Path) string {
	it := s.closure.Containing(at.Host)
	if it == nil || it.From == "" {
		return at.Host
	}
	return filepath.Join(it.From, path.Base(it.Path), strings.TrimPrefix(at.Host, it.Path))
}

// rawBytes returns what lies outside of partitions.
func (p *planner) rawBytes() ([]partition.Raw, error) {
	var all []partition.Raw
	for i := range p.Disk.Raw {
		raw := &p.Disk.Raw[i]
		content, err := p.bytes(&raw.Source)
		if err != nil {
			return nil, p.src.wrap(fmt.Sprintf("disk.raw[%d].source", i), err)
		}
		all = append(all, partition.Raw{Name: raw.Source.String(), Start: int64(raw.At), Content: content})
	}
	return all, nil
}

// placeSource makes the bytes of a file the content of a raw partition.
func (p *planner) placeSource(part *Partition, out *partition.Partition) error {
	content, err := p.bytes(part.Source)
	if err != nil {
		return err
	}
	var b image.Builder
	b.Add(0, content, &image.Owner{Name: part.Source.String()})
	if out.Content, err = b.Map(content.Size()); err != nil {
		return err
	}
	if part.Size.Fit {
		out.Size = content.Size() + part.Size.Bytes
	}
	return nil
}
