package guest

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ingot/bootloader/initramfs"
	"ingot/guest/applet"
	"ingot/guest/mounts"
	"ingot/guest/network"
	"ingot/guest/wire"
)

// system is process 1.
type system struct {
	cmdline  cmdline
	children *children
	devices  *applet.Coverage
	ending   atomic.Bool
}

func newSystem() *system {
	s := &system{children: newChildren(), devices: applet.NewCoverage()}
	unix.Umask(0o022)
	return s
}

// mount is a file system that every system has.
type mount struct {
	source, dir, fstype, data string
	flags                     uintptr
	needs                     string // a path; if it is missing, nothing is mounted
}

var basics = []mount{
	{source: "proc", dir: "/proc", fstype: "proc", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
	{source: "sysfs", dir: "/sys", fstype: "sysfs", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
	{source: "devtmpfs", dir: "/dev", fstype: "devtmpfs", flags: unix.MS_NOSUID, data: "mode=0755"},
	{source: "tmpfs", dir: "/run", fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=0755"},
}

var others = []mount{
	{source: "devpts", dir: "/dev/pts", fstype: "devpts", flags: unix.MS_NOSUID | unix.MS_NOEXEC, data: "mode=0620,gid=5,ptmxmode=0666"},
	{source: "tmpfs", dir: "/dev/shm", fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
	{source: "tmpfs", dir: "/tmp", fstype: "tmpfs", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
	{source: "cgroup2", dir: "/sys/fs/cgroup", fstype: "cgroup2", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, needs: "/sys/fs/cgroup"},
	{source: "efivarfs", dir: "/sys/firmware/efi/efivars", fstype: "efivarfs", flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, needs: "/sys/firmware/efi/efivars"},
}

func (s *system) mountBasics() { s.mountAll(basics) }

func (s *system) mountAll(list []mount) {
	for _, m := range list {
		if mounts.IsMounted(m.dir) {
			continue
		}
		if _, err := os.Stat(m.needs); m.needs != "" && err != nil || m.fstype == "efivarfs" && !mounts.Known(m.fstype) {
			continue
		}
		if err := mountAt(m.source, m.dir, m.fstype, m.flags, m.data); err != nil {
			s.say("%v", err)
		}
	}
}

// readCmdline reads the words in the initramfs, and after them the kernel's command line,
// which takes precedence.
func (s *system) readCmdline() {
	var text string
	for _, file := range []string{initramfs.ArgumentsFile, "/proc/cmdline"} {
		data, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.say("%v", err)
		}
		text += string(data) + "\n"
	}
	s.cmdline = parseCmdline(text)
}

// run is the init of a system. It never returns.
func (s *system) run() {
	s.mountBasics()
	s.readCmdline()
	s.remountRoot()
	s.prepare()
	orders := s.orders()
	s.coverDevices()
	go s.offerAgent()
	go s.offerBackdoor()
	go s.watchPowerButton()
	s.mountShares()
	s.goOnline()
	s.runScript("/etc/rc")
	s.runScript("/etc/rc.local")
	for _, console := range s.consoleNames() {
		go s.respawn(console)
	}
	s.obey(<-orders)
}

// prepare gives programs what they expect of a system.
func (s *system) prepare() {
	s.mountAll(others)
	links()
	makeApplets()
	helper()
	s.setHostname()
	loopbackUp()
}

// remountRoot makes the root writable unless the command line has ro: a kernel without an
// initramfs mounts it read-only.
func (s *system) remountRoot() {
	if s.inInitramfs() || s.cmdline.last(wire.ReadOnlyWord, wire.WritableWord) == wire.ReadOnlyWord {
		return
	}
	var st unix.Statfs_t
	if unix.Statfs("/", &st) != nil || st.Flags&unix.ST_RDONLY == 0 {
		return
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT, ""); err != nil {
		s.say("the root stays read-only: %v", err)
	}
}

// links makes the names in /dev that programs expect beside the devices.
func links() {
	for name, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		_ = os.Symlink(target, name) // it may exist already, or the folder be read-only
	}
}

// appletDir holds a link for every applet, so that programs find them in PATH.
const appletDir = "/run/ingot/bin"

// makeApplets makes the links to this binary. Through /proc they would lead every
// program to itself; so they need its real path.
func makeApplets() {
	binary, err := os.Readlink("/proc/self/exe")
	if err != nil || os.MkdirAll(appletDir, 0o755) != nil {
		return // the shell finds its applets without them
	}
	for _, name := range append(applet.Names(), "ingot", string(wire.FindWord)) {
		link := filepath.Join(appletDir, name)
		_ = os.Remove(link) // one from the initramfs leads to a binary that is gone
		_ = os.Symlink(binary, link)
	}
}

// helper makes the kernel call ingot's modprobe for a missing module, unless the system has a
// modprobe at the usual place.
func helper() {
	if _, err := os.Stat("/sbin/modprobe"); err == nil {
		return
	}
	_ = os.WriteFile("/proc/sys/kernel/modprobe", []byte(filepath.Join(appletDir, "modprobe")), 0) // a kernel without modules has no such file
}

// coverDevices loads the modules for all devices in the background: with a thousand modules
// that takes a while, and the disks work already. It is a process of its own so that its
// memory is freed.
func (s *system) coverDevices() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil || s.inInitramfs() {
		return
	}
	defer null.Close()
	if _, err := s.children.start(self(), []string{"nice", "modprobe", "--devices"}, environment("console"), null, null, null); err != nil {
		s.say("%v", err)
	}
}

func (s *system) setHostname() {
	name := s.cmdline.value(wire.HostnameWord)
	if data, err := os.ReadFile("/etc/hostname"); err == nil {
		if first := strings.Fields(string(data)); len(first) > 0 {
			name = first[0]
		}
	}
	if name == "" {
		return
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		s.say("host name %s: %v", name, err)
	}
}

// loopbackUp gives programs the address 127.0.0.1.
func loopbackUp() {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return // a kernel without network
	}
	_ = network.SetLink(lo.Name, true)
}

// runScript runs a script of the system's and waits for it.
func (s *system) runScript(path string) {
	info, err := os.Stat(path)
	if err != nil {
		return // not every system has one
	}
	program, argv := path, []string{path}
	if info.Mode()&0o111 == 0 {
		program, argv = self(), []string{"sh", path}
	}
	status, err := s.onConsole(program, argv)
	switch {
	case err != nil:
		s.say("%s: %v", path, err)
	case status != 0:
		s.say("%s: %s", path, describe(status))
	}
}

// onConsole runs a program on the main console to its end.
func (s *system) onConsole(path string, argv []string, env ...string) (status syscall.WaitStatus, err error) {
	console := s.mainConsole()
	tty, err := openConsole(console, os.O_RDWR)
	if err != nil {
		return 0, err
	}
	defer tty.Close()
	done, err := s.children.start(path, argv, append(environment(console), env...), tty, tty, tty)
	if err != nil {
		return 0, err
	}
	return <-done, nil
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "ended by " + status.Signal().String()
	}
	return applet.Status(status.ExitStatus()).Error()
}

