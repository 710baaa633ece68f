package scenario

import (
	"testing"

	"ingot/vm"
)

func TestCheckScreen(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, test := range []struct {
		arch     vm.Arch
		graphics bool
		ok       bool
	}{
		{vm.X86_64, false, true},
		{vm.X86_64, true, false}, // there is no tesseract
		{vm.AArch64, false, false},
	} {
		if err := CheckScreen(test.arch, test.graphics); (err == nil) != test.ok {
			t.Errorf("CheckScreen(%s, %v) = %v; want success %v", test.arch, test.graphics, err, test.ok)
		}
	}
}
