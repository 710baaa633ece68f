package partition

import (
	"strconv"
	"strings"
	"testing"
)

// FuzzSizes reads sizes and shares, and writes them so that they are read as the same.
func FuzzSizes(f *testing.F) {
	for _, s := range []string{"1048576", "64MiB", "1.5 GiB", "64MB", "fit", "fit+512MiB", "40%", "33.33%", "8EiB", "0", "-1", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseBytes(s); err == nil {
			if again, err := ParseBytes(strconv.FormatInt(n, 10)); err != nil || again != n || n < 0 {
				t.Errorf("ParseBytes(%q) = %d, and of that %d, %v", s, n, again, err)
			}
			if FormatBytes(n) == "" {
				t.Errorf("%d bytes are written as nothing", n)
			}
		}
		if size, err := ParseSize(s); err == nil {
			if again, err := ParseSize(FormatSize(size)); err != nil || again != size {
				t.Errorf("ParseSize(%q) = %v, written as %q, and of that %v, %v", s, size, FormatSize(size), again, err)
			}
		}
		if share, err := ParseShare(s); err == nil {
			if again, err := ParseShare(share.String()); err != nil || again != share {
				t.Errorf("ParseShare(%q) = %s, and of that %s, %v", s, share, again, err)
			}
		}
	})
}

// FuzzKinds reads the words of a partition: its type, its flags, its GUID.
func FuzzKinds(f *testing.F) {
	f.Add("esp", "boot,hidden", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
	f.Add("0x83", "active", "x")
	f.Add("linux", "no-automount,bit:48", "{c12a7328f81f11d2ba4b00a0c93ec93b}")
	f.Fuzz(func(t *testing.T, kind, flags, guid string) {
		for _, table := range []Kind{GPT, MBR} {
			name, err := CanonicalType(table, "aarch64", kind)
			if again, err2 := CanonicalType(table, "aarch64", name); err == nil && (err2 != nil || again != name) {
				t.Errorf("CanonicalType(%s, %q) = %q, and of that %q, %v", table, kind, name, again, err2)
			}
		}
		for _, table := range []Kind{GPT, MBR} {
			parseFlags(table, strings.Split(flags, ","))
		}
		if got, err := parseGUID(guid); err == nil {
			if again, err := parseGUID(got); err != nil || again != got {
				t.Errorf("parseGUID(%q) = %q, and of that %q, %v", guid, got, again, err)
			}
		}
	})
}
