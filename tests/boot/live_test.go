package boot

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// linux returns a kernel's image and an initramfs for it with ingot, the files given
// beside it.
func linux(t *testing.T, files *image.Tree) (vmlinuz, initrd image.Blob) {
	t.Helper()
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	k, err := kernel.Find(testenv.Kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	binary, err := image.NewHostFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := initramfs.Build(initramfs.Options{Init: binary, Kernel: k, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return k.Image, archive
}

// liveRoot makes a squashfs of a root that has ingot as its init and a host name, and
// returns its path.
func liveRoot(t *testing.T, hostname string) string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for _, d := range []string{"sbin", "etc", "root"} {
		must(t, os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	binary, err := os.ReadFile(program(t))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(root, "sbin/init"), binary, 0o755))
	must(t, os.WriteFile(filepath.Join(root, "etc/hostname"), []byte(hostname+"\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644))
	return squash(t, filepath.Join(dir, "root.squashfs"), root)
}

// squash makes a squashfs, fast rather than small, and returns its path.
func squash(t *testing.T, out string, from ...string) string {
	t.Helper()
	fstest.Judge(t, "mksquashfs", "squashfs-tools")
	fstest.Run(t, "mksquashfs", append(from, out, "-noappend", "-no-progress", "-all-root", "-comp", "zstd", "-Xcompression-level", "1")...)
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts a machine that ends with the test.
func start(t *testing.T, c vm.Config) (*vm.Machine, context.Context) {
	t.Helper()
	c.Accel = vm.TCG
	m, err := vm.Start(t.Context(), c)
	must(t, err)
	t.Cleanup(m.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return m, ctx
}

// answers has the guest run commands, whose output must hold what is wanted. A want that
// starts with ! must not be in it.
func answers(t *testing.T, ctx context.Context, m *vm.Machine, commands [][2]string) {
	t.Helper()
	for _, x := range commands {
		command, want := x[0], x[1]
		got, status, err := m.Run(ctx, command)
		must(t, err)
		if absent, ok := strings.CutPrefix(want, "!"); ok {
			if strings.Contains(got, absent) {
				t.Errorf("%s: %q; want no %q in it", command, got, absent)
			}
			continue
		}
		if status != 0 || !strings.Contains(got, want) {
			t.Errorf("%s: status %d, %q; want %q", command, status, got, want)
		}
	}
}

// ext4Disk makes a disk with these files, as mke2fs does it.
func ext4Disk(t *testing.T, name, label string, mebibytes int, from string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	args := []string{"-q", "-F", "-L", label, "-t", "ext4"}
	if from != "" {
		args = append(args, "-d", from)
	}
	fstest.Run(t, "mke2fs", append(args, out, fmt.Sprintf("%dM", mebibytes))...)
	return out
}

// TestLiveISOInFile boots from an ISO that is a file on a disk, copies the image on it
// to memory and lets go of the disk.
func TestLiveISOInFile(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "xorriso", "xorriso")
	stick := filepath.Join(t.TempDir(), "stick")
	must(t, os.MkdirAll(filepath.Join(stick, "isos"), 0o755))
	content := filepath.Join(t.TempDir(), "content")
	must(t, os.MkdirAll(content, 0o755))
	must(t, os.Rename(liveRoot(t, "alive"), filepath.Join(content, "root.squashfs")))
	fstest.Run(t, "xorriso", "-as", "mkisofs", "-quiet", "-V", "LIVE", "-R", "-o", filepath.Join(stick, "isos/live.iso"), content)
	disk := ext4Disk(t, "stick.img", "stick", 64, stick)

	image, initrd := linux(t, nil)
	m, ctx := start(t, vm.Config{
		Kernel: image, Initrd: initrd, Disks: []vm.Disk{{Path: ext4Disk(t, "other.img", "other", 8, "")}, {Path: disk}},
		NICs:   []vm.NIC{{User: &vm.UserNet{}}},
		Append: directWords + "findiso=/isos/live.iso ingot.live=/root.squashfs copytoram ip=10.0.2.77/24:10.0.2.2:10.0.2.3",
	})
	if _, err := m.WaitFor(ctx, `the system is in memory: its medium can be removed`); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WaitFor(ctx, `ingot: ready on ttyS0`); err != nil {
		t.Fatal(err)
	}
	answers(t, ctx, m, [][2]string{
		{"hostname", "alive"},
		{"mount", "overlay on / type overlay"},
		{"mount", "on /run/live/image type squashfs (ro"},
		{"mount", "!/run/live/medium"},
		{"mount", "!/run/live/carrier"},
		{"losetup -a", "root.squashfs"},
		{"losetup -a", "!live.iso"},
		{"touch /etc/written && ls /etc", "written"},
		{"i=0; until ip route | grep default; do i=$((i+1)); [ $i -lt 60 ] || break; sleep 1; done", "default via 10.0.2.2 dev eth0"},
		{"ip addr; cat /etc/resolv.conf", "nameserver 10.0.2.3"},
		{"ip addr", "10.0.2.77/24"},
		// By hand: it returns with an address, and something stays to renew it.
		{"ip addr del 10.0.2.77/24 dev eth0; dhcp", "eth0 has the address 10.0.2.15/24, gateway 10.0.2.2"},
		{"pidof dhcp && ping -c 1 10.0.2.2", "1 received"},
		// Nothing holds the disk any more: it can be written to as a whole.
		{"dd if=/dev/zero of=/dev/vdb bs=1M count=4 && sync && sha256sum /sbin/init", "/sbin/init"},
	})
	if t.Failed() {
		t.Log(m.Console())
	}
}

// TestLiveMediumInMemory boots from an ISO in a file whose files are the root themselves:
// the whole medium goes to memory.
func TestLiveMediumInMemory(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "xorriso", "xorriso")
	stick, root := filepath.Join(t.TempDir(), "stick"), filepath.Join(t.TempDir(), "root")
	must(t, os.MkdirAll(stick, 0o755))
	fstest.Run(t, "unsquashfs", "-q", "-n", "-d", root, liveRoot(t, "plain"))
	fstest.Run(t, "xorriso", "-as", "mkisofs", "-quiet", "-V", "LIVE", "-R", "-o", filepath.Join(stick, "live.iso"), root)
	disk := ext4Disk(t, "stick.img", "stick", 64, stick)
	image, initrd := linux(t, nil)
	m, ctx := start(t, vm.Config{
		Kernel: image, Initrd: initrd, Disks: []vm.Disk{{Path: disk}},
		Append: directWords + "root=LABEL=LIVE findiso=/live.iso copytoram",
	})
	for _, want := range []string{`copying \d+ MiB|copying [\d.]+ MiB`, `ingot: ready on ttyS0`} {
		if _, err := m.WaitFor(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	answers(t, ctx, m, [][2]string{
		{"hostname", "plain"},
		{"mount", "on /run/live/medium type iso9660 (ro"},
		{"mount", "!/run/live/carrier"},
		{"dd if=/dev/zero of=/dev/vda bs=1M count=8 && sync && echo 3 > /proc/sys/vm/drop_caches && sha256sum /sbin/init", "/sbin/init"},
	})
}

// TestLiveTooLittleMemory has a medium copied to memory that has no room for it: the
// error has the numbers, and boot.shell_on_fail keeps panic= from starting again.
func TestLiveTooLittleMemory(t *testing.T) {
	parallel(t)
	content := filepath.Join(t.TempDir(), "content")
	must(t, os.MkdirAll(content, 0o755))
	f, err := os.Create(filepath.Join(content, "root.squashfs"))
	must(t, err)
	must(t, f.Truncate(400<<20))
	must(t, f.Close())
	disk := ext4Disk(t, "medium.img", "medium", 450, content)
	image, initrd := linux(t, nil)
	m, ctx := start(t, vm.Config{
		Kernel: image, Initrd: initrd, Disks: []vm.Disk{{Path: disk}}, Memory: 384 << 20,
		Append: directWords + "root=LABEL=medium ingot.live=/root.squashfs copytoram panic=-1 boot.shell_on_fail",
	})
	_, err = m.WaitFor(ctx, `emergency shell on ttyS0`)
	said := m.Console()
	if err == nil {
		answers(t, ctx, m, [][2]string{{"mount", "!/run/live"}}) // all is taken down again
	}
	if !strings.Contains(said, "cannot start the system: copytoram: root.squashfs: 400 MiB do not fit into memory") {
		t.Errorf("the guest says %v:\n%s", err, said)
	}
}

// TestLiveFromNetwork boots not-os's way: the store alone, fetched by TFTP, below a real
// root on a disk that was empty; and the store's database is made of its registration.
// nix-store judges what is on the disk then.
func TestLiveFromNetwork(t *testing.T) {
	parallel(t)
	c := nixtest.System(t)
	served := t.TempDir()
	registration, err := os.ReadFile(c.Registration)
	must(t, err)
	note := filepath.Join(t.TempDir(), "nix-path-registration")
	must(t, os.WriteFile(note, registration, 0o644))
	var items []string
	for _, p := range c.Paths {
		items = append(items, filepath.Join(c.Store, filepath.Base(p)))
	}
	squash(t, filepath.Join(served, "root.squashfs"), append(items, note)...)
	disk := ext4Disk(t, "real.img", "real", 64, "")
	image, initrd := linux(t, nil)
	m, ctx := start(t, vm.Config{
		Kernel: image, Initrd: initrd, Disks: []vm.Disk{{Path: disk, Writable: true}},
		NICs:   []vm.NIC{{User: &vm.UserNet{Options: []string{"tftp=" + served}}}},
		Append: directWords + "netroot=10.0.2.2=root.squashfs realroot=LABEL=real systemConfig=" + c.Toplevel + " ingot-test.poweroff",
	})
	for _, want := range []string{`eth0 has the address 10\.0\.2\.15/24, gateway 10\.0\.2\.2`, `fetched root.squashfs from 10\.0\.2\.2`, `registered \d+ store paths`,
		c.Marker(), `root is ext4 /dev/vda rw`, nixtest.ContentsMatch, `found /nix/var/nix/db/db.sqlite`, nixtest.Done} {
		if _, err := m.WaitFor(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	must(t, m.Wait(ctx))
	database := filepath.Join(t.TempDir(), "db.sqlite")
	fstest.Run(t, "e2fsck", "-fy", disk)
	fstest.Run(t, "debugfs", "-R", "dump /nix/var/nix/db/db.sqlite "+database, disk)
	out, err := exec.Command(fstest.Judge(t, "sqlite3", "sqlite3"), database, "pragma integrity_check; select count(*) from ValidPaths").Output()
	must(t, err)
	if want := fmt.Sprintf("ok\n%d\n", len(c.Paths)); string(out) != want {
		t.Errorf("the database on the real root = %q; want %q", out, want)
	}
}

// TestLiveSSH boots an image that is in the initramfs, as netboot brings it, gets an
// address by DHCP, and is logged in to by ssh: by the library, and by the real ssh.
func TestLiveSSH(t *testing.T) {
	parallel(t)
	file, err := image.NewHostFile(liveRoot(t, "netboot"))
	must(t, err)
	files := image.NewTree()
	must(t, files.Put("/root.squashfs", image.NewFile(0o644, file)))
	signer, keyFile := newKey(t)
	word := strings.Fields(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))[1]
	kernelImage, initrd := linux(t, files)
	m, ctx := start(t, vm.Config{
		Kernel: kernelImage, Initrd: initrd,
		NICs:   []vm.NIC{{User: &vm.UserNet{Restrict: true, Forwards: []vm.Forward{{GuestPort: 22}}}}},
		Append: "console=tty0 " + directWords + "ingot.live=/root.squashfs ip=dhcp ingot.ssh=" + word,
	})
	for _, want := range []string{`ready on ttyS0`, `listening on port 22`} {
		if _, err := m.WaitFor(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	answers(t, ctx, m, [][2]string{
		{"hostname", "netboot"}, {"i=0; until ip addr | grep 10.0.2; do i=$((i+1)); [ $i -lt 60 ] || break; sleep 1; done", "10.0.2.15/24"},
		{"stat -c %a /etc/ssh/ssh_host_ed25519_key", "600"},
	})
	address := m.Forwards()[0].Address()
	client := dial(t, ctx, address, signer)
	session, err := client.NewSession()
	must(t, err)
	session.Stdin = strings.NewReader("sent")
	out, err := session.Output("cat; hostname; exit 42")
	if exit, ok := err.(*ssh.ExitError); !ok || exit.ExitStatus() != 42 || string(out) != "sentnetboot\n" {
		t.Errorf("cat; hostname; exit 42 by ssh = %q, %v; want sentnetboot and status 42", out, err)
	}
	realSSH(t, ctx, address, keyFile)
	// Another key is refused.
	other, _ := newKey(t)
	if c, err := ssh.Dial("tcp", address, clientConfig(other)); err == nil {
		c.Close()
		t.Error("a key that nobody gave logs in")
	}
}

// realSSH has OpenSSH log in, and copy a file there and back.
func realSSH(t *testing.T, ctx context.Context, address, keyFile string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	must(t, err)
	options := []string{"-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-i", keyFile}
	program := fstest.Judge(t, "ssh", "openssh-client")
	out, err := exec.CommandContext(ctx, program, append(options, "-tt", "-p", port, "root@"+host, "tty; echo $TERM; exit 3")...).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 3 || !strings.Contains(string(out), "/dev/pts/") {
		t.Errorf("ssh -tt = %q, %v; want a terminal and status 3", out, err)
	}
	dir := t.TempDir()
	sent, back := filepath.Join(dir, "sent"), filepath.Join(dir, "back")
	data := make([]byte, 1<<20)
	rand.Read(data)
	must(t, os.WriteFile(sent, data, 0o600))
	for _, files := range [][]string{{sent, "root@" + host + ":/tmp/file"}, {"root@" + host + ":/tmp/file", back}} {
		if out, err := exec.CommandContext(ctx, "scp", append(append(options, "-q", "-P", port), files...)...).CombinedOutput(); err != nil {
			t.Fatalf("scp %s: %v\n%s", files, err, out)
		}
	}
	if got, err := os.ReadFile(back); err != nil || string(got) != string(data) {
		t.Errorf("a file of %d bytes copied there and back has %d, %v, or other ones", len(data), len(got), err)
	}
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	must(t, err)
	file := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	return signer, file
}

func clientConfig(signer ssh.Signer) *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: time.Minute,
	}
}

// dial logs in, again until the guest's server is up.
func dial(t *testing.T, ctx context.Context, address string, signer ssh.Signer) *ssh.Client {
	t.Helper()
	for {
		client, err := ssh.Dial("tcp", address, clientConfig(signer))
		if err == nil {
			t.Cleanup(func() { client.Close() })
			return client
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			t.Fatalf("ssh %s: %v", address, err)
		}
	}
}
