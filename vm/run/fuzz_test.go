package run

import (
	"strings"
	"testing"
)

// FuzzOptions reads forwards, services, shares and empty disks. Forwards are described so
// that they are read as the same.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{
		"8080:80", "127.0.0.1:8080:80", "udp:127.0.0.1:5353-10.0.2.15:53", ":8080-:80", "guest:10.0.2.100:80-8080", "guest:tcp:10.0.2.100:80-127.0.0.1:8080",
		"name:/path,ro", "a:b,readonly=on", "64MiB", "1GiB:ext4:label", "8MiB:fat:X", "512:swap", "kernel", "none",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 256 {
			return
		}
		if x, err := ParseForward(s); err == nil {
			again, err := ParseForward(describe(x))
			if err != nil || describe(again) != describe(x) {
				t.Errorf("%q is described as %q: %v", s, describe(x), err)
			}
		}
		if x, err := ParseService(s); err == nil {
			again, err := ParseService(describeService(x))
			if err != nil || describeService(again) != describeService(x) {
				t.Errorf("%q is described as %q: %v", s, describeService(x), err)
			}
		}
		if n, err := ParseSize(s); err == nil && n < 0 {
			t.Errorf("ParseSize(%q) = %d", s, n)
		}
		ParseEmpty(s)
		ParseBoot(s)
		ParseGraphics(s)
		if name := SafeName(s); len(name) > maxName || !validName().MatchString(name) || strings.HasPrefix(name, "-") {
			t.Errorf("SafeName(%q) = %q", s, name)
		}
	})
}
