package applet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unsafe"

	"golang.org/x/sys/unix"

	"ingot/guest/block"
	"ingot/guest/mounts"
)

func diskApplets() []Applet {
	return []Applet{
		{"blkid", "[DEVICE...]", "show UUIDs, labels and types", runBlkid},
		{"blockdev", "--getsize64|--getss|--getro|--rereadpt|--flushbufs|--setro|--setrw DEVICE", "query or change a disk", runBlockdev},
		{"dd", "[if=FILE] [of=FILE] [bs=SIZE] [count=N] [skip=N] [seek=N] [conv=...] [status=none]", "copy blocks", runDd},
		{"df", "[-hiT] [FILE...]", "show free space", runDf},
		{"fsck", "[-t TYPE] [-p|-y|-n] [-f] DEVICE...", "check file systems, with the program for each", runFsck},
		{"losetup", "[-a] | [-frP] [-o OFFSET] [DEVICE] FILE | -d DEVICE", "make a disk of a file", runLosetup},
		{"lsblk", "[-bfn] [DEVICE...]", "list disks and partitions", runLsblk},
		{"mount", "[-r] [-t TYPE] [-o OPTIONS] [DEVICE|UUID=...|LABEL=...] DIR | -a", "mount a file system, or list what is mounted", runMount},
		{"mountpoint", "[-q] DIR", "test whether a folder is a mount point", runMountpoint},
		{"swapoff", "DEVICE...", "stop using swap areas", runSwap(unix.SYS_SWAPOFF)},
		{"swapon", "DEVICE...", "use swap areas", runSwap(unix.SYS_SWAPON)},
		{"sync", "", "write all cached data to disks", func(c *Call) error { unix.Sync(); return nil }},
		{"umount", "[-flR] DIR|DEVICE...", "unmount file systems", runUmount},
	}
}

// runLsblk shows disks as a tree, with their file systems.
func runLsblk(c *Call) error {
	inBytes := c.flags.BoolP("bytes", "b", false, "sizes in bytes")
	noHead := c.flags.BoolP("noheadings", "n", false, "without a heading")
	c.flags.BoolP("fs", "f", true, "always on: file systems too")
	all := c.flags.BoolP("all", "a", false, "RAM disks too")
	names := c.parse(0, -1)
	devices, err := block.Devices()
	if err != nil {
		return err
	}
	mounted := mountsByDevice()
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 1, ' ', 0)
	defer w.Flush()
	if !*noHead {
		fmt.Fprintln(w, "NAME\tMAJ:MIN\tRO\tSIZE\tTYPE\tFSTYPE\tLABEL\tUUID\tMOUNTPOINTS")
	}
	shown := 0
	for i, d := range devices {
		if len(names) > 0 && !slices.ContainsFunc(names, d.IsNamed) || d.Kind == "ram" && !*all {
			continue
		}
		shown++
		id, _ := d.Identify() // an empty drive has no ID
		size := humanSize(d.Bytes)
		if *inBytes {
			size = strconv.FormatInt(d.Bytes, 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", branch(devices, i)+d.Name, d.Dev, btoi(d.ReadOnly), size, d.Kind,
			id.Type, id.Label, id.UUID, strings.Join(mounted[d.Dev], ","))
	}
	if shown == 0 && len(names) > 0 {
		return fmt.Errorf("%s: no such disk", strings.Join(names, ", "))
	}
	return nil
}

// branch draws the line that leads to a partition.
func branch(devices []block.Device, i int) string {
	switch {
	case devices[i].Parent == "":
		return ""
	case i+1 < len(devices) && devices[i+1].Parent == devices[i].Parent:
		return "├─"
	}
	return "└─"
}

