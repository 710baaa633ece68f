package run

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a running process, by a descriptor that stands for it and no other.
type process struct{ pidfd int }

func (p *process) close() { unix.Close(p.pidfd) }

func (p *process) kill() error {
	err := unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0)
	if errors.Is(err, syscall.ESRCH) {
		return nil // it has ended
	}
	return err
}

// process returns the process of a machine, or nil if that has ended.
//
// An entry is text, and its number may be that of any process. So the process has to be this
// user's, to have started when the entry says, and to hold the lock on the entry.
func (r *Registry) process(e Entry) (*process, error) {
	if e.PID <= 1 {
		return nil, fmt.Errorf("machine %s: process %d is not one to end", e.Name, e.PID)
	}
	f, err := r.open(e.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := unix.PidfdOpen(e.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("machine %s: process %d: %w", e.Name, e.PID, err)
	}
	// From here on the descriptor stands for the process that has the number. If it ends,
	// and the number becomes another's while that is looked at, the signal reaches nobody.
	if err := checkProcess(e, f); err != nil {
		unix.Close(fd)
		if !r.same(e) {
			return nil, nil
		}
		return nil, fmt.Errorf("machine %s: process %d is not the one that runs it, and is not ended: %w", e.Name, e.PID, err)
	}
	return &process{fd}, nil
}

// checkProcess says why a process is not that of the machine whose entry is open.
func checkProcess(e Entry, entry *os.File) error {
	dir := fmt.Sprintf("/proc/%d", e.PID)
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if int(st.Uid) != os.Getuid() {
		return fmt.Errorf("it belongs to user %d", st.Uid)
	}
	born, err := processBorn(e.PID)
	if err != nil {
		return err
	}
	if born != e.Born {
		return errors.New("it started at another time")
	}
	holds, err := holdsLock(dir, entry)
	if err == nil && !holds {
		err = errors.New("it does not hold the lock of the machine's entry")
	}
	return err
}

// processBorn returns when a process started, in clock ticks: field 22 of proc_pid_stat(5).
func processBorn(pid int) (uint64, error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	// The second field, the program's name in brackets, may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const at = 22 - 3
	if len(fields) <= at {
		return 0, fmt.Errorf("%s: has no field 22", name)
	}
	return strconv.ParseUint(fields[at], 10, 64)
}

// holdsLock says whether the process at a folder of /proc holds a lock on a file: for each
// descriptor, its fdinfo has the locks that were taken by it.
func holdsLock(proc string, f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	all, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return false, err
	}
	for _, d := range all {
		other, err := os.Stat(filepath.Join(proc, "fd", d.Name()))
		if err != nil || !os.SameFile(info, other) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(proc, "fdinfo", d.Name()))
		if err == nil && bytes.Contains(text, []byte("\nlock:")) {
			return true, nil
		}
	}
	return false, nil
}
