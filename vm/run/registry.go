package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Registry is the folder in which this user's running machines are listed. Each has
// an entry NAME.json there, which its process keeps locked: the kernel takes the lock
// away when that process ends, by whatever signal, so a machine that is listed and not
// locked is one that died.
type Registry struct{ Dir string }

// Entry is what is known of a running machine.
type Entry struct {
	Name    string    `json:"name"`
	What    string    `json:"what"`    // what runs, as the command line named it
	PID     int       `json:"pid"`     // of the process that runs it
	QEMU    int       `json:"qemu"`    // the process number of QEMU
	Started time.Time `json:"started"` // in UTC
	Boot    Boot      `json:"boot"`
	Memory  int64     `json:"memory"` // bytes
	CPUs    int       `json:"cpus"`
	Forward []string  `json:"forward,omitempty"`
	Disk    string    `json:"disk,omitempty"`   // the file that keeps changes
	Socket  string    `json:"socket,omitempty"` // the back door
	VNC     string    `json:"vnc,omitempty"`    // socket of the screen
	SSH     string    `json:"ssh,omitempty"`    // the command that reaches it
	Build   string    `json:"build,omitempty"`  // the command that has its Nix build
}

// The files of a machine are called NAME and one of these.
const (
	entrySuffix   = ".json"
	socketSuffix  = ".socket"  // the back door: plain text
	agentSuffix   = ".agent"   // the agent's protocol
	controlSuffix = ".control" // what `ingot stop` and `ingot shell` speak
	vncSuffix     = ".vnc"
	keySuffix     = ".key" // for ssh
)

// suffixes are in the order of removal: the entry, whose lock guards the rest, last.
var suffixes = []string{socketSuffix, agentSuffix, controlSuffix, vncSuffix, keySuffix, entrySuffix}

// DefaultDir is where the machines of a user are listed: ingot in the folder that
// XDG_RUNTIME_DIR names, or else /tmp/ingot-UID.
func DefaultDir(getenv func(string) string) string {
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return filepath.Join(dir, "ingot")
		}
	}
	return fmt.Sprintf("/tmp/ingot-%d", os.Getuid())
}

// prepare makes the folder, and refuses one that others could put files into.
func (r Registry) prepare() error {
	if err := os.Mkdir(r.Dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("folder of the running machines: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(r.Dir, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: r.Dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Getuid() || st.Mode&0o077 != 0 {
		return fmt.Errorf("%s: the folder of the running machines has to be yours alone, and it is %v of user %d: remove it, or set XDG_RUNTIME_DIR",
			r.Dir, fs.FileMode(st.Mode&0o777), st.Uid)
	}
	return nil
}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// maxName leaves room for the folder and a suffix in a socket's address.
const maxName = 48

// CheckName says why a machine cannot be called so, or nil.
func CheckName(name string) error {
	if !validName.MatchString(name) || len(name) > maxName {
		return fmt.Errorf("machine name %q: it takes letters, digits and ._-, at most %d of them, and does not begin with a mark (--name)", name, maxName)
	}
	return nil
}

func (r Registry) path(name, suffix string) string { return filepath.Join(r.Dir, name+suffix) }

// maxSocket is the longest address of a Unix socket.
const maxSocket = 107

// RunningError says that a name is taken.
type RunningError struct {
	Name string
	PID  int
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("a machine called %s is running already (process %d): give another --name, or end it with `ingot stop %s`", e.Name, e.PID, e.Name)
}

// NotRunningError says that no machine has a name.
type NotRunningError struct {
	Name  string
	Names []string // that there are
}

func (e *NotRunningError) Error() string {
	if len(e.Names) == 0 {
		return fmt.Sprintf("no machine called %s is running, and no other of this user's", e.Name)
	}
	return fmt.Sprintf("no machine called %s is running; there is %s", e.Name, strings.Join(e.Names, ", "))
}

// claim is a name that is ours until it is released, or this process ends.
type claim struct {
	registry Registry
	name     string
	file     *os.File
}

// claim takes a name, and clears away what a machine that was killed left under it.
func (r Registry) claim(name string) (*claim, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if longest := len(r.path(name, controlSuffix)); longest > maxSocket {
		return nil, fmt.Errorf("%s: the address of a socket there has %d bytes, and at most %d are possible: set XDG_RUNTIME_DIR to a shorter folder",
			r.path(name, controlSuffix), longest, maxSocket)
	}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	path := r.path(name, entrySuffix)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if !lockSoon(f) {
			defer f.Close()
			var e Entry
			_ = json.NewDecoder(f).Decode(&e) // it may not be written yet
			return nil, &RunningError{name, e.PID}
		}
		if standsAt(f, path) {
			c := &claim{r, name, f}
			c.clear(suffixes[:len(suffixes)-1]...)
			return c, nil
		}
		f.Close() // somebody removed it between our open and our lock
	}
}

