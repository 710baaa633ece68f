package helper_test

import (
	"errors"
	"strings"
	"testing"

	"ingot/vm/session"
)

// TestModules loads modules that the guest does not carry, by name and by alias.
func TestModules(t *testing.T) {
	ctx, h := start(t, options(t))
	for script, want := range map[string]string{
		"modprobe btrfs && grep -c ^btrfs /proc/modules":                 "1\n",
		"modprobe -n fs-xfs | grep -c '/kernel/fs/xfs/xfs.ko$'":          "1\n",
		"lsmod | grep -c ^xfs; true":                                     "0\n",
		"modprobe -q nonesuch || echo $?":                                "1\n",
		"modprobe dummy numdummies=2; ls /sys/class/net | grep -c dummy": "2\n",
	} {
		if got := run(t, ctx, h, "sh", "-c", script); got != want {
			t.Errorf("%s: printed %q; want %q", script, got, want)
		}
	}
	var errout strings.Builder
	_, err := h.Exec(ctx, session.Command{Argv: []string{"modprobe", "nonesuch"}, Stderr: &errout})
	var exit *session.ExitError
	if !errors.As(err, &exit) || exit.Result.Status != 1 || !strings.Contains(errout.String(), "nonesuch") {
		t.Errorf("modprobe nonesuch = %v, %q; want it to say that there is none", err, errout.String())
	}
}
