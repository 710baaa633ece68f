package initramfs

import (
	"strings"
	"testing"
)

func TestUnsigned(t *testing.T) {
	header := strings.Repeat("\x00", 8) + "\x00\x00\x00\x05"
	for _, test := range []struct{ module, want string }{
		{"object" + "12345" + header + signatureMagic, "object"},
		{"object", "object"},
		{signatureMagic, signatureMagic},
		{header + signatureMagic, header + signatureMagic}, // longer than what is there
		{"object" + signatureMagic[1:], "object" + signatureMagic[1:]},
	} {
		if got := unsigned([]byte(test.module)); string(got) != test.want {
			t.Errorf("unsigned(%q) = %q; want %q", test.module, got, test.want)
		}
	}
}
