package boot

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/tests/fstest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// signedNet is a recipe of a kernel to boot by network, signed.
const signedNet = `name: signed
disk:
  partitions:
    - name: root
      filesystem: ext4
      contents: {files: [{path: /kernel, source: %q}, {path: /initrd, text: initrd}]}
bootloader:
  console: [ttyS0]
  entries: [{title: Signed, kernel: /kernel, initrd: [/initrd]}]
output: {store: erofs, sign: {key: %q, certificate: %[2]q}}
`

// TestSignedNetboot has the iPXE in QEMU's network card, which has no imgverify, run a
// signed script: what cannot be verified is not started either.
func TestSignedNetboot(t *testing.T) {
	parallel(t)
	openssl := fstest.Judge(t, "openssl", "openssl")
	pem := filepath.Join(t.TempDir(), "code.pem")
	fstest.Run(t, openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pem, "-out", pem+".crt", "-subj", "/CN=code",
		"-addext", "keyUsage=digitalSignature", "-addext", "extendedKeyUsage=codeSigning")
	fstest.Run(t, "sh", "-c", `cat "$0.crt" >> "$0"`, pem)
	kernels, err := filepath.Glob(filepath.Join(testenv.Kernel(t), "boot", "vmlinuz-*"))
	if err != nil || len(kernels) == 0 {
		t.Fatalf("no kernel in %s (%v)", testenv.Kernel(t), err)
	}
	folder, _ := build(t, fmt.Sprintf(signedNet, kernels[0], pem), "netboot")

	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	m, err := vm.Start(t.Context(), vm.Config{Disks: []vm.Disk{{Path: passingDisk(t)}}, Args: tftp(folder)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	screen := shows(t, ctx, m, "Signed did not start")
	if want := "imgverify: command not found"; !strings.Contains(screen, want) {
		t.Errorf("the screen shows\n%s\nwant %q", screen, want)
	}
	if console := m.Console(); strings.Contains(console, "Linux version") {
		t.Errorf("a kernel has started:\n%s", console)
	}
}

// shows waits until the text screen has these words, and returns all of it.
func shows(t *testing.T, ctx context.Context, m *vm.Machine, words string) string {
	t.Helper()
	for {
		screen, _, err := m.ScreenText(ctx)
		if err != nil {
			t.Fatalf("waiting for %q on the screen: %v\n%s", words, err, screen)
		}
		if strings.Contains(screen, words) {
			return screen
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the screen does not show %q but\n%s", words, screen)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
