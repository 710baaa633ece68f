package netboot

import (
	"context"
	"fmt"
	"sync"

	"ingot/image"
)

// Digests are the SHA-256 digests of the files that a signed script loads. They are
// taken when the script is first read: a plan is made of metadata alone.
type Digests struct {
	files []File

	mu   sync.Mutex
	sums []image.Sum
}

// NewDigests are those of files.
func NewDigests(files []File) *Digests { return &Digests{files: files} }

// Take returns the digests in the order of the files.
func (d *Digests) Take(ctx context.Context) ([]image.Sum, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sums != nil {
		return d.sums, nil
	}
	sums := make([]image.Sum, len(d.files))
	for i, f := range d.files {
		var err error
		if sums[i], err = image.SHA256(ctx, f.Map, image.WriteOptions{}); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	d.sums = sums
	return sums, nil
}

// text returns what write makes of the digests, as a Blob. The length of what it makes
// must not depend on them.
func (d *Digests) text(write func([]image.Sum) string) image.Blob {
	size := int64(len(write(make([]image.Sum, len(d.files)))))
	return image.Computed(size, func(p []byte, off int64) error {
		sums, err := d.Take(context.Background())
		if err == nil {
			copy(p, write(sums)[off:])
		}
		return err
	})
}
