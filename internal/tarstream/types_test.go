package tarstream

import (
	"archive/tar"
	"strings"
	"testing"
)

func TestSettle(t *testing.T) {
	for _, c := range []struct {
		typ, want byte
		skip      bool
		odd       string
	}{
		{tar.TypeReg, tar.TypeReg, false, ""}, {tar.TypeCont, tar.TypeReg, false, ""}, {tar.TypeGNUSparse, tar.TypeGNUSparse, false, ""},
		{tar.TypeDir, tar.TypeDir, false, ""}, {'D', tar.TypeDir, false, ""}, {tar.TypeFifo, tar.TypeFifo, false, ""},
		{tar.TypeXGlobalHeader, tar.TypeXGlobalHeader, true, ""}, {'V', 'V', true, ""},
		{'I', 'I', true, "is an inode of star"}, {'Z', tar.TypeReg, false, "is of type 'Z', which is not known"},
	} {
		h := &tar.Header{Typeflag: c.typ}
		skip, odd := Settle(h)
		if h.Typeflag != c.want || skip != c.skip || !strings.HasPrefix(odd, c.odd) || (odd == "") != (c.odd == "") {
			t.Errorf("Settle of %q = %q, %v, %q; want %q, %v, %q", c.typ, h.Typeflag, skip, odd, c.want, c.skip, c.odd)
		}
	}
}
