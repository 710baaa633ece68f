package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ingot/internal/lazy"
	"ingot/internal/socket"
	"ingot/vm/runtimedir"
)

// A Registry is the folder in which this user's running machines are listed. Each has
// an entry NAME.json there, which its process keeps locked: the kernel takes the lock
// away when that process ends, by whatever signal, so a machine that is listed and not
// locked is one that died.
//
// A folder that others could put files into is refused, whatever is to be done with it, and
// what is in it and no entry of this user's is left alone.
type Registry struct {
	path string

	mu  sync.Mutex
	dir *runtimedir.Dir // nil as long as there is none: no machine runs
}

// OpenRegistry opens the registry in a folder. The folder need not be there: who starts a
// machine makes it. What is there and not this user's alone is a [runtimedir.ForeignError].
func OpenRegistry(path string) (*Registry, error) {
	r := &Registry{path: path}
	dir, err := runtimedir.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	r.dir = dir
	return r, nil
}

// RegistryIn returns the registry in a folder that is open.
func RegistryIn(dir *runtimedir.Dir) *Registry { return &Registry{path: dir.Path(), dir: dir} }

// Dir returns the folder, and makes it if there is none.
func (r *Registry) Dir() (*runtimedir.Dir, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dir != nil {
		return r.dir, nil
	}
	dir, err := runtimedir.Make(r.path)
	if err == nil {
		r.dir = dir
	}
	return dir, err
}

// Path is what people call the folder, or a name in it.
func (r *Registry) Path(name ...string) string {
	return filepath.Join(append([]string{r.path}, name...)...)
}

// there returns the folder, or nil if there is none.
func (r *Registry) there() *runtimedir.Dir {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dir
}

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

var sockets = []string{socketSuffix, agentSuffix, controlSuffix, vncSuffix}

// DefaultDir is where the machines of a user are listed: ingot in the folder that
// XDG_RUNTIME_DIR names, if that is the user's own, or else /tmp/ingot-UID. Whether it
// can be trusted is not said by that: [OpenRegistry] looks.
func DefaultDir(getenv func(string) string) string {
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && int(st.Uid) == os.Getuid() {
			return filepath.Join(dir, "ingot")
		}
	}
	return fmt.Sprintf("/tmp/ingot-%d", os.Getuid())
}

var validName = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// maxName leaves room for the folder and a suffix in a socket's address.
const maxName = 48

// CheckName says why a machine cannot be called so, or nil.
func CheckName(name string) error {
	if !validName().MatchString(name) || len(name) > maxName {
		return wrong(OptionName, strconv.Quote(name), "it takes letters, digits and ._-, at most %d of them, and does not begin with a mark", maxName)
	}
	return nil
}

// RunningError says that a name is taken.
type RunningError struct {
	Name string
	PID  int
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("a machine called %s is running already (process %d); `ingot stop %s` ends it", e.Name, e.PID, e.Name)
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

// A reservation is a name that is ours until it is released, or this process ends.
type reservation struct {
	dir  *runtimedir.Dir
	name string
	file *os.File
}

// reserve takes a name, and clears away what a machine that was killed left under it.
func (r *Registry) reserve(name string) (*reservation, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := socket.CheckPath(r.Path(name + controlSuffix)); err != nil {
		return nil, fmt.Errorf("%w, or set XDG_RUNTIME_DIR to a shorter folder", err)
	}
	dir, err := r.Dir()
	if err != nil {
		return nil, err
	}
	for {
		f, err := dir.OpenFile(name+entrySuffix, os.O_RDWR|os.O_CREATE)
		if err != nil {
			return nil, err
		}
		if !lockSoon(f) {
			defer f.Close()
			e, _ := readEntry(f, name) // it may not be written yet
			return nil, &RunningError{name, e.PID}
		}
		if !dir.Has(f, name+entrySuffix) {
			f.Close() // somebody removed it between our open and our lock
			continue
		}
		if _, err := readEntry(f, name); err != nil && !errors.Is(err, errEmpty) {
			f.Close()
			return nil, fmt.Errorf("%s: %w; remove the file, or choose another name", r.Path(name+entrySuffix), err)
		}
		c := &reservation{dir, name, f}
		c.clear()
		return c, nil
	}
}

// maxEntry is more bytes than an entry has.
const maxEntry = 64 << 10

// errEmpty is of a machine that is just starting.
var errEmpty = errors.New("has nothing in it")

// readEntry reads an entry, which says itself whose it is.
func readEntry(f *os.File, name string) (e Entry, err error) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, maxEntry+1))
	if err != nil {
		return e, err
	}
	return parseEntry(text, name)
}

