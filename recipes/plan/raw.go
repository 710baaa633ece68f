package plan

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"ingot/image"
	"ingot/partition"
	"ingot/recipes"
	"ingot/storedb"
	"ingot/storedb/archive"
)

// What boards boot from: files that become the bytes of a raw partition, or that lie
// outside of all partitions where a boot ROM looks for them.

// bytes returns the bytes of the file that is meant.
func (p *planner) bytes(s *recipes.Source) (image.Blob, error) {
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
// item's source has it, which need not be the store directory of this host. A link to the
// item, such as ./result, is as good as its path.
func (s *store) hostPath(at recipes.Path) string {
	name := at.Host
	it := s.closure.Containing(name)
	if it == nil {
		name = storedb.FollowFile(name)
		it = s.closure.Containing(name)
	}
	if it == nil || it.From == "" {
		return at.Host
	}
	return filepath.Join(it.From, path.Base(it.Path), strings.TrimPrefix(name, it.Path))
}

// rawBytes returns what lies outside of partitions.
func (p *planner) rawBytes() ([]partition.Raw, error) {
	var all []partition.Raw
	for i := range p.Disk.Raw {
		raw := &p.Disk.Raw[i]
		content, err := p.bytes(&raw.Source)
		if err != nil {
			return nil, p.At(fmt.Sprintf("disk.raw[%d].source", i), err)
		}
		all = append(all, partition.Raw{Name: raw.Source.String(), Start: int64(raw.At), Content: content})
	}
	return all, nil
}

// placeSource makes the bytes of a file the content of a raw partition.
func (p *planner) placeSource(part *recipes.Partition, out *partition.Partition) error {
	content, err := p.bytes(part.Source)
	if err != nil {
		return err
	}
	out.Content = image.MapOf(content, &image.Owner{Name: part.Source.String()})
	if part.Size.Fit {
		out.Size = content.Size() + part.Size.Bytes
	}
	return nil
}
