package bootloader

import (
	"io/fs"
	"testing"

	"ingot/image"
)

func TestResolveRoot(t *testing.T) {
	at, n, err := Lookup(image.NewTree().Lookup).Resolve("/")
	if err != nil || at != "/" || n == nil || n.Mode.Type() != fs.ModeDir {
		t.Errorf("Resolve(/) = %s, %v, %v; want the root", at, n, err)
	}
}