// mountsByDevice returns where each MAJOR:MINOR is mounted.
func mountsByDevice() map[string][]string {
	byDevice := map[string][]string{}
	table, _ := mounts.Table() // without /proc nothing is known
	for _, e := range table {
		dev := e.Dev
		// btrfs mounts have a device number of their own; the source has that of the disk.
		var st unix.Stat_t
		if unix.Stat(e.Source, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK {
			dev = fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		byDevice[dev] = append(byDevice[dev], e.Dir)
	}
	return byDevice
}

func runBlkid(c *Call) error {
	names := c.parse(0, -1)
	devices, err := block.Devices()
	if err != nil && len(names) == 0 {
		return err
	}
	found := 0
	show := func(path string, id block.ID) {
		if line := describeID(id); line != "" {
			found++
			c.printf("%s:%s\n", path, line)
		}
	}
	for _, d := range devices {
		if len(names) > 0 && !slices.ContainsFunc(names, d.IsNamed) {
			continue
		}
		if id, err := d.Identify(); err == nil {
			show(d.Path(), id)
		}
	}
	for _, name := range names {
		if slices.ContainsFunc(devices, func(d block.Device) bool { return d.IsNamed(name) }) {
			continue
		}
		id, err := identifyFile(name)
		if err != nil {
			c.warn(err)
		}
		show(name, id)
	}
	if found == 0 {
		return Status(2)
	}
	return nil
}

func identifyFile(name string) (block.ID, error) {
	f, err := os.Open(name)
	if err != nil {
		return block.ID{}, err
	}
	defer f.Close()
	return block.Identify(f)
}

// describeID writes an ID as blkid does.
func describeID(id block.ID) string {
	var out strings.Builder
	for _, field := range []struct{ tag, value string }{
		{"LABEL", id.Label}, {"UUID", id.UUID}, {"TYPE", id.Type}, {"PTTYPE", id.Table},
		{"PARTLABEL", id.PartLabel}, {"PARTUUID", id.PartUUID},
	} {
		if field.value != "" {
			fmt.Fprintf(&out, " %s=%q", field.tag, field.value)
		}
	}
	return out.String()
}

func runMount(c *Call) error {
	fstype := c.flags.StringP("types", "t", "", "the type of the file system")
	readOnly := c.flags.BoolP("read-only", "r", false, "as -o ro")
	options := c.flags.StringArrayP("options", "o", nil, "options, with commas between")
	all := c.flags.BoolP("all", "a", false, "all that /etc/fstab has")
	bind := c.flags.BoolP("bind", "B", false, "show a folder in a second place")
	rbind := c.flags.BoolP("rbind", "R", false, "the same with all that is mounted below")
	move := c.flags.BoolP("move", "M", false, "move a mount")
	args := c.parse(0, 2)
	o := strings.Join(*options, ",")
	for word, on := range map[string]bool{"ro": *readOnly, "bind": *bind, "rbind": *rbind, "move": *move} {
		if on {
			o += "," + word
		}
	}
	switch {
	case *all:
		return c.mountFstab()
	case len(args) == 0:
		return c.listMounts(*fstype)
	case len(args) == 1:
		return c.mountKnown(args[0], o)
	}
	return mount(args[0], args[1], *fstype, o)
}

func (c *Call) listMounts(fstype string) error {
	table, err := mounts.Table()
	for _, e := range table {
		if fstype == "" || fstype == e.Type {
			c.printf("%s on %s type %s (%s)\n", e.Source, e.Dir, e.Type, e.Options)
		}
	}
	return err
}

// mountKnown mounts what /etc/fstab has for a device or folder, or changes the
// options of the file system mounted there.
func (c *Call) mountKnown(name, options string) error {
	if flags, data := mounts.ParseOptions(options); flags&unix.MS_REMOUNT != 0 {
		return mounts.Mount("none", name, "", flags, data)
	}
	entries, err := readFstab()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Source == name || e.Dir == name {
			return mount(e.Source, e.Dir, e.Type, e.Options+","+options)
		}
	}
	return fmt.Errorf("%s is not in /etc/fstab; give a device and a folder", name)
}

func (c *Call) mountFstab() error {
	entries, err := readFstab()
	if err != nil {
		return err
	}
	for _, e := range entries {
		words := strings.Split(e.Options, ",")
		if e.Type == "swap" || slices.Contains(words, "noauto") || mounts.IsMounted(e.Dir) {
			continue
		}
		if err := mount(e.Source, e.Dir, e.Type, e.Options); err != nil && !slices.Contains(words, "nofail") {
			c.warn(err)
		}
	}
	return nil
}

// readFstab reads fstab(5).
func readFstab() ([]mounts.Entry, error) {
	data, err := os.ReadFile("/etc/fstab")
	if err != nil {
		return nil, err
	}
	var entries []mounts.Entry
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		e := mounts.Entry{Source: fields[0], Dir: fields[1], Type: fields[2]}
		if len(fields) > 3 {
			e.Options = fields[3]
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// mount finds the device and its type, loads the type's module if there is one,
// and mounts. A file becomes a loop device by itself.
func mount(source, dir, fstype, options string) error {
	flags, data := mounts.ParseOptions(options)
	loop := false
	if words := strings.Split(data, ","); slices.Contains(words, "loop") {
		loop = true
		data = strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "loop" }), ",")
	}
	if flags&(unix.MS_BIND|unix.MS_MOVE|unix.MS_REMOUNT|unix.MS_PRIVATE|unix.MS_SHARED|unix.MS_SLAVE) != 0 {
		return bindMount(source, dir, fstype, flags, data)
	}
	device, err := resolveSource(source, fstype)
	if err != nil {
		return err
	}
	info, err := os.Stat(device)
	if isFile := err == nil && info.Mode().IsRegular(); isFile || loop {
		name, held, err := attachLoop(device, "", 0, uint32(unix.LO_FLAGS_AUTOCLEAR|btoi(flags&unix.MS_RDONLY != 0)*unix.LO_FLAGS_READ_ONLY))
		if err != nil {
			return err
		}
		defer held.Close() // from then on the mount holds it
		device = name
	}
	if fstype == "" || fstype == "auto" {
		if fstype, err = detect(source, device); err != nil {
			return err
		}
	}
	if !mounts.Known(fstype) {
		_ = probeModules(fstype) // mount(2) reports a type that is still unknown
	}
	err = mounts.Mount(device, dir, fstype, flags, data)
	if errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) {
		err = mounts.Mount(device, dir, fstype, flags|unix.MS_RDONLY, data)
	}
	return err
}