func parseEntry(text []byte, name string) (e Entry, err error) {
	switch {
	case len(text) == 0:
		return e, errEmpty
	case len(text) > maxEntry:
		return e, fmt.Errorf("is no entry of ingot's: it has more than %d bytes", maxEntry)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return Entry{}, fmt.Errorf("is no entry of ingot's: %w", err)
	}
	if e.Name != name || e.PID < 1 {
		return Entry{}, errors.New("is no entry of ingot's: it names another machine, or no process")
	}
	return e, nil
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

// clear removes the files of a machine, but for its entry. Most are not there, and what
// ingot has not put there stays.
func (c *reservation) clear() {
	for _, s := range sockets {
		_ = c.dir.RemoveSocket(c.name + s)
	}
	_ = c.dir.RemoveFile(c.name + keySuffix)
}

// remove removes all files of a machine. The entry, whose lock guards the rest, is the
// last.
func (c *reservation) remove() {
	c.clear()
	_ = c.dir.RemoveFile(c.name + entrySuffix)
}

// write fills the entry in. Readers see the old one or the new one: it is one write,
// and shorter entries end in blanks.
func (c *reservation) write(e *Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if info, err := c.file.Stat(); err == nil {
		for int64(len(text)) < info.Size()-1 {
			text = append(text, ' ')
		}
	}
	if len(text) >= maxEntry {
		return fmt.Errorf("entry of machine %s: it has %d bytes, and at most %d are read", c.name, len(text)+1, maxEntry)
	}
	_, err = c.file.WriteAt(append(text, '\n'), 0)
	return err
}

// release removes the machine's files and gives the name back.
func (c *reservation) release() {
	c.remove()
	c.file.Close()
}

// List returns the running machines, by name. Those that died without tidying up are
// tidied up after.
func (r *Registry) List() ([]Entry, error) {
	dir := r.there()
	if dir == nil {
		return nil, nil
	}
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, file := range names {
		name, ok := strings.CutSuffix(file, entrySuffix)
		if !ok || CheckName(name) != nil {
			continue
		}
		if e, alive := r.look(name); alive {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// look reads an entry; one that nobody holds is removed with all that belongs to it.
func (r *Registry) look(name string) (e Entry, alive bool) {
	f, err := r.open(name)
	if err != nil {
		return e, false
	}
	defer f.Close()
	e, err = readEntry(f, name)
	if lock(f) {
		if dir := r.there(); (err == nil || errors.Is(err, errEmpty)) && dir.Has(f, name+entrySuffix) {
			(&reservation{dir, name, f}).remove()
		}
		return Entry{}, false
	}
	return e, err == nil // one that is just starting has written nothing yet
}

// open opens the entry of a machine.
func (r *Registry) open(name string) (*os.File, error) {
	dir := r.there()
	if dir == nil {
		return nil, fs.ErrNotExist
	}
	return dir.OpenFile(name+entrySuffix, os.O_RDWR)
}

// Find returns the running machine of a name, or a [NotRunningError].
func (r *Registry) Find(name string) (Entry, error) {
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

// same reports whether an entry is still that of the same machine.
func (r *Registry) same(e Entry) bool {
	now, alive := r.look(e.Name)
	return alive && now.PID == e.PID && now.Started.Equal(e.Started)
}

// gone waits until the machine of an entry has ended.
func (r *Registry) gone(e Entry, within time.Duration) bool {
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		if !r.same(e) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// dial connects to one of a machine's sockets. Its own process has to listen there.
func (r *Registry) dial(e Entry, suffix string) (*net.UnixConn, error) {
	dir := r.there()
	if dir == nil {
		return nil, &NotRunningError{Name: e.Name}
	}
	c, pid, err := dir.Dial(e.Name + suffix)
	if err != nil {
		return nil, err
	}
	if pid != e.PID {
		c.Close()
		return nil, fmt.Errorf("%s: process %d listens there, and not process %d, whose machine it is", dir.Path(e.Name+suffix), pid, e.PID)
	}
	return c, nil
}
