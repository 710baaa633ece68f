package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ingot/bootloader/initramfs"
	"ingot/guest/block"
	"ingot/guest/mounts"
	"ingot/guest/wire"
	"ingot/internal/grammar"
)

const (
	sysroot     = "/sysroot"
	defaultWait = 30 * time.Second
	poll        = 50 * time.Millisecond
)

// inits are the paths of a system's init, in the kernel's order.
var inits = []string{"/sbin/init", "/init", "/etc/init", "/bin/init", "/bin/sh"}

// inInitramfs reports whether the root is still the one that the kernel unpacked.
func (s *system) inInitramfs() bool {
	_, err := os.Stat(initramfs.ReleaseFile)
	return err == nil
}

// initramfs mounts the real root and becomes its init. It returns if the command line names
// no root.
func (s *system) initramfs() {
	s.mountBasics()
	s.readCmdline()
	s.keepPlace()
	s.loadModules()
	s.cover()
	s.runScript(initramfs.PreMountFile)
	s.store()
	if !s.cmdline.hasRoot() {
		s.say("no root= on the kernel's command line; running from memory")
		return
	}
	for {
		err := s.switchRoot()
		s.say("cannot start the system: %v", err)
		s.emergency()
	}
}

// loadModules loads the modules that the list in the initramfs names, in its order. It reports
// a module that fails and goes on: this machine may not need it.
func (s *system) loadModules() {
	list, err := os.ReadFile(initramfs.ModulesFile)
	if errors.Is(err, fs.ErrNotExist) {
		return // the kernel needs none
	}
	if err != nil {
		s.say("%v", err)
		return
	}
	for path := range strings.Lines(string(list)) {
		path = strings.TrimSuffix(path, "\n")
		if err := loadModule(path); err != nil {
			s.say("module %s: %v", filepath.Base(path), err)
		}
	}
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	switch {
	case errors.Is(err, unix.EEXIST):
		return nil
	case errors.Is(err, unix.ENODEV):
		return nil // its device is not in this machine
	}
	return err
}

// switchRoot waits for the root, mounts it and becomes its init. It returns only
// with an error.
func (s *system) switchRoot() error {
	if !mounts.IsMounted(sysroot) {
		if err := s.mountSystem(); err != nil {
			return err
		}
	}
	if err := s.mountParts(); err != nil {
		return err
	}
	if err := s.mountWantedStore(sysroot); err != nil {
		return err
	}
	path, err := s.findInit()
	if err != nil {
		return err
	}
	s.joinFor(sysroot)
	return s.enter(path)
}

// mountSystem mounts the root at sysroot. After an error nothing stays mounted, so that the
// next try starts anew.
func (s *system) mountSystem() (err error) {
	defer func() {
		if err != nil {
			unmountLive()
		}
	}()
	if err := s.unlock(); err != nil {
		return err
	}
	l := s.cmdline.live()
	if !l.none() {
		return s.mountLive(l)
	}
	device, err := s.waitFor(wire.RootWord, s.cmdline.value(wire.RootWord))
	if err != nil {
		return err
	}
	return s.mountRoot(device)
}

// cover loads the modules for the devices of the machine, as far as the initramfs has them.
func (s *system) cover() {
	if err := s.devices.Load(); err != nil {
		s.say("%v", err)
	}
}

// waitFor returns the device that a word's value names, as soon as the kernel has found it:
// a bus may show its devices only after a while.
func (s *system) waitFor(word wire.Word, name string) (string, error) {
	spec, err := block.ParseSpec(name)
	if err != nil {
		return "", fmt.Errorf("%s=: %w", word, err)
	}
	return s.retry(word, poll, func() (string, error) { return block.Find(spec) })
}

