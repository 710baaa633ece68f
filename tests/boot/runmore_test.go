package boot

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// enters starts a machine that shows a shell, and waits until its agent answers, too.
// What comes back runs a script in it, and ends it.
func (u *user) enters(name string, args ...string) (inside func(script string) string, stop func()) {
	u.t.Helper()
	cmd, console, _ := u.runs(shellReady, append([]string{"run", "--name", name}, args...)...)
	eventually(u.t, "the agent in "+name, func() bool {
		_, _, status := u.types("", "shell", name, "--", "true")
		return status == 0
	})
	inside = func(script string) string {
		u.t.Helper()
		out, errout, status := u.types("", "shell", name, "--", "sh", "-c", script)
		if status != 0 {
			u.t.Errorf("%s: status %d\n%s%s", script, status, out, errout)
		}
		return out
	}
	stop = func() {
		u.t.Helper()
		if _, errout, status := u.types("", "stop", name); status != 0 {
			u.t.Errorf("stop: status %d, %s", status, errout)
		}
		if err := cmd.Wait(); err != nil {
			u.t.Errorf("ingot run ended by %v; want 0, as the guest powered off\n%s", err, console)
		}
		if got := u.left(); got != "" {
			u.t.Errorf("after it there is %s", got)
		}
	}
	return inside, stop
}

// TestRunISO runs an ISO as a CD, in both firmwares. There is no other way into it.
func TestRunISO(t *testing.T) {
	parallel(t)
	u := newUser(t)
	iso, _ := buildRescue(t, "iso", "output.store=files")
	for firmware, want := range map[string]string{"bios": "BIOS\n", "uefi": "UEFI\n"} {
		inside, stop := u.enters("iso-"+firmware, iso, "--boot", firmware, "--network=none")
		if got := inside("grep -o '^/dev/sr0 /run/live/medium iso9660' /proc/mounts; [ -d /sys/firmware/efi ] && echo UEFI || echo BIOS"); got != "/dev/sr0 /run/live/medium iso9660\n"+want {
			t.Errorf("--boot %s: the guest prints %q; want it to run from the CD, in %s", firmware, got, want)
		}
		stop()
	}
	if _, errout, status := u.types("", "run", iso, "--boot", "kernel"); status != 2 || !strings.Contains(errout, "its kernel is inside: boot it with bios or uefi") {
		t.Errorf("--boot kernel: status %d, %s", status, errout)
	}
}

// TestRunNetboot runs a folder to boot by network, without a network.
func TestRunNetboot(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "mksquashfs", "squashfs-tools")
	u := newUser(t)
	folder, _ := buildRescue(t, "netboot", "output.level=1")
	inside, stop := u.enters("netboot", folder, "--network=none", "--memory", "1G", "--append", "a.word")
	if got := inside("grep -o ' /run/live/image squashfs' /proc/mounts; hostname; grep -o a.word /proc/cmdline"); got != " /run/live/image squashfs\nrescue\na.word\n" {
		t.Errorf("the guest prints %q; want its root to be the squashfs", got)
	}
	stop()
	if _, errout, status := u.types("", "run", folder, "--boot", "uefi"); status != 2 || !strings.Contains(errout, "has no disk to boot from") {
		t.Errorf("--boot uefi: status %d, %s", status, errout)
	}
}

