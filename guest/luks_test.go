package guest

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
)

// TestReadLine: a passphrase is a line, and what follows stays for whoever reads next.
func TestReadLine(t *testing.T) {
	r := strings.NewReader("open sesame\nls\n")
	got, err := readLine(r)
	if string(got) != "open sesame" || err != nil {
		t.Errorf("readLine = %q, %v; want %q", got, err, "open sesame")
	}
	if rest, _ := io.ReadAll(r); string(rest) != "ls\n" {
		t.Errorf("left is %q; want %q", rest, "ls\n")
	}
	if got, err := readLine(strings.NewReader("half")); !errors.Is(err, io.EOF) {
		t.Errorf("readLine of half a line = %q, %v; want the end", got, err)
	}
}

func TestLuksReason(t *testing.T) {
	for status, want := range map[syscall.WaitStatus]string{
		2 << 8: "this is not its passphrase", 3 << 8: "too little memory", 9: "ended by killed",
	} {
		if got := luksReason(status); !strings.Contains(got, want) {
			t.Errorf("luksReason(%#x) = %q; want %q", status, got, want)
		}
	}
}

// TestUnlockWords refuses words that name nothing, before it waits for a device.
func TestUnlockWords(t *testing.T) {
	for words, want := range map[string]string{
		"ingot.luks=nonsense": "ingot.luks=", "ingot.luks=UUID=a,../x": `"../x" is no name`,
	} {
		s := &system{cmdline: parseCmdline(words)}
		if err := s.unlock(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("unlock with %s = %v; want %q", words, err, want)
		}
	}
	if _, err := (&system{}).readKey("UUID=a"); err == nil || !strings.Contains(err.Error(), "UUID=…:/PATH") {
		t.Errorf("readKey = %v", err)
	}
}
