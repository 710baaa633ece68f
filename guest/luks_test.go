package guest

import (
	"strings"
	"syscall"
	"testing"
)

func TestLuksReason(t *testing.T) {
	for status, want := range map[syscall.WaitStatus]string{
		2 << 8: "wrong passphrase or key", 3 << 8: "too little memory", 9: "ended by killed",
	} {
		if got := luksReason(status); !strings.Contains(got, want) {
			t.Errorf("luksReason(%#x) = %q; want %q", status, got, want)
		}
	}
}

// TestUnlockWords refuses words that name nothing, before it waits for a device.
func TestUnlockWords(t *testing.T) {
	for words, want := range map[string]string{
		"ingot.luks=nonsense": "ingot.luks=", "ingot.luks=UUID=a,../x": `"../x" is not a name`,
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
