package grub

import (
	"strings"
	"testing"
)

// FuzzModdep reads GRUB's list of what its modules need.
func FuzzModdep(f *testing.F) {
	f.Add("ext2: fshelp\nfshelp:\nnormal: crypto  terminal\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name, needs := range parseModdep(text) {
			for _, n := range append(needs, name) {
				if strings.ContainsAny(n, "\n") {
					t.Errorf("a module is called %q", n)
				}
			}
		}
	})
}
