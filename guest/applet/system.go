package applet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"ingot/guest/shell"
	"ingot/internal/lazy"
)

func systemApplets() []Applet {
	return []Applet{
		{"date", "[-u] [-s TIME] [+FORMAT]", "show or set the time", runDate},
		{"dmesg", "[-cn LEVEL]", "print the kernel's messages", runDmesg},
		{"free", "[-bkmh]", "show memory", runFree},
		{"halt", "[-f]", "stop the machine without switching it off", runEnd(syscall.SIGUSR1, unix.LINUX_REBOOT_CMD_HALT)},
		{"help", "[NAME]", "list the commands", runHelp},
		{"hostname", "[NAME]", "show or set the name of the machine", runHostname},
		{"id", "[-ugn] [USER]", "show a user and its groups", runID},
		{"insmod", "FILE [PARAMETER=VALUE...]", "load a module from a file", runInsmod},
		{"lsmod", "", "list the modules that are loaded", runLsmod},
		{"lspci", "", "list PCI devices", runLspci},
		{"modinfo", "MODULE...", "show what a module is", runModinfo},
		{"modprobe", "[-anqr] MODULE [PARAMETER=VALUE...] | --devices", "load a module and what it needs", runModprobe},
		{"poweroff", "[-f]", "switch the machine off", runEnd(syscall.SIGUSR2, unix.LINUX_REBOOT_CMD_POWER_OFF)},
		{"reboot", "[-f]", "start the machine again", runEnd(syscall.SIGTERM, unix.LINUX_REBOOT_CMD_RESTART)},
		{"rmmod", "MODULE...", "unload modules", runRmmod},
		{"sysctl", "[-a] [-w] [NAME[=VALUE]...]", "show or set parameters of the kernel", runSysctl},
		{"uname", "[-amnrsv]", "show the kernel and the machine", runUname},
		{"uptime", "", "show how long the machine has been running", runUptime},
		{"whoami", "", "show the current user", runWhoami},
	}
}

func runUname(c *Call) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	all := c.flags.BoolP("all", "a", false, "all of it")
	fields := [][]byte{u.Sysname[:], u.Nodename[:], u.Release[:], u.Version[:], u.Machine[:]}
	var on []*bool
	for _, o := range [][2]string{{"kernel-name", "s"}, {"nodename", "n"}, {"kernel-release", "r"}, {"kernel-version", "v"}, {"machine", "m"}} {
		on = append(on, c.flags.BoolP(o[0], o[1], false, ""))
	}
	c.parse(0, 0)
	*on[0] = *on[0] || c.flags.NFlag() == 0
	var out []string
	for i, field := range fields {
		if *all || *on[i] {
			out = append(out, unix.ByteSliceToString(field))
		}
	}
	c.printf("%s\n", strings.Join(out, " "))
	return nil
}

func runHostname(c *Call) error {
	args := c.parse(0, 1)
	if len(args) == 1 {
		return unix.Sethostname([]byte(args[0]))
	}
	name, err := os.Hostname()
	if err == nil {
		c.printf("%s\n", name)
	}
	return err
}

func runID(c *Call) error {
	onlyUser := c.flags.BoolP("user", "u", false, "the user")
	onlyGroup := c.flags.BoolP("group", "g", false, "the group")
	names := c.flags.BoolP("name", "n", false, "names, not numbers")
	args := c.parse(0, 1)
	uid, gid := strconv.Itoa(os.Geteuid()), strconv.Itoa(os.Getegid())
	if len(args) == 1 {
		u, err := user.Lookup(args[0])
		if err != nil {
			return fmt.Errorf("no user %q", args[0])
		}
		uid, gid = u.Uid, u.Gid
	}
	show := func(id string, name func(string) string) {
		if *names {
			id = name(id)
		}
		c.printf("%s\n", id)
	}
	switch {
	case *onlyUser && *onlyGroup:
		return usageError{"-u and -g exclude one another"}
	case *names && !*onlyUser && !*onlyGroup:
		return usageError{"-n is for -u and -g"}
	case *onlyUser:
		show(uid, userName)
	case *onlyGroup:
		show(gid, groupName)
	default:
		c.printf("uid=%s(%s) gid=%s(%s) groups=%s(%s)", uid, userName(uid), gid, groupName(gid), gid, groupName(gid))
		for _, other := range otherGroups(uid, gid) {
			c.printf(",%s(%s)", other, groupName(other))
		}
		c.printf("\n")
	}
	return nil
}

// otherGroups returns those of a user beside the first.
func otherGroups(uid, gid string) []string {
	u, err := user.LookupId(uid)
	if err != nil {
		return nil
	}
	all, _ := u.GroupIds() // none, where no file lists them
	return slices.DeleteFunc(all, func(id string) bool { return id == gid })
}

