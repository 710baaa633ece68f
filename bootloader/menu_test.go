package bootloader

import (
	"strings"
	"testing"
)

// TestLastConsole has the menu's last console last, whichever the entry names.
func TestLastConsole(t *testing.T) {
	for _, c := range []struct{ consoles, entry, want string }{
		{"", "quiet console=tty0", "quiet console=tty0"},
		{"ttyS0", "quiet", "quiet console=ttyS0,115200"},
		{"tty0 ttyS0", "init=/i", "init=/i console=tty0 console=ttyS0,115200"},
		// Named by the entry: its options stay, and its place unless another would be the last.
		{"ttyS0", "console=ttyS0,9600 quiet", "console=ttyS0,9600 quiet"},
		{"ttyS0", "console=ttyS0,9600 console=tty0 quiet", "console=tty0 quiet console=ttyS0,9600"},
		{"tty0 ttyS0", "console=ttyS0 quiet", "quiet console=tty0 console=ttyS0"},
		{"ttyS0 tty0", "console=ttyS0,115200n8 console=tty0", "console=ttyS0,115200n8 console=tty0"},
		{"tty0 ttyS0", "console=ttyS0,115200n8 console=tty0", "console=tty0 console=ttyS0,115200n8"},
		{"ttyS0", "console=ttyS0,9600 console=tty0 console=ttyS0", "console=ttyS0,9600 console=tty0 console=ttyS0"},
		{"ttyS0", "console=ttyS0,9600 console=ttyS0 console=tty0", "console=tty0 console=ttyS0,9600"},
		{"ttyS1", "console=ttyS10", "console=ttyS10 console=ttyS1,115200"},
		// Words behind -- are init's.
		{"tty0 ttyS0", "quiet -- console=tty1 x", "quiet console=tty0 console=ttyS0,115200 -- console=tty1 x"},
		{"ttyS0", "console=ttyS0 console=tty0 -- console=ttyS0", "console=tty0 console=ttyS0 -- console=ttyS0"},
	} {
		entry := Entry{Title: "x", Arguments: strings.Fields(c.entry)}
		got, err := Menu{Consoles: strings.Fields(c.consoles)}.Arguments(entry)
		if g := strings.Join(got, " "); err != nil || g != c.want {
			t.Errorf("consoles %q, entry %q: %q, %v; want %q", c.consoles, c.entry, g, err, c.want)
		}
		if strings.Join(entry.Arguments, " ") != c.entry {
			t.Errorf("consoles %q: the entry's own arguments are now %q; want %q", c.consoles, entry.Arguments, c.entry)
		}
	}
}