// bindMount mounts a folder in a second place, or moves or changes a mount. The kernel
// takes flags beside MS_BIND only in a second call.
func bindMount(source, dir, fstype string, flags uintptr, data string) error {
	bind := flags & (unix.MS_BIND | unix.MS_REC)
	if flags&unix.MS_BIND == 0 || flags&unix.MS_REMOUNT != 0 {
		return mounts.Mount(source, dir, fstype, flags, data)
	}
	if err := mounts.Mount(source, dir, "", bind, ""); err != nil {
		return err
	}
	if rest := flags &^ bind; rest != 0 {
		return mounts.Mount(source, dir, "", unix.MS_REMOUNT|unix.MS_BIND|rest, data)
	}
	return nil
}

// resolveSource returns the path of a device that is named by UUID=… or such. Paths, and the
// names that file systems without a device take, stay as they are.
func resolveSource(source, fstype string) (string, error) {
	if _, err := os.Stat(source); err == nil {
		return source, nil
	}
	spec, err := block.ParseSpec(source)
	switch {
	case err != nil && strings.Contains(source, "=") && (fstype == "" || fstype == "auto"):
		return "", err
	case err != nil || spec.Tag == "":
		return source, nil
	}
	return block.Find(spec)
}

// detect returns the type of the file system on a device. Errors use the name that the
// device was given by.
func detect(name, device string) (string, error) {
	id, err := identifyFile(device)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case id.Type == "swap":
		return "", fmt.Errorf("%s: is a swap area (swapon uses it)", name)
	case id.Type == "" && id.Table != "":
		return "", fmt.Errorf("%s: holds a partition table; mount one of its partitions (lsblk shows them)", name)
	case id.Type == "":
		return "", fmt.Errorf("%s: holds no known file system (-t TYPE names it)", name)
	}
	return id.Type, nil
}

func runUmount(c *Call) error {
	force := c.flags.BoolP("force", "f", false, "even if the server does not answer")
	lazy := c.flags.BoolP("lazy", "l", false, "detach now; unmount when no longer in use")
	recursive := c.flags.BoolP("recursive", "R", false, "all that is mounted below too")
	args := c.parse(1, -1)
	flags := btoi(*force)*unix.MNT_FORCE | btoi(*lazy)*unix.MNT_DETACH
	return c.each(args, func(name string) error {
		dirs := []string{name}
		if abs, err := filepath.Abs(name); err == nil {
			dirs = c.mountedAt(abs, *recursive)
		}
		if len(dirs) == 0 {
			dirs = []string{name}
		}
		for _, dir := range dirs {
			if err := unix.Unmount(dir, flags); err != nil {
				return fmt.Errorf("%s: %w%s", dir, err, unmountReason(err))
			}
		}
		return nil
	})
}

func unmountReason(err error) string {
	switch {
	case errors.Is(err, unix.EBUSY):
		return " (a process works in it, or something is mounted below; -l detaches it all the same)"
	case errors.Is(err, unix.EINVAL):
		return " (nothing is mounted there)"
	}
	return ""
}

// mountedAt returns the mounts on a folder or of a device, the last one first.
func (c *Call) mountedAt(name string, below bool) []string {
	table, _ := mounts.Table()
	var dirs []string
	for _, e := range slices.Backward(table) {
		if e.Dir == name || e.Source == name || below && strings.HasPrefix(e.Dir, strings.TrimRight(name, "/")+"/") {
			dirs = append(dirs, e.Dir)
			if !below {
				break
			}
		}
	}
	return dirs
}