// retry calls find for a word until it finds what is there, for as long as rootwait= lets it.
func (s *system) retry(word wire.Word, every time.Duration, find func() (string, error)) (string, error) {
	limit, err := waitLimit(s.cmdline)
	if err != nil {
		return "", err
	}
	for start := time.Now(); ; time.Sleep(every) {
		found, err := find()
		if !errors.Is(err, block.ErrNoDevice) {
			return found, err
		}
		s.cover()
		if limit >= 0 && time.Since(start) > limit {
			return "", fmt.Errorf("%s=: %w after %v (rootwait=SECONDS waits longer); there is %s", word, err, limit, inventory())
		}
	}
}

// waitLimit reads rootwait=; without a number the limit is negative, for ever.
func waitLimit(c cmdline) (time.Duration, error) {
	v, ok := wire.RootWaitWord.In(c)
	switch {
	case !ok:
		return defaultWait, nil
	case v == "":
		return -1, nil
	}
	seconds, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("rootwait=%s is not a number of seconds", v)
	}
	return time.Duration(seconds) * time.Second, nil
}

// inventory lists the devices, so that the user can correct a wrong UUID.
func inventory() string {
	devices, err := block.Devices()
	if err != nil {
		return err.Error()
	}
	var list []string
	for _, d := range devices {
		id, err := d.Identify()
		if err != nil || d.Kind == "ram" || d.Kind == "loop" {
			continue
		}
		words := []string{d.Name, id.Type, id.Table}
		if id.UUID != "" {
			words = append(words, "UUID="+id.UUID)
		}
		if id.Label != "" {
			words = append(words, "LABEL="+id.Label)
		}
		list = append(list, strings.Join(strings.Fields(strings.Join(words, " ")), " "))
	}
	if len(list) == 0 {
		return "no disk at all (does the initramfs have its driver?)"
	}
	return strings.Join(list, "; ")
}

func (s *system) mountRoot(device string) error {
	fstype, err := s.fileSystem(device)
	if err != nil {
		return err
	}
	flags, data := mounts.ParseOptions(s.cmdline.value(wire.RootFlagsWord))
	ro := s.cmdline.last(wire.ReadOnlyWord, wire.WritableWord) == wire.ReadOnlyWord
	if !ro && slices.Contains(readOnly, fstype) {
		if err := mountAt(device, liveMedium, fstype, flags|unix.MS_RDONLY, data); err != nil {
			return err
		}
		return s.layOut(live{}, liveMedium)
	}
	if ro {
		flags |= unix.MS_RDONLY
	}
	return mountAt(device, sysroot, fstype, flags, data)
}

// mountAt mounts on a folder, and makes it first if it is missing.
func mountAt(source, dir, fstype string, flags uintptr, data string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return mounts.Mount(source, dir, fstype, flags, data)
}

// mountParts mounts what of the root lies in other file systems.
func (s *system) mountParts() error {
	for _, value := range wire.MountWord.All(s.cmdline) {
		name, at, options, err := splitMount(value)
		if err != nil {
			return err
		}
		dir := sysroot + at
		if mounts.IsMounted(dir) {
			continue // by the try before
		}
		device, err := s.waitFor(wire.MountWord, name)
		if err != nil {
			return err
		}
		fstype, err := fileSystem(device)
		if err != nil {
			return err
		}
		flags, data := mounts.ParseOptions(options)
		if s.cmdline.last(wire.ReadOnlyWord, wire.WritableWord) == wire.ReadOnlyWord || slices.Contains(readOnly, fstype) {
			flags |= unix.MS_RDONLY
		}
		if err := mountAt(device, dir, fstype, flags, data); err != nil {
			return err
		}
	}
	return nil
}

// splitMount takes the value of [wire.MountWord] apart. A path may not have a colon.
func splitMount(value string) (device, at, options string, err error) {
	device, rest, ok := strings.Cut(value, ":")
	at, options, _ = strings.Cut(rest, ":")
	if !ok || !path.IsAbs(at) || path.Clean(at) == "/" {
		return "", "", "", fmt.Errorf("%s=%s: not a device, a colon and an absolute path", wire.MountWord, value)
	}
	return device, path.Clean(at), options, nil
}

// readOnly are file systems that cannot be written to.
var readOnly = []string{"iso9660", "squashfs", "erofs"}