func runWhoami(c *Call) error {
	c.parse(0, 0)
	c.printf("%s\n", userName(strconv.Itoa(os.Geteuid())))
	return nil
}

// strftime translates the conversions of date(1) for Go's layouts.
var strftime = map[string]string{
	"%Y": "2006", "%m": "01", "%d": "02", "%H": "15", "%M": "04", "%S": "05", "%y": "06", "%e": "_2", "%b": "Jan", "%B": "January",
	"%a": "Mon", "%A": "Monday", "%j": "002", "%I": "03", "%p": "PM", "%Z": "MST", "%z": "-0700",
	"%F": "2006-01-02", "%T": "15:04:05", "%D": "01/02/06", "%R": "15:04", "%c": "Mon Jan _2 15:04:05 2006",
}

var timeConversion = lazy.Regexp(`(?s)%.`)

func formatTime(t time.Time, format string) string {
	return timeConversion().ReplaceAllStringFunc(format, func(conversion string) string {
		switch conversion {
		case "%s":
			return strconv.FormatInt(t.Unix(), 10)
		case "%N":
			return fmt.Sprintf("%09d", t.Nanosecond())
		case "%n":
			return "\n"
		case "%%":
			return "%"
		}
		if layout, ok := strftime[conversion]; ok {
			return t.Format(layout)
		}
		return conversion
	})
}

func runDate(c *Call) error {
	utc := c.flags.BoolP("utc", "u", false, "in UTC")
	set := c.flags.StringP("set", "s", "", "set the clock: 2006-01-02 15:04:05, or @SECONDS")
	args := c.parse(0, 1)
	now := time.Now()
	if *set != "" {
		var err error
		if now, err = parseTime(*set, *utc); err != nil {
			return err
		}
		tv := syscall.NsecToTimeval(now.UnixNano())
		if err := syscall.Settimeofday(&tv); err != nil {
			return fmt.Errorf("set the clock: %w", err)
		}
	}
	if *utc {
		now = now.UTC()
	}
	format := "+%a %b %e %H:%M:%S %Z %Y"
	if len(args) == 1 {
		format = args[0]
	}
	if format == "" || format[0] != '+' {
		return usageError{fmt.Sprintf("%q is not a format, which starts with + (-s sets the time)", format)}
	}
	c.printf("%s\n", formatTime(now, format[1:]))
	return nil
}

func parseTime(s string, utc bool) (time.Time, error) {
	if seconds, ok := strings.CutPrefix(s, "@"); ok {
		n, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("%q is not a number of seconds", seconds)
		}
		return time.Unix(n, 0), nil
	}
	zone := time.Local
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 2006-01-02 15:04:05 or @1136214245", s)
}

// runDmesg reads the kernel's log through syslog(2).
func runDmesg(c *Call) error {
	clearLog := c.flags.BoolP("read-clear", "c", false, "clear the messages")
	level := c.flags.IntP("console-level", "n", 0, "what the console shows: 1 (emergencies) to 8 (all)")
	c.parse(0, 0)
	const readAll, readClear, consoleLevel, size = 3, 4, 8, 10
	if *level != 0 {
		if _, _, errno := unix.Syscall(unix.SYS_SYSLOG, consoleLevel, 0, uintptr(*level)); errno != 0 {
			return fmt.Errorf("console level %d: %w", *level, errno)
		}
		return nil
	}
	n, err := unix.Klogctl(size, nil)
	if err != nil {
		return fmt.Errorf("kernel log: %w", err)
	}
	buf := make([]byte, n)
	action := readAll
	if *clearLog {
		action = readClear
	}
	if n, err = unix.Klogctl(action, buf); err != nil {
		return fmt.Errorf("kernel log: %w", err)
	}
	priority := regexp.MustCompile(`(?m)^<\d+>`)
	_, err = c.Stdout.Write(priority.ReplaceAll(buf[:n], nil))
	return err
}

// MemoryInfo reads proc_meminfo(5), in bytes.
func MemoryInfo() (map[string]int64, error) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, err
	}
	values := map[string]int64{}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) >= 2 {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			values[strings.TrimSuffix(f[0], ":")] = n * 1024
		}
	}
	return values, nil
}