func runMountpoint(c *Call) error {
	quiet := c.flags.BoolP("quiet", "q", false, "print nothing")
	args := c.parse(1, 1)
	words, status := "is a mount point", Status(0)
	if !mounts.IsMounted(args[0]) {
		words, status = "is not a mount point", 1
	}
	if !*quiet {
		c.printf("%s %s\n", args[0], words)
	}
	return status
}

func runDf(c *Call) error {
	human := c.flags.BoolP("human-readable", "h", false, "sizes as 1.2G")
	inodes := c.flags.BoolP("inodes", "i", false, "inodes in place of bytes")
	types := c.flags.BoolP("print-type", "T", false, "with types")
	all := c.flags.BoolP("all", "a", false, "those without any space too")
	names := c.parse(0, -1)
	table, err := mounts.Table()
	if err != nil {
		return err
	}
	if len(names) > 0 {
		table = c.mountsOf(names, table)
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 1, ' ', 0)
	defer w.Flush()
	columns := []string{"1K-blocks", "Used", "Available", "Use%"}
	switch {
	case *inodes:
		columns = []string{"Inodes", "IUsed", "IFree", "IUse%"}
	case *human:
		columns[0] = "Size"
	}
	row := func(source, fstype string, columns []string, dir string) {
		if *types {
			source += "\t" + fstype
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", source, strings.Join(columns, "\t"), dir)
	}
	row("Filesystem", "Type", columns, "Mounted on")
	seen := map[string]bool{}
	for _, e := range table {
		var st unix.Statfs_t
		if unix.Statfs(e.Dir, &st) != nil || len(names) == 0 && !*all && (st.Blocks == 0 || seen[e.Dev]) {
			continue
		}
		seen[e.Dev] = true
		total, free, avail, unit := st.Blocks, st.Bfree, st.Bavail, uint64(st.Frsize)
		if *inodes {
			total, free, avail, unit = st.Files, st.Ffree, st.Ffree, 1024
		}
		show := func(n uint64) string {
			if *human && !*inodes {
				return humanSize(int64(n * unit))
			}
			return strconv.FormatUint(n*unit/1024, 10)
		}
		used, percent := total-free, "-"
		if used+avail > 0 {
			percent = fmt.Sprintf("%d%%", (used*100+used+avail-1)/(used+avail))
		}
		row(e.Source, e.Type, []string{show(total), show(used), show(avail), percent}, e.Dir)
	}
	return nil
}

// mountsOf returns the mounts that the files lie on.
func (c *Call) mountsOf(names []string, table []mounts.Entry) []mounts.Entry {
	var found []mounts.Entry
	for _, name := range names {
		path, err := filepath.EvalSymlinks(name)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			c.warn(err)
			continue
		}
		var best mounts.Entry
		for _, e := range table {
			if e.Source == path || (path == e.Dir || e.Dir == "/" || strings.HasPrefix(path, e.Dir+"/")) && len(e.Dir) >= len(best.Dir) {
				best = e
			}
		}
		found = append(found, best)
	}
	return found
}

func runSwap(call uintptr) func(*Call) error {
	return func(c *Call) error {
		args := c.parse(1, -1)
		return c.each(args, func(name string) error {
			device, err := resolveSource(name, "")
			if err != nil {
				return err
			}
			p, err := unix.BytePtrFromString(device)
			if err != nil {
				return err
			}
			if _, _, errno := unix.Syscall(call, uintptr(unsafe.Pointer(p)), 0, 0); errno != 0 {
				return fmt.Errorf("%s: %w", device, errno)
			}
			return nil
		})
	}
}

// runBlockdev queries and changes disks through the ioctls of linux/fs.h.
func runBlockdev(c *Call) error {
	if len(c.Args) != 2 {
		return usageError{"it takes one option and one device"}
	}
	f, err := os.Open(c.Args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	fd := int(f.Fd())
	switch c.Args[0] {
	case "--getsize64":
		size, err := f.Seek(0, io.SeekEnd)
		if err == nil {
			c.printf("%d\n", size)
		}
		return err
	case "--getss":
		return c.printIoctl(fd, unix.BLKSSZGET)
	case "--getro":
		return c.printIoctl(fd, unix.BLKROGET)
	case "--rereadpt":
		return unix.IoctlSetInt(fd, unix.BLKRRPART, 0)
	case "--flushbufs":
		return unix.IoctlSetInt(fd, unix.BLKFLSBUF, 0)
	case "--setro", "--setrw":
		return unix.IoctlSetPointerInt(fd, unix.BLKROSET, btoi(c.Args[0] == "--setro"))
	}
	return usageError{"unknown option " + c.Args[0]}
}

func (c *Call) printIoctl(fd int, request uint) error {
	n, err := unix.IoctlGetInt(fd, request)
	if err == nil {
		c.printf("%d\n", n)
	}
	return err
}
