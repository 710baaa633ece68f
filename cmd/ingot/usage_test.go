package main

import (
	"strings"
	"testing"
)

// TestExclusive gives flags that contradict each other.
func TestExclusive(t *testing.T) {
	for _, x := range []struct {
		line, want string // want begins behind "ingot: "
	}{
		{"cache serve nonesuch --read-only --netrc n", "cache serve: --read-only and --netrc exclude each other: give one of the two\n"},
		{"cache serve nonesuch --upload-token-file t --read-only", "cache serve: --read-only and --upload-token-file exclude each other: give one of the two\n"},
		{"serve nonesuch --cow c --writable", "serve: --writable and --cow exclude each other: give one of the two\n"},
		{"serve --cow c --writable", "serve: takes at least 1 argument, and none is given\n"},
	} {
		status, out, errout := ingot(strings.Fields(x.line)...)
		if status != exitUsage || out != "" || !strings.HasPrefix(errout, "ingot: "+x.want+"hint: ingot ") {
			t.Errorf("%s: status %d\n%s%s; want status %d, %s", x.line, status, out, errout, exitUsage, x.want)
		}
	}
	for _, line := range []string{"serve nonesuch --writable", "serve nonesuch --cow c"} {
		if status, _, errout := ingot(strings.Fields(line)...); status == exitUsage || !strings.Contains(errout, "nonesuch") {
			t.Errorf("%s: status %d\n%s; want that nonesuch is not there", line, status, errout)
		}
	}
}