func runFree(c *Call) error {
	inBytes := c.flags.BoolP("bytes", "b", false, "in bytes")
	c.flags.BoolP("kibi", "k", true, "in KiB; the default")
	mebi := c.flags.BoolP("mebi", "m", false, "in MiB")
	human := c.flags.BoolP("human", "h", false, "as 1.2G")
	c.parse(0, 0)
	m, err := MemoryInfo()
	if err != nil {
		return err
	}
	show := func(n int64) string {
		switch {
		case *human:
			return humanSize(n)
		case *inBytes:
			return strconv.FormatInt(n, 10)
		case *mebi:
			return strconv.FormatInt(n>>20, 10)
		}
		return strconv.FormatInt(n>>10, 10)
	}
	cache := m["Buffers"] + m["Cached"] + m["SReclaimable"]
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\ttotal\tused\tfree\tshared\tbuff/cache\tavailable\t")
	fmt.Fprintf(w, "Mem:\t%s\t%s\t%s\t%s\t%s\t%s\t\n", show(m["MemTotal"]), show(m["MemTotal"]-m["MemAvailable"]), show(m["MemFree"]),
		show(m["Shmem"]), show(cache), show(m["MemAvailable"]))
	fmt.Fprintf(w, "Swap:\t%s\t%s\t%s\t\t\t\t\n", show(m["SwapTotal"]), show(m["SwapTotal"]-m["SwapFree"]), show(m["SwapFree"]))
	return w.Flush()
}

func runUptime(c *Call) error {
	c.parse(0, 0)
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err
	}
	up := time.Duration(info.Uptime) * time.Second
	loads := make([]string, 3)
	for i, l := range info.Loads {
		loads[i] = fmt.Sprintf("%.2f", float64(l)/65536)
	}
	c.printf("%s up %v, load average: %s\n", time.Now().Format("15:04:05"), up, strings.Join(loads, ", "))
	return nil
}

// runLspci lists the PCI devices of /sys. The names of vendors would take a database of a
// megabyte; the name of the class has to do.
func runLspci(c *Call) error {
	c.parse(0, 0)
	classes := map[string]string{
		"00": "Unclassified device", "01": "Mass storage controller", "02": "Network controller", "03": "Display controller",
		"04": "Multimedia controller", "05": "Memory controller", "06": "Bridge", "07": "Communication controller",
		"08": "System peripheral", "09": "Input device", "0c": "Serial bus controller", "0d": "Wireless controller", "12": "Accelerator",
	}
	dirs, err := filepath.Glob("/sys/bus/pci/devices/*")
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		read := func(name string) string {
			data, _ := os.ReadFile(filepath.Join(dir, name))
			return strings.TrimPrefix(strings.TrimSpace(string(data)), "0x")
		}
		class, driver := read("class"), ""
		if len(class) < 4 {
			continue
		}
		if target, err := os.Readlink(filepath.Join(dir, "driver")); err == nil {
			driver = " (" + filepath.Base(target) + ")"
		}
		c.printf("%s %s [%s]: %s:%s%s\n", filepath.Base(dir), classes[class[:2]], class[:4], read("vendor"), read("device"), driver)
	}
	return nil
}

func runSysctl(c *Call) error {
	all := c.flags.BoolP("all", "a", false, "show all")
	c.flags.BoolP("write", "w", false, "set; = alone is enough")
	args := c.parse(0, -1)
	const root = "/proc/sys"
	if *all {
		files := c.filesBelow([]string{root})
		slices.Sort(files)
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil { // many can only be written
				name := strings.ReplaceAll(file[len(root)+1:], "/", ".")
				c.printf("%s = %s\n", name, bytes.TrimSpace(data))
			}
		}
		return nil
	}
	if len(args) == 0 {
		return usageError{"name missing"}
	}
	return c.each(args, func(arg string) error {
		name, value, set := strings.Cut(arg, "=")
		name = strings.TrimSpace(name)
		file := filepath.Join(root, strings.ReplaceAll(name, ".", "/"))
		if set {
			if err := os.WriteFile(file, []byte(strings.TrimSpace(value)), 0); err != nil {
				return err
			}
		}
		data, err := os.ReadFile(file)
		if err == nil {
			c.printf("%s = %s\n", name, bytes.TrimSpace(data))
		}
		return err
	})
}

// runEnd makes the body of poweroff and its kin: it asks init, or with -f does it
// at once.
func runEnd(order syscall.Signal, how int) func(*Call) error {
	return func(c *Call) error {
		force := c.flags.BoolP("force", "f", false, "at once, without ending processes or unmounting")
		c.parse(0, 0)
		if *force {
			unix.Sync()
			return unix.Reboot(how)
		}
		if err := syscall.Kill(1, order); err != nil {
			if errors.Is(err, unix.EPERM) {
				err = errors.New("only root may do that")
			}
			return fmt.Errorf("ask init: %w", err)
		}
		return nil
	}
}

func runShell(c *Call) error {
	s := &shell.Shell{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Applets: Names()}
	if status := s.Main("sh", c.Args); status != 0 {
		return Status(status)
	}
	return nil
}
