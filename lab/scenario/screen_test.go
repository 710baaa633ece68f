package scenario

import (
	"regexp"
	"testing"

	"ingot/vm"
)

func TestCheckScreen(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, test := range []struct {
		arch     vm.Arch
		graphics bool
		ok       bool
	}{
		{vm.X86_64, false, true},
		{vm.X86_64, true, false}, // there is no tesseract
		{vm.AArch64, false, false},
	} {
		if err := CheckScreen(test.arch, test.graphics); (err == nil) != test.ok {
			t.Errorf("CheckScreen(%s, %v) = %v; want success %v", test.arch, test.graphics, err, test.ok)
		}
	}
}

// TestSplitOutput has a message of the kernel's in the middle of what a command printed, by
// the console and by a way of its own.
func TestSplitOutput(t *testing.T) {
	re := regexp.MustCompile("ready to go")
	for _, test := range []struct {
		said said
		want bool
	}{
		{said{output: "ready to go\n", split: true}, true},
		{said{output: "rea[    1.000000] eth0: link is up\r\ndy to go\n", split: true}, true},
		{said{output: "rea[    1.000000] eth0: link is up\r\ndy to go\n"}, false}, // the command itself printed that
		{said{output: "ready\n", split: true}, false},
	} {
		if got := test.said.matches(re); got != test.want {
			t.Errorf("%+v matches = %v; want %v", test.said, got, test.want)
		}
	}
}
