package vm

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// probeCode is what probe/probe.S says.
//
//go:embed probe/probe.bin
var probeCode []byte

// The ROM that it is carried in: the processor starts 16 bytes before its end, with a
// far jump to its begin.
const (
	romSize     = 64 << 10
	resetVector = romSize - 16
)

var resetJump = []byte{0xEA, 0x00, 0x00, 0x00, 0xF0} // jmp f000:0000

// probeExit is QEMU's exit status when the probe has gone all its way.
const probeExit = 33

// How long a step may take, each a few instructions, and QEMU to start on a busy host.
// Tests change them.
var (
	stepTime  = 2 * time.Second
	startTime = 10 * time.Second
)

// openKVM reports whether KVM is there for this user.
func openKVM() error {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrPermission):
		return errors.New("this user may not open /dev/kvm (the group kvm often may)")
	case errors.Is(err, os.ErrNotExist):
		return errors.New("/dev/kvm is not there (a processor without virtualization, or its module is not loaded)")
	case err != nil:
		return err
	}
	return f.Close()
}

var probing sync.Mutex

// ProbeKVM says why guests of the host's architecture do not run on KVM. It starts one
// to find out: that /dev/kvm opens does not show it. The answer is kept in the user's
// cache folder until the host is started again. Where the host is no x86-64 it is
// enough that /dev/kvm opens.
func ProbeKVM(ctx context.Context) error {
	if err := openKVM(); err != nil {
		return err
	}
	if HostArch() != X86_64 {
		return nil
	}
	probing.Lock()
	defer probing.Unlock()
	found, ok := recall()
	if !ok {
		qemu, err := exec.LookPath(platforms[X86_64].program)
		if err != nil {
			return fmt.Errorf("%s, which would test it, is not in PATH", platforms[X86_64].program)
		}
		err = probeKVM(ctx, qemu)
		if context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			found.Failure = err.Error()
		}
		found.keep()
	}
	if found.Failure != "" {
		return errors.New(found.Failure)
	}
	return nil
}

// probeKVM starts a machine that has nothing but a processor and memory.
func probeKVM(ctx context.Context, qemu string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rom := make([]byte, romSize)
	copy(rom, probeCode)
	copy(rom[resetVector:], resetJump)
	file, err := memoryFile("probe", nil)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(rom); err != nil {
		return err
	}
	told, tells, err := os.Pipe()
	if err != nil {
		return err
	}
	defer told.Close()
	defer tells.Close()
	cmd := exec.CommandContext(ctx, qemu, "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
		"-machine", "pc", "-accel", "kvm", "-cpu", "host", "-m", "32M", "-bios", fmt.Sprintf("/proc/self/fd/%d", firstFD),
		"-chardev", "stdio,id=steps,signal=off", "-device", "isa-debugcon,iobase=0x402,chardev=steps",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=4")
	cmd.ExtraFiles = []*os.File{file}
	stderr := newConsole()
	cmd.Stdout, cmd.Stderr = tells, stderr
	qemuChild, err := launch(cmd)
	if err != nil {
		return err
	}
	defer func() { cancel(); <-qemuChild.done }()
	tells.Close()
	return watchSteps(told, qemuChild, stderr)
}

// steps are what the probe tells, and where it is when it has told so.
var steps = []struct {
	sign  string
	there string
}{
	{"R", "real mode"}, {"L", "64-bit mode"}, {"T", "an exception"}, {"B", "the return from it"},
}

// watchSteps follows the probe.
func watchSteps(told *os.File, qemu *child, stderr *console) error {
	buf := make([]byte, 1)
	for i, step := range steps {
		limit := stepTime
		if i == 0 {
			limit = startTime
		}
		if err := told.SetReadDeadline(time.Now().Add(limit)); err != nil {
			return err
		}
		_, err := io.ReadFull(told, buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("/dev/kvm opens, but a guest on it does not come to %s within %v", step.there, limit)
		case err != nil:
			<-qemu.done
			return fmt.Errorf("/dev/kvm opens, but QEMU ends before a guest on it comes to %s: %s", step.there, firstLine(stderr.end(), qemu.err))
		case string(buf) != step.sign:
			return fmt.Errorf("/dev/kvm opens, but a guest on it fails before %s", step.there)
		}
	}
	select {
	case <-qemu.done:
	case <-time.After(stepTime):
		return fmt.Errorf("/dev/kvm opens, but a guest on it does not end within %v", stepTime)
	}
	if status := qemu.cmd.ProcessState.ExitCode(); status != probeExit {
		return fmt.Errorf("/dev/kvm opens, but a guest on it ends with %s", qemu.cmd.ProcessState)
	}
	return nil
}

// firstLine returns the first thing that QEMU said, or how it ended.
func firstLine(said string, err error) string {
	if line, _, _ := strings.Cut(said, "\n"); line != "" {
		return line
	}
	return fmt.Sprint(err)
}

// A finding is what a probe has found out, for as long as the host runs.
type finding struct {
	Under   string // the host's boot, and QEMU's path, size and time
	Failure string // empty: guests run
}

// circumstances returns those under which a finding holds, or "" if they cannot be known.
func circumstances() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	qemu, err := exec.LookPath(platforms[X86_64].program)
	if err != nil {
		return ""
	}
	info, err := os.Stat(qemu)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %s %d %d", bytes.TrimSpace(boot), qemu, info.Size(), info.ModTime().Unix())
}

// findingFile is where a finding is kept for other processes.
func findingFile() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "ingot", "kvm.json"), err
}

// recalled is what this process knows, for where no file can be written.
var recalled struct {
	sync.Mutex
	finding
}

// recall returns what an earlier probe has found under these circumstances.
func recall() (found finding, ok bool) {
	now := circumstances()
	recalled.Lock()
	defer recalled.Unlock()
	if now != "" && recalled.Under == now {
		return recalled.finding, true
	}
	path, err := findingFile()
	if err != nil || now == "" {
		return finding{}, false
	}
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &found) != nil || found.Under != now {
		return finding{}, false
	}
	return found, true
}

// keep writes a finding down. Where that cannot be, the next process has to probe
// again, and nothing else.
func (f finding) keep() {
	f.Under = circumstances()
	recalled.Lock()
	recalled.finding = f
	recalled.Unlock()
	path, err := findingFile()
	text, err2 := json.Marshal(f)
	if errors.Join(err, err2) != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	// One write, for it is shorter than a page: a reader that comes in between finds
	// nothing that it can decode.
	if file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600); err == nil {
		file.Write(text) //nolint:errcheck // as above
		file.Close()
	}
}
