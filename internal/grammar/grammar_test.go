package grammar

import "testing"

func TestCount(t *testing.T) {
	for _, x := range []struct {
		n    int64
		noun string
		want string
	}{
		{0, "file", "0 files"}, {1, "file", "1 file"}, {2, "store path", "2 store paths"}, {1, "byte", "1 byte"},
		{2, "entry", "2 entries"}, {1, "directory", "1 directory"}, {3, "key", "3 keys"}, {2, "address", "2 addresses"},
		{2, "box", "2 boxes"}, {2, "branch", "2 branches"}, {-1, "second", "-1 seconds"},
	} {
		if got := Count(x.n, x.noun); got != x.want {
			t.Errorf("Count(%d, %s) = %q; want %q", x.n, x.noun, got, x.want)
		}
	}
	if got, want := Count(uint64(1)<<63, "byte"), "9223372036854775808 bytes"; got != want {
		t.Errorf("Count = %q; want %q", got, want)
	}
}

func TestA(t *testing.T) {
	for noun, want := range map[string]string{
		"file": "a file", "object": "an object", "ISO image": "an ISO image", "unit": "a unit", "HTML page": "an HTML page",
		"ext4 file system": "an ext4 file system", "array": "an array", "qcow2 image": "a qcow2 image", "": "a ", "Elephant": "an Elephant", "user": "a user",
		"xfs": "an xfs", "f2fs": "an f2fs", "fat": "a fat", "btrfs": "a btrfs",
	} {
		if got := A(noun); got != want {
			t.Errorf("A(%s) = %q; want %q", noun, got, want)
		}
	}
}

func TestJoin(t *testing.T) {
	for _, x := range []struct {
		words   []string
		or, and string
	}{
		{nil, "", ""}, {[]string{"a"}, "a", "a"}, {[]string{"a", "b"}, "a or b", "a and b"}, {[]string{"a", "b", "c"}, "a, b or c", "a, b and c"},
	} {
		if or, and := Or(x.words...), And(x.words...); or != x.or || and != x.and {
			t.Errorf("Or, And(%q) = %q, %q; want %q, %q", x.words, or, and, x.or, x.and)
		}
	}
}
