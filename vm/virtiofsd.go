package vm

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ingot/internal/shellwords"
)

// virtiofsdPlaces are where it lies, for it is nothing that people run.
var virtiofsdPlaces = []string{
	"/usr/libexec/virtiofsd",  // Debian 13, Fedora, Ubuntu: the one in Rust
	"/usr/lib/qemu/virtiofsd", // Debian 12: the one in C
	"/usr/lib/virtiofsd",      // Arch
}

// findVirtiofsd returns its path where it can run.
func findVirtiofsd() (string, error) {
	path, err := exec.LookPath("virtiofsd")
	for _, place := range virtiofsdPlaces {
		if info, err2 := os.Stat(place); err != nil && err2 == nil && info.Mode()&0o111 != 0 {
			path, err = place, nil
		}
	}
	if err != nil {
		return "", errors.New("virtiofsd is neither in PATH nor where distributions put it (Debian's package virtiofsd brings it, in Debian 12 qemu-system-common); 9p needs none")
	}
	if err := privileges(); err != nil {
		return "", fmt.Errorf("virtiofsd: %w; 9p needs no privileges", err)
	}
	return path, nil
}

// privileges says why virtiofsd, which wants to be root in its own view, cannot be:
// an ordinary user needs a user namespace for that.
var privileges = sync.OnceValue(func() error {
	if os.Geteuid() == 0 {
		return nil
	}
	cmd := exec.Command("/bin/sh", "-c", "mount -t tmpfs none /tmp")
	cmd.SysProcAttr = namespaces()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("this host lets no ordinary user have a user namespace with mounts: %s", firstLine(string(out), err))
	}
	return nil
})

// namespaces returns how virtiofsd is started: with mounts of its own, and for an
// ordinary user in a namespace whose only user is that one, as root. What the guest's
// root makes then belongs to that user.
func namespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// shareView is where a folder lies in the view of its virtiofsd, which could not be told
// of one whose path has a comma. It is a folder that every system has.
const shareView = "/tmp"

// startVirtiofsd starts one for a folder, and returns the socket on which QEMU talks
// to it. It ends with the connection, or with the machine.
func (m *Machine) startVirtiofsd(dir string, readOnly bool) (*os.File, error) {
	program, err := findVirtiofsd()
	if err != nil {
		return nil, err
	}
	listens, connected, err := namelessSocket()
	if err != nil {
		return nil, err
	}
	defer listens.Close()
	script := []string{"mount --make-rprivate /", "mount --rbind " + shellwords.Quote([]string{dir}) + " " + shareView}
	if readOnly {
		script = append(script, readOnlyMounts(dir)...)
	}
	script = append(script, `exec "$@"`)
	cmd := exec.Command("/bin/sh", "-c", strings.Join(script, " && "), "sh", program,
		fmt.Sprintf("--fd=%d", firstFD), "-o", "source="+shareView, "-o", "cache=auto", "--rlimit-nofile=0")
	cmd.ExtraFiles = []*os.File{listens}
	cmd.SysProcAttr = namespaces()
	return connected, m.launchHelper("virtiofsd for "+dir, cmd, keepGroups)
}

// keepGroups has virtiofsd believe that it has given up its supplementary groups, which
// it insists on, and which nobody may do in a user namespace that an ordinary user has
// made. They are the user's own, and no more than what ingot has itself. It is a filter
// of system calls, of this thread and its children.
func keepGroups() error {
	if os.Geteuid() == 0 {
		return nil
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SETGROUPS, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO}, // errno 0: success
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

// namelessSocket returns a socket that listens, and one that is connected to it and
// the first in its queue. It has a name for a moment, in no folder, and a random one.
func namelessSocket() (listens, connected *os.File, err error) {
	name := &unix.SockaddrUnix{Name: fmt.Sprintf("@ingot-%d-%s", os.Getpid(), rand.Text())}
	fds := [2]int{-1, -1}
	for i := range fds {
		if fds[i], err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return nil, nil, fmt.Errorf("socket: %w", err)
		}
	}
	listens, connected = os.NewFile(uintptr(fds[0]), "virtiofsd"), os.NewFile(uintptr(fds[1]), "virtiofsd")
	if err = unix.Bind(fds[0], name); err == nil {
		if err = unix.Listen(fds[0], 1); err == nil {
			err = unix.Connect(fds[1], name)
		}
	}
	if err != nil {
		listens.Close()
		connected.Close()
		return nil, nil, fmt.Errorf("virtiofsd's socket: %w", err)
	}
	return listens, connected, nil
}

// readOnlyMounts returns the commands that make a folder, and all that is mounted in
// it, read-only in the namespace that they run in. virtiofsd itself cannot promise
// that, but for the latest. Flags that the host has set may not be taken away there, so
// all of them are given, which reading does not mind.
func readOnlyMounts(dir string) []string {
	var commands []string
	for _, point := range append(mountsIn(dir), "") {
		commands = append(commands, "mount -o remount,bind,ro,nosuid,nodev,noexec "+shellwords.Quote([]string{shareView + point}))
	}
	return commands
}

// mountsIn returns the mount points below a folder, as paths from there.
func mountsIn(dir string) []string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // proc_pid_mountinfo(5): the fifth is the mount point
		if len(fields) < 5 {
			continue
		}
		rest, below := strings.CutPrefix(unescape.Replace(fields[4]), strings.TrimSuffix(dir, "/"))
		if below && len(rest) > 1 && rest[0] == '/' && !slices.Contains(points, rest) {
			points = append(points, rest)
		}
	}
	return points
}
