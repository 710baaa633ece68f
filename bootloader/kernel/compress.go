package kernel

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"ingot/storedb/compression"
)

// moduleSuffixes are the names of module files, and how their contents are compressed.
var moduleSuffixes = []struct{ suffix, method string }{
	{".ko", "none"},
	{".ko.gz", "gzip"},
	{".ko.xz", "xz"},
	{".ko.zst", "zstd"},
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
		if s.method == "none" {
			return data, nil
		}
		r, err := compression.Open(s.method, bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		object, err := io.ReadAll(io.LimitReader(r, maxModule+1))
		if err == nil && len(object) > maxModule {
			err = fmt.Errorf("more than %d bytes when decompressed", maxModule)
		}
		return object, err
	}
	return nil, fmt.Errorf("not named like a module (.ko, .ko.gz, .ko.xz, .ko.zst)")
}
