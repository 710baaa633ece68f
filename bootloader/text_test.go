package bootloader

import (
	"strings"
	"testing"
)

func TestSplitArguments(t *testing.T) {
	for s, want := range map[string]string{
		"":                              "",
		" \n":                           "",
		"a b\n":                         "a|b",
		"  a\tb  c ":                    "a|b|c",
		`x="file a +p; b" y`:            "x=file a +p; b|y",
		`"x=a b"`:                       "x=a b",
		`a ""`:                          "a|",
		"quiet splash root=LABEL=nixos": "quiet|splash|root=LABEL=nixos",
	} {
		got, err := SplitArguments(s)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("SplitArguments(%q) = %q, %v; want %q", s, got, err, want)
		}
	}
	if _, err := SplitArguments(`a "b`); err == nil || !strings.Contains(err.Error(), "a quote is not closed") {
		t.Errorf("SplitArguments = %v; want an error", err)
	}
}

func TestConsoles(t *testing.T) {
	for s, want := range map[string]string{
		"tty0":           "console=tty0",
		"ttyS0":          "console=ttyS0,115200",
		"ttyS1,9600":     "console=ttyS1,9600",
		"ttyS0,57600o7r": "console=ttyS0,57600o7r",
		"ttyAMA0":        "console=ttyAMA0",
		"hvc0":           "console=hvc0",
	} {
		c, err := ParseConsole(s)
		if err != nil || c.Argument() != want {
			t.Errorf("ParseConsole(%q) = %v, %v; want the argument %q", s, c, err, want)
		}
	}
	for _, s := range []string{"", "tty", "ttyS", "ttyS0,", "ttyS0 quiet", "com1", "ttyS0,0"} {
		if c, err := ParseConsole(s); err == nil {
			t.Errorf("ParseConsole(%q) = %v; want an error", s, c)
		}
	}
}