// fileSystem returns the type of the root's device: that of rootfstype=, or what lies on it.
func (s *system) fileSystem(device string) (string, error) {
	if fstype := s.cmdline.value(wire.RootTypeWord); fstype != "" {
		return fstype, nil
	}
	return fileSystem(device)
}

// fileSystem returns the type of the file system on a device.
func fileSystem(device string) (string, error) {
	f, err := os.Open(device)
	if err != nil {
		return "", err
	}
	defer f.Close()
	id, err := block.Identify(f)
	if err == nil && id.Type == "" {
		err = fmt.Errorf("%s holds no file system that ingot knows (rootfstype=TYPE names that of the root)", device)
	}
	return id.Type, err
}

// findInit returns the path of the init on the root. It resolves links against that root: an
// absolute one must not lead back into the initramfs.
func (s *system) findInit() (string, error) {
	if path := s.initPath(); path != "" {
		if err := executableIn(sysroot, path); err != nil {
			return "", fmt.Errorf("init=%s: %w", path, err)
		}
		return path, nil
	}
	for _, path := range inits {
		if executableIn(sysroot, path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no init on the root: neither %s is there (init=PATH names another)", strings.Join(inits, " nor "))
}

// executableIn returns an error unless path is an executable file with root as the root.
func executableIn(root, path string) error {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return errors.New("not an executable file")
	}
	return nil
}

// enter makes sysroot the root and runs its init in place of this process, as
// switch_root(8) does.
func (s *system) enter(init string) error {
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run"} {
		if err := moveMount(dir, sysroot+dir); err != nil {
			return err
		}
	}
	old, err := os.Open("/")
	if err != nil {
		return err
	}
	if err := unix.Chdir(sysroot); err != nil {
		return err
	}
	if err := mounts.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	// From here on there is no way back. Free the old root's memory: 30 MB are a lot to a
	// small guest.
	emptyDir(old)
	old.Close()
	argv := append([]string{init}, s.cmdline.initArguments()...)
	err = syscall.Exec(init, argv, []string{"HOME=/", "TERM=linux", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"})
	return fmt.Errorf("init %s: %w", init, err)
}

// moveMount moves a mount onto the new root. If that lacks the folder and is read-only, the
// system does without the mount.
func moveMount(from, to string) error {
	if !mounts.IsMounted(from) {
		return nil
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return unix.Unmount(from, unix.MNT_DETACH)
	}
	return mounts.Mount(from, to, "", unix.MS_MOVE, "")
}

// emptyDir deletes all files below an open directory that lie on its own file system. It
// ignores errors: a file that stays only costs memory.
func emptyDir(dir *os.File) {
	var own unix.Stat_t
	fd := int(dir.Fd())
	if unix.Fstat(fd, &own) != nil {
		return
	}
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Dev != own.Dev {
			continue
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			_ = unix.Unlinkat(fd, name, 0)
			continue
		}
		child, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		f := os.NewFile(uintptr(child), name)
		emptyDir(f)
		f.Close()
		_ = unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
	}
}

// emergency restarts the machine if the command line has panic= and not boot.shell_on_fail.
// Otherwise it runs a shell and returns when that ends.
func (s *system) emergency() {
	if v := s.cmdline.value(wire.PanicWord); v != "" && v != "0" && !s.cmdline.has(wire.ShellOnFailWord) {
		seconds, _ := strconv.Atoi(v)
		if seconds > 0 {
			s.say("starting again in %s (panic=%s)", grammar.Count(seconds, "second"), v)
			time.Sleep(time.Duration(seconds) * time.Second)
		}
		s.end(unix.LINUX_REBOOT_CMD_RESTART)
	}
	console := s.mainConsole()
	makeApplets()
	s.say("emergency shell on %s; `exit` tries again", console)
	done, err := s.shell(console)
	if err != nil {
		s.say("no shell on %s: %v", console, err)
		time.Sleep(defaultWait)
		return
	}
	<-done
}