// orders listens for the signals that end a system, among them that of Ctrl-Alt-Del.
func (s *system) orders() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGINT, syscall.SIGPWR)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF)
	return c
}

// obey ends the system by a signal, as the inits of BusyBox and SysV do.
func (s *system) obey(order os.Signal) {
	s.ending.Store(true)
	switch order {
	case syscall.SIGUSR1:
		s.say("halting")
		s.end(unix.LINUX_REBOOT_CMD_HALT)
	case syscall.SIGUSR2, syscall.SIGPWR:
		s.say("powering off")
		s.end(unix.LINUX_REBOOT_CMD_POWER_OFF)
	default:
		s.say("restarting")
		s.end(unix.LINUX_REBOOT_CMD_RESTART)
	}
}

// patience is how long processes may take to end by themselves.
const patience = 3 * time.Second

// end stops all processes, writes everything out and calls reboot(2).
func (s *system) end(how int) {
	s.runScript("/etc/rc.shutdown")
	s.killAll()
	unix.Sync()
	s.unmountAll()
	unix.Sync()
	if err := unix.Reboot(how); err != nil {
		s.say("cannot end the system: %v", err)
	}
	select {} // a halted machine, or one that cannot switch itself off
}

func (s *system) killAll() {
	// -1 is all processes but this one.
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGCONT} {
		_ = unix.Kill(-1, sig) // shells end by SIGHUP; stopped processes must continue to end
	}
	for start := time.Now(); programsLeft() && time.Since(start) < patience; time.Sleep(poll) {
	}
	_ = unix.Kill(-1, unix.SIGKILL)
}

// programsLeft reports whether there are processes besides this one. Threads of the
// kernel, which get no signals, have no executable, nor do those that have ended.
func programsLeft() bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return true
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == 1 {
			continue
		}
		if _, err := os.Readlink("/proc/" + e.Name() + "/exe"); err == nil {
			return true
		}
	}
	return false
}

// unmountAll unmounts from the last mount to the first, and makes the root
// read-only, so that its journal is clean.
func (s *system) unmountAll() {
	table, err := mounts.Table()
	if err != nil {
		s.say("%v", err)
		return
	}
	for i := len(table) - 1; i >= 0; i-- {
		switch dir := table[i].Dir; {
		case dir == "/":
			_ = unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
		case dir == "/proc" || dir == "/dev" || dir == "/sys":
		default:
			_ = unix.Unmount(dir, 0) // a busy one may be read-only, or go with the root
		}
	}
}
