package tools

import (
	"testing"

	"ingot/image"
)

func TestTry(t *testing.T) {
	s, err := Collect(Options{Packages: []Wanted{{Name: "e2fsprogs"}, {Name: "dosfstools"}, {Name: "gdisk"}, {Name: "openssh-client"}, {Name: "xfsprogs"}, {Name: "mdadm", Optional: true}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(s.Packages, s.Missing, s.Notes)
	var total int64
	s.Tree.Walk(func(p string, n *image.Node) error {
		total += n.Size()
		if n.Size() > 500000 || n.Mode.IsRegular() && len(p) > 4 && p[:4] == "/etc" {
			t.Log(p, n.Size())
		}
		return nil
	})
	t.Log(total, len(s.Programs()))
}
