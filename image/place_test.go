package image

import (
	"errors"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	var root *Place
	if got := root.String(); got != "/" || root.Depth() != 0 || root.Name() != "" {
		t.Errorf("the root is %q, %d deep, called %q", got, root.Depth(), root.Name())
	}
	file := root.In("etc").In("hosts")
	if got := file.String(); got != "/etc/hosts" || file.Depth() != 2 || file.Name() != "hosts" {
		t.Errorf("/etc/hosts is %q, %d deep, called %q", got, file.Depth(), file.Name())
	}
	deep, err := root, error(nil)
	for range MaxDepth {
		if deep, err = deep.Enter(strings.Repeat("d", 255)); err != nil {
			t.Fatalf("%d deep: %v", deep.Depth(), err)
		}
	}
	if n := len(deep.String()); n > maxSpelled+len("…") {
		t.Errorf("a long path is spelled with %d bytes; want at most %d", n, maxSpelled)
	}
	_, err = deep.Enter("d")
	var depth *DepthError
	if !errors.As(err, &depth) || !strings.HasPrefix(err.Error(), "lies 2049 directories deep; at most 2048 are read") {
		t.Errorf("%d deep: %.100v; want a DepthError", MaxDepth+1, err)
	}
}