// TestRunStore shows a guest the folder of a store by virtiofs and by 9p, and all of a
// made-up host's store as a disk.
func TestRunStore(t *testing.T) {
	parallel(t)
	u := newUser(t)
	c := nixtest.System(t)
	sh := c.Path("busybox-static") + "/bin/busybox sh -c"
	script := `cut -d' ' -f2,3 /proc/mounts | grep '^/nix/store '; ls /nix/store | wc -l; test -s /nix/var/nix/db/db.sqlite && echo a database; exit 7`
	for _, x := range []struct {
		name, kernel, filesystem string
		args                     []string
	}{
		{"virtiofs", testenv.Kernel(t), "virtiofs", []string{c.Graph, "--store-root", c.Root, "--store-share", "virtiofs"}},
		{"9p", testenv.KernelFull(t), "9p", []string{c.Graph, "--store-root", c.Root, "--store-share", "9p"}},
		{"host", testenv.Kernel(t), "ext4", []string{"--store", "host", "--store-root", c.Root}},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.filesystem == "virtiofs" && vm.DefaultShare() != vm.VirtioFS {
				t.Skip("virtiofsd is missing, or may not run here")
			}
			args := append([]string{"run", "--name", x.name, "--kernel", x.kernel, "--network=none", "--run", sh, "--arg", script, "--env", "PATH=" + path(c)}, x.args...)
			out, errout, status := u.types("", args...)
			if want := fmt.Sprintf("/nix/store %s\n%d\na database\n", x.filesystem, len(c.Paths)); out != want || status != 7 {
				t.Errorf("printed %q, status %d; want %q, 7\n%s", out, status, want, errout)
			}
		})
	}
	_, errout, status := u.types("", "run", c.Graph, "--kernel", testenv.Kernel(t), "--store-share", "9p", "--find")
	if status != 1 || !strings.Contains(errout, "--store-share 9p: kernel ") || !strings.Contains(errout, "has no 9p") {
		t.Errorf("a kernel without 9p: status %d, %s; want a refusal that names it", status, errout)
	}
}

// TestRunReachesHost has a guest without a network fetch a page from a server on this
// machine's loopback device, and ask its TPM for its version.
func TestRunReachesHost(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "swtpm", "swtpm")
	u := newUser(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "a page of "+r.Host+"\n")
	})}
	go server.Serve(l) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { server.Close() })
	chip := filepath.Join(t.TempDir(), "chip")
	u.env = append(u.env, "NIX_SWTPM_DIR="+chip)
	inside, stop := u.enters("reaches", "rescue", "--set", "system.kernel="+testenv.Kernel(t), "--set", "system.network=dhcp",
		"--network=restricted", "--forward", "guest:10.0.2.100:80-"+l.Addr().String(), "--tpm")
	got := inside(`until ip addr | grep -q 10.0.2.15; do sleep 1; done
for i in 1 2; do wget -q -O - http://10.0.2.100/; done
wget -q -T 10 -O - http://10.0.2.2:` + strings.TrimPrefix(l.Addr().String(), "127.0.0.1:") + `/ || echo nothing else
cat /sys/class/tpm/tpm0/tpm_version_major`)
	if want := "a page of 10.0.2.100\na page of 10.0.2.100\nnothing else\n2\n"; got != want {
		t.Errorf("the guest prints %q; want %q", got, want)
	}
	stop()
	if kept, err := filepath.Glob(filepath.Join(chip, "tpm2-*.permall")); err != nil || len(kept) != 1 {
		t.Errorf("NIX_SWTPM_DIR has %v, %v; want the chip's state", kept, err)
	}
}

// TestRunSecureBoot has firmware that starts nothing unsigned look at a disk that boots
// with UEFI where nobody asks for signatures, as TestRunSaved shows.
func TestRunSecureBoot(t *testing.T) {
	parallel(t)
	if _, err := vm.FindSecureUEFI(vm.X86_64); err != nil {
		testenv.Missing(t, err.Error())
	}
	u := newUser(t)
	vars := filepath.Join(t.TempDir(), "vars")
	run := []string{"run", "rescue", "--set", "system.kernel=" + testenv.Kernel(t), "--name", "signed", "--network=none", "--efi-vars", vars}
	out, errout, status := u.types("", append(run, "--secure-boot")...)
	if status != 1 || !strings.Contains(errout, "no key that it knows has signed (Secure Boot)") || !strings.Contains(out, "Access Denied") {
		t.Errorf("an unsigned GRUB: status %d\n%s\n%s", status, out, errout)
	}
	if _, errout, status := u.types("", append(run, "--boot", "kernel", "--secure-boot")...); status != 2 || !strings.Contains(errout, "boot mode kernel bypasses it") {
		t.Errorf("--boot kernel: status %d, %s", status, errout)
	}
}
