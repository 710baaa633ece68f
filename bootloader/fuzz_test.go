package bootloader

import (
	"strings"
	"testing"
)

// FuzzConsole reads consoles, and writes them for the kernel so that they are read as the
// same.
func FuzzConsole(f *testing.F) {
	for _, s := range []string{"tty0", "ttyS0", "ttyS1,9600n8", "ttyAMA0,115200e7r", "hvc0", "tty0,1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseConsole(s)
		if err != nil {
			return
		}
		again, err := ParseConsole(strings.TrimPrefix(c.Argument(), "console="))
		if err != nil || again.Device != c.Device {
			t.Errorf("ParseConsole(%q) is written %q, which is %+v, %v", s, c.Argument(), again, err)
		}
		speed, parity, bits := c.Line()
		if strings.ContainsAny(c.Device+speed+parity+bits, "\n;\"'$ ") {
			t.Errorf("ParseConsole(%q) is the device %q at %q, %q, %q", s, c.Device, speed, parity, bits)
		}
	})
}

func FuzzSplitArguments(f *testing.F) {
	f.Add(`a "b c" d="e f"`)
	f.Fuzz(func(t *testing.T, text string) {
		words, err := SplitArguments(text)
		if err != nil {
			return
		}
		total := 0
		for _, w := range words {
			if strings.Contains(w, `"`) {
				t.Errorf("SplitArguments(%q) leaves a quote in %q", text, w)
			}
			total += len([]rune(w))
		}
		if total > len([]rune(text)) {
			t.Errorf("SplitArguments(%q) = %q, which is longer", text, words)
		}
	})
}
