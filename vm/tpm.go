package vm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ingot/internal/socket"
)

// A TPM is a security chip of version 2.0, as which a process of its own, swtpm, speaks.
type TPM struct {
	// Dir is a folder that keeps what the chip knows, made if it is not there. If empty,
	// the chip is a new one each time, and discarded with the machine.
	Dir string
}

// tpmLock is the file in its folder that swtpm locks.
const tpmLock = ".lock"

func (c *Config) checkTPM() error {
	if c.TPM == nil {
		return nil
	}
	if c.tpmDevice() == "" {
		return fmt.Errorf("TPM: QEMU has none for the machine %s of %s", c.machineName(), c.Arch.orHost())
	}
	if info, err := os.Stat(c.TPM.Dir); err == nil && !info.IsDir() {
		return fmt.Errorf("TPM: %s is not a folder", c.TPM.Dir)
	}
	return nil
}

// tpmDevice is what the machine has it as.
func (c *Config) tpmDevice() string {
	if c.machineName() == "microvm" {
		return ""
	}
	return c.Arch.platform().tpm
}

// keepTPM makes the folder, and refuses one that another machine has: swtpm would say so
// once QEMU has started, in words about a lock.
func (c *Config) keepTPM() error {
	if c.TPM == nil {
		return nil
	}
	if _, err := findSwtpm(); err != nil {
		return err
	}
	if c.TPM.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(c.TPM.Dir, 0o700); err != nil {
		return fmt.Errorf("TPM: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(c.TPM.Dir, tpmLock), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("TPM: %w", err)
	}
	defer lock.Close()
	held := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(lock.Fd(), unix.F_GETLK, &held); err != nil {
		return fmt.Errorf("TPM: %s: %w", lock.Name(), err)
	}
	if held.Type != unix.F_UNLCK {
		return fmt.Errorf("TPM: %s is in use by another machine (swtpm, process %d)", c.TPM.Dir, held.Pid)
	}
	return nil
}

func findSwtpm() (string, error) {
	path, err := exec.LookPath("swtpm")
	if err != nil {
		return "", errors.New("TPM: swtpm is not in PATH (Debian's package swtpm brings it)")
	}
	return path, nil
}

func (l *line) addTPM(c *Config) {
	if c.TPM == nil {
		return
	}
	fd := l.inherit(func(m *Machine) (*os.File, error) { return m.startSwtpm(c.TPM.Dir) })
	l.add("-chardev", fmt.Sprintf("socket,id=tpm,fd=%d", fd), "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", c.tpmDevice()+",tpmdev=tpm0")
}

// startSwtpm starts a chip, and returns the socket on which QEMU talks to it. It ends with
// that connection, or with the machine. A chip that is to be discarded has its memory in a
// file without a name, of which nothing can be left behind.
func (m *Machine) startSwtpm(dir string) (*os.File, error) {
	program, err := findSwtpm()
	if err != nil {
		return nil, err
	}
	qemus, swtpms, err := socket.Pair("tpm")
	if err != nil {
		return nil, err
	}
	defer swtpms.Close()
	files, state := []*os.File{swtpms}, "dir="+dir
	if dir == "" {
		memory, err := memoryFile("tpm", nil)
		if err != nil {
			return qemus, err
		}
		defer memory.Close()
		files, state = append(files, memory), fmt.Sprintf("backend-uri=file:///proc/self/fd/%d", firstFD+1)
	}
	cmd := exec.Command(program, "socket", "--tpm2", "--tpmstate", state, "--ctrl", fmt.Sprintf("type=unixio,clientfd=%d", firstFD), "--terminate")
	cmd.ExtraFiles = files
	return qemus, m.launchHelper(program, cmd)
}