func lock(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }

// lockSoon is lock for who means to keep it: one who only looks whether an entry is
// alive has it for a moment.
func lockSoon(f *os.File) bool {
	for range 10 {
		if lock(f) {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// standsAt says whether the open file is the one at the path.
func standsAt(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Lstat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func (c *claim) clear(suffixes ...string) {
	for _, s := range suffixes {
		_ = os.Remove(c.registry.path(c.name, s)) // most are not there
	}
}

// write fills the entry in. Readers see the old one or the new one: it is one write,
// and shorter entries end in blanks.
func (c *claim) write(e *Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if info, err := c.file.Stat(); err == nil {
		for int64(len(text)) < info.Size()-1 {
			text = append(text, ' ')
		}
	}
	_, err = c.file.WriteAt(append(text, '\n'), 0)
	return err
}

// release removes the machine's files and gives the name back.
func (c *claim) release() {
	c.clear(suffixes...)
	c.file.Close()
}

// List returns the running machines, by name. Those that died without tidying up are
// tidied up after.
func (r Registry) List() ([]Entry, error) {
	names, err := filepath.Glob(filepath.Join(globEscape(r.Dir), "*"+entrySuffix))
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, path := range names {
		if e, alive := r.look(strings.TrimSuffix(filepath.Base(path), entrySuffix)); alive {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

var globMeta = regexp.MustCompile(`[\\*?[]`)

func globEscape(s string) string { return globMeta.ReplaceAllString(s, `\$0`) }

// look reads an entry; one that nobody holds is removed with all that belongs to it.
func (r Registry) look(name string) (e Entry, alive bool) {
	path := r.path(name, entrySuffix)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return e, false
	}
	defer f.Close()
	if lock(f) {
		if standsAt(f, path) {
			(&claim{r, name, f}).clear(suffixes...)
		}
		return e, false
	}
	err = json.NewDecoder(f).Decode(&e)
	return e, err == nil // one that is just starting has written nothing yet
}

// Find returns the running machine of a name, or a [NotRunningError].
func (r Registry) Find(name string) (Entry, error) {
	if err := CheckName(name); err != nil {
		return Entry{}, err
	}
	if e, alive := r.look(name); alive {
		return e, nil
	}
	list, err := r.List()
	if err != nil {
		return Entry{}, err
	}
	missing := &NotRunningError{Name: name}
	for _, e := range list {
		missing.Names = append(missing.Names, e.Name)
	}
	return Entry{}, missing
}

// kill ends the process of a machine by force. The machine's QEMU ends with it.
func (r Registry) kill(e Entry) error {
	fd, err := unix.PidfdOpen(e.PID, 0)
	if err != nil {
		return nil // it is gone
	}
	defer unix.Close(fd)
	// The number may be another process's by now; the lock tells, and from here on the
	// descriptor stands for the process that has the number now.
	if now, alive := r.look(e.Name); !alive || now.PID != e.PID {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end process %d of machine %s: %w", e.PID, e.Name, err)
	}
	return nil
}

// gone waits until the machine of an entry has ended.
func (r Registry) gone(e Entry, within time.Duration) bool {
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		if now, alive := r.look(e.Name); !alive || now.PID != e.PID {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}
