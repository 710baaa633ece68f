package fileformat

import (
	"strings"
	"testing"
)

// TestOf reads names in any case, and names that say nothing.
func TestOfName(t *testing.T) {
	for path, want := range map[string]string{
		"web.img": "raw", "a/b.c/WEB.RAW": "raw", "x.qcow2": "qcow2", "x.QCOW2": "qcow2", "x.Iso": "iso", "x.vpc": "vhd",
		"x.vmdk": "vmdk", "x.VHDX": "vhdx", "x.ova": "ova", "x.qcow": "qcow", "x.cow": "qcow", "x.parallels": "parallels", "x.avhdx": "vhdx", "x.squashfs": "squashfs", "x.img.gz": "gzip", "x.yml": "yaml",
		".vmdk": "vmdk", "x.tar.zst": "zstd",
		"": "", "x": "", "x.": "", "img": "", "x.img/": "", "x.img/y": "", "web-1.2": "", "x.disk": "", "x.qcow2.old": "",
	} {
		f, ok := OfName(path)
		if f.Name != want || ok != (want != "") {
			t.Errorf("OfName(%q) = %q, %v; want %q", path, f.Name, ok, want)
		}
	}
}

// TestFormats looks for rows that contradict each other.
func TestFormats(t *testing.T) {
	seen := map[string]string{}
	for _, f := range All {
		for _, s := range append([]string{f.Name}, f.Suffixes...) {
			if seen[s] != "" {
				t.Errorf("%s is one of %s and of %s", s, seen[s], f.Name)
			}
			seen[s] = f.Name
			if strings.ToLower(s) != s {
				t.Errorf("%s of %s is not in lower case", s, f.Name)
			}
		}
		for _, s := range f.Suffixes {
			if got, ok := OfName("x" + s); !ok || got.Name != f.Name || s[0] != '.' {
				t.Errorf("OfName(x%s) = %s, %v; want %s", s, got.Name, ok, f.Name)
			}
		}
		if !strings.HasPrefix(f.What, "a ") && !strings.HasPrefix(f.What, "an ") {
			t.Errorf("%s: %q has no article", f.Name, f.What)
		}
		if again, ok := Named(f.Name); !ok || again.What != f.What {
			t.Errorf("Named(%s) = %s, %v", f.Name, again.What, ok)
		}
	}
}
