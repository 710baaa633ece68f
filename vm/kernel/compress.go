package kernel

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// moduleSuffixes are the names of module files, and what their contents need.
var moduleSuffixes = []struct {
	suffix     string
	decompress func(io.Reader) (io.Reader, error)
}{
	{".ko", nil},
	{".ko.gz", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{".ko.xz", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }},
	{".ko.zst", func(r io.Reader) (io.Reader, error) {
		// One goroutine: many modules are read at once where it matters.
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	}},
}

// maxModule bounds what a compressed module may grow to, so that a broken file
// cannot take all memory. The largest of Debian's kernels, amdgpu, has 25 MB.
const maxModule = 512 << 20

// moduleName returns the canonical name of the module in a file, or "" if the
// file is none.
func moduleName(file string) string {
	for _, s := range moduleSuffixes {
		if name, ok := strings.CutSuffix(file, s.suffix); ok {
			return canonical(name)
		}
	}
	return ""
}

// decompress returns the object in a module file, by the file's name.
func decompress(file string, data []byte) ([]byte, error) {
	for _, s := range moduleSuffixes {
		if !strings.HasSuffix(file, s.suffix) {
			continue
		}
		if s.decompress == nil {
			return data, nil
		}
		r, err := s.decompress(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		object, err := io.ReadAll(io.LimitReader(r, maxModule+1))
		if err == nil && len(object) > maxModule {
			err = fmt.Errorf("more than %d bytes when decompressed", maxModule)
		}
		return object, err
	}
	return nil, fmt.Errorf("not named like a module (.ko, .ko.gz, .ko.xz, .ko.zst)")
}
