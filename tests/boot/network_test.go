package boot

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// small is a recipe of a system that ingot makes, in a network: one that starts a web
// server, and one whose GRUB has the kernel ask for an address.
const small = `name: small
system: {kernel: %q}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - name: root
      filesystem: ext4
      size: fit+16MiB
      contents:
        store: true
        files:
          - {path: /etc/hostname, text: "small\n"}
          - {path: /srv/index.txt, text: "a page of the web server\n"}
          - {path: /etc/rc, mode: 0755, text: "#!/bin/sh\nhttpd -h /srv\n"}
bootloader: {grub: [bios], timeout: 0, console: [ttyS0], arguments: [ip=dhcp, %s]}
`

// lab has a machine that is started by its kernel, with its place in the initial RAM
// disk, and one that is started by its boot loader and has DHCP and DNS alone.
const lab = `machines:
  web: {recipe: small.yaml, memory: 320, backdoor: true, vlans: [1, 7]}
  client: {recipe: small.yaml, memory: 320, backdoor: true, boot: bios}
`

// watched is a process whose output can be waited for.
type watched struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String()
}

func (w *watched) wait(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	testenv.Eventually(t, func() error {
		if !re.MatchString(w.String()) && !re.MatchString(vm.WithoutKernel(w.String())) {
			return fmt.Errorf("%s does not come:\n%s", pattern, w)
		}
		return nil
	})
}

// workplace is a folder and an environment that commands of one test share.
type workplace struct {
	t        *testing.T
	dir, run string
}

func (s *workplace) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program(s.t), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+s.run)
	return cmd
}

// ingot runs a command that has to succeed.
func (s *workplace) ingot(args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	cmd := s.command(args...)
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("ingot %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// eventually repeats a command in a machine until it succeeds, and returns what it
// printed then.
func (s *workplace) eventually(machine string, command ...string) string {
	s.t.Helper()
	var out []byte
	testenv.Eventually(s.t, func() (err error) {
		if out, err = s.command(append([]string{"shell", machine, "--"}, command...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %s: %w\n%s", machine, strings.Join(command, " "), err, out)
		}
		return nil
	})
	return string(out)
}

// fails runs a command in a machine that has to fail.
func (s *workplace) fails(machine string, command ...string) {
	s.t.Helper()
	if out, err := s.command(append([]string{"shell", machine, "--"}, command...)...).CombinedOutput(); err == nil {
		s.t.Errorf("%s: %s succeeds:\n%s", machine, strings.Join(command, " "), out)
	}
}

// TestNetwork starts two machines that reach each other by name and fetch a page, and
// cuts what is between them. In the end ingot is killed, and nothing is left of it.
func TestNetwork(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	s := &workplace{t: t, dir: t.TempDir(), run: t.TempDir()}
	for name, text := range map[string]string{"small.yaml": fmt.Sprintf(small, testenv.Kernel(t), words), "lab.yaml": lab} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd, out := s.command("network", "lab.yaml", "--capture", "lab.pcapng"), &watched{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })

	out.wait(t, `network lab: client 192\.168\.1\.1, web 192\.168\.1\.2 192\.168\.7\.2`)
	out.wait(t, `(?m)^web    \| .*ready on ttyS0`)
	out.wait(t, `(?m)^client \| .*ready on ttyS0`)
	for _, x := range []struct{ machine, command, want string }{
		{"web", "hostname", "web\n"},
		{"web", "cat /etc/hosts", "127.0.0.1 localhost\n::1 localhost\n192.168.1.1 client.lab.internal client\n192.168.1.2 web.lab.internal web\n192.168.7.2 web.lab.internal web\n"},
		{"web", "ping -c 1 client.lab.internal", "1 received"},
		{"web", "ip addr", "192.168.7.2/24"},
		{"client", "wget -q -O - http://web/index.txt", "a page of the web server\n"},
		{"client", "ip addr", "192.168.1.1/24"},
		{"client", "cat /etc/resolv.conf", "nameserver 192.168.1.254"},
	} {
		if got := s.eventually(x.machine, strings.Fields(x.command)...); !strings.Contains(got, x.want) {
			t.Errorf("%s: %s prints\n%s\nwant\n%s", x.machine, x.command, got, x.want)
		}
	}

	if got := s.ingot("network", "link", "client", "web", "down"); got != "client web: down\n" {
		t.Errorf("link down: %s", got)
	}
	s.fails("client", "ping", "-c", "1", "192.168.1.2")
	s.eventually("client", "ping", "-c", "1", "192.168.1.254") // its cable is well
	if got := s.ingot("network", "status"); !strings.Contains(got, "link client web  down") || !strings.Contains(got, "192.168.7.2  52:54:00:12:07:02") {
		t.Errorf("status:\n%s", got)
	}
	s.ingot("network", "link", "web", "client", "up", "delay", "400ms")
	if got := s.eventually("client", "ping", "-c", "1", "-W", "10", "192.168.1.2"); !slow.MatchString(got) {
		t.Errorf("over a link with a delay of 400 ms each way:\n%s", got)
	}

	// One that ends is listed no longer, and the other goes on.
	_ = s.command("shell", "web", "--", "poweroff").Run() // the door closes on it
	eventually(t, "a list without web, which is powered off", func() bool { return !strings.Contains(s.ingot("ps"), "web") })
	if got := s.ingot("network", "status"); !strings.Contains(got, "52:54:00:12:01:02  ended") {
		t.Errorf("status without web:\n%s", got)
	}
	s.eventually("client", "hostname")

	cmd.Process.Kill()
	<-ended
	s.nothingLeft()
	if t.Failed() {
		t.Logf("the consoles:\n%s", out)
	}
	fstest.Judge(t, "tcpdump", "tcpdump")
	seen := string(fstest.Run(t, "tcpdump", "-n", "-r", filepath.Join(s.dir, "lab.pcapng")))
	for _, want := range []string{"BOOTP/DHCP, Request from 52:54:00:12:01:01", "192.168.1.254.53", "GET /index.txt HTTP/1.1"} {
		if !strings.Contains(seen, want) {
			t.Errorf("the capture does not show %q:\n%.4000s", want, seen)
		}
	}
}

var slow = regexp.MustCompile(`time=([89]\d\d|\d{4,})\.`)

// nothingLeft waits until neither a machine nor a file of one is left. A process that
// was killed cannot do that itself.
func (s *workplace) nothingLeft() {
	s.t.Helper()
	testenv.Eventually(s.t, func() error {
		if left := s.left(); len(left) > 0 {
			return fmt.Errorf("left over: %s", strings.Join(left, ", "))
		}
		return nil
	})
}

func (s *workplace) left() (left []string) {
	files, _ := filepath.Glob(filepath.Join(s.run, "ingot", "*"))
	left = append(left, files...)
	processes, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range processes {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(s.run)) {
			name, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			left = append(left, string(bytes.ReplaceAll(name, []byte{0}, []byte{' '})))
		}
	}
	return left
}
