package vm

import (
	"regexp"
	"strings"
	"testing"
)

// kernelSays are messages of kernels' as consoles show them.
var kernelSays = []string{
	"[    2.718281] random: crng init done\r\n",
	"[    0.000000][    T0] Linux version 6.1\r\n",
	"[  314.159265][   C1] usb 1-1: new high-speed USB device number 2\r\n",
	"<6>[12345.678901] EXT4-fs (vda3): mounted filesystem\r\n",
	"[123456.789012] \r\n",
}

// TestSplitPrompt puts messages of the kernel's between every two bytes of a prompt.
func TestSplitPrompt(t *testing.T) {
	const before, prompt, after = "Welcome, ünïcode.\r\n", "\x1b[1mwëb login: \x1b[0m", "root\r\n"
	re := regexp.MustCompile(regexp.QuoteMeta(prompt))
	all := strings.Join(kernelSays, "")
	for _, says := range append(kernelSays, all) {
		for i := range len(prompt) + 1 {
			text := before + prompt[:i] + says + prompt[i:] + after
			match, start, end, ok := find(re, text)
			wantStart, wantEnd := len(before), len(before)+len(prompt)+len(says)
			switch i {
			case 0:
				wantStart += len(says)
			case len(prompt):
				wantEnd -= len(says)
			}
			if !ok || match != prompt || start != wantStart || end != wantEnd {
				t.Fatalf("find(%q) = %q, %d, %d, %v; want %q, %d, %d", text, match, start, end, ok, prompt, wantStart, wantEnd)
			}
		}
	}
}

// TestSplitTwice has a message in each of two places of a prompt, and the last one yet to
// come to its end.
func TestSplitTwice(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		match, rest   string // and what is unread behind it
	}{
		{"login: ", "lo[    1.000000] a\r\ngi[    2.000000] b\r\nn: root", "login: ", "root"},
		{"login: $", "login: [    1.000000] a message that has not en", "login: ", "[    1.000000] a message that has not en"},
		{`ready\r*\n`, "ready\r[    1.000000] a\r\n\nmore", "ready\r\n", "more"},
		// What is waited for may be the kernel's.
		{"EXT4-fs.*mounted", "lo[    1.000000] EXT4-fs (vda): mounted\r\ngin: ", "EXT4-fs (vda): mounted", "\r\ngin: "},
		{`(?s).+`, "lo[    1.000000] a\r\ngin: ", "lo[    1.000000] a\r\ngin: ", ""},
		// The first of two counts, each time.
		{"login: ", "lo[    1.000000] a\r\ngin: root\r\nlogin: ", "login: ", "root\r\nlogin: "},
		{"login: ", "login: root\r\nlo[    1.000000] a\r\ngin: ", "login: ", "root\r\nlo[    1.000000] a\r\ngin: "},
	} {
		match, _, end, ok := find(regexp.MustCompile(test.pattern), test.text)
		if !ok || match != test.match || test.text[end:] != test.rest {
			t.Errorf("find(%q, %q) = %q, %v, with %q left; want %q, with %q left", test.pattern, test.text, match, ok, test.text[end:], test.match, test.rest)
		}
	}
	// Brackets alone are no message.
	for _, text := range []string{"lo[1] a\r\ngin: ", "lo[    1.0] a\r\ngin: ", "lo[    1.000000]gin: ", "lo\r\ngin: "} {
		if match, _, _, ok := find(regexp.MustCompile("login: "), text); ok {
			t.Errorf("find(%q) = %q; want nothing", text, match)
		}
	}
}

// TestSplitFailure has signs of failure that a message of the kernel's splits.
func TestSplitFailure(t *testing.T) {
	for _, sign := range []string{"You are in emergency mode. After logging in", "(initramfs) ", "ingot: cannot start the system: root=: no device is LABEL=a", "ALERT!  /dev/sda1 does not exist.  Dropping to a shell!"} {
		for i := 1; i < len(sign); i++ {
			text := sign[:i] + kernelSays[0] + sign[i:]
			e := findFailure(plain(text), false)
			if e == nil || !strings.HasPrefix(sign, e.Line) {
				t.Fatalf("findFailure(%q) = %+v; want that of %q", text, e, sign)
			}
		}
	}
}

// TestMarkLine has the init of a guest say something between a mark and the end of its line.
func TestMarkLine(t *testing.T) {
	for text, want := range map[string]string{
		"<end 1> 12\r\n# ":   "<end 1> 12\r\n",
		"<end 1> 12\r\r\n# ": "<end 1> 12\r\r\n",
		"<end 1> 12\n# ":     "<end 1> 12\n",
		"<end 1> 12\ringot: eth0 has the address 10.0.2.15/24\r\n\r\n# ": "<end 1> 12\ringot: eth0 has the address 10.0.2.15/24\r\n",
		"<end 1> 1":                  "",
		"<end 1> 12\r":               "",
		"echo '<en''d 1>' $?\r\n# ":  "",
		"<end 1> $?; something\r\n#": "",
	} {
		if got := markLine(`<end 1> \d+`).FindString(text); got != want {
			t.Errorf("markLine in %q = %q; want %q", text, got, want)
		}
	}
}
