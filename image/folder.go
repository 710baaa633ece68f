package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A Folder is an output of several files that stands under its name only once it is
// whole, as an [Output] does. Until [Folder.Commit] it is a hidden folder beside its
// place; one that a killed process left there is removed by the next Folder.
type Folder struct {
	target string
	temp   string
	lock   *os.File
	done   bool
}

// hiddenPattern matches the names that hidden outputs have.
const hiddenPattern = ".ingot-*.tmp"

// CreateFolder starts a Folder that will stand at path. An empty folder there gives way,
// and one in which all names are what ours says: anything else is refused.
func CreateFolder(path string, ours func(name string) bool) (*Folder, error) {
	target, err := follow(strings.TrimRight(path, "/"))
	if err != nil {
		return nil, err
	}
	if err := replaceableFolder(target, ours); err != nil {
		return nil, err
	}
	removeStale(filepath.Dir(target))
	f := &Folder{target: target}
	o := &Output{target: target}
	for f.lock == nil {
		if err := o.hidden(func(name string) error { return os.Mkdir(name, 0o777) }); err != nil {
			return nil, createError(target, err)
		}
		f.temp = o.temp
		if f.lock, err = lockFolder(f.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			os.Remove(f.temp)
			return nil, err
		}
		// Another process may have taken it for a stale one before it was locked.
	}
	return f, nil
}

func replaceableFolder(target string, ours func(name string) bool) error {
	st, err := os.Lstat(target)
	switch {
	case target == "":
		return errors.New("the output has no name")
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return createError(target, err)
	case !st.IsDir():
		return fmt.Errorf("%s: is %s, and the output is a folder", target, Kind(st.Mode()))
	}
	entries, err := os.ReadDir(target)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !ours(e.Name()) {
			return fmt.Errorf("%s: is a folder with %q in it, which is no part of such an output: name another folder, or remove this one", target, e.Name())
		}
	}
	return nil
}

// lockFolder takes the lock that says that a hidden folder is in use.
func lockFolder(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		d.Close()
		return nil, &os.PathError{Op: "flock", Path: dir, Err: err}
	}
	if _, err := os.Stat(dir); err != nil { // it was removed before it was ours
		d.Close()
		return nil, err
	}
	return d, nil
}

// removeStale removes hidden folders that nobody holds. What cannot be removed stays: it
// is in nobody's way.
func removeStale(dir string) {
	names, err := filepath.Glob(filepath.Join(escapeGlob(dir), hiddenPattern))
	if err != nil {
		return
	}
	for _, name := range names {
		if st, err := os.Lstat(name); err != nil || !st.IsDir() {
			continue
		}
		if d, err := lockFolder(name); err == nil {
			os.RemoveAll(name)
			d.Close()
		}
	}
}

func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// Path returns where a file of the folder is written to.
func (f *Folder) Path(name string) string { return filepath.Join(f.temp, name) }

// Commit puts the folder under its name, in one step, and syncs the names unless noSync
// is set. What stood there is gone afterwards. On an error the Folder is aborted.
func (f *Folder) Commit(noSync bool) error {
	defer f.Abort()
	if !noSync {
		if err := syncDir(f.temp); err != nil {
			return err
		}
	}
	err := unix.Renameat2(unix.AT_FDCWD, f.temp, unix.AT_FDCWD, f.target, unix.RENAME_NOREPLACE)
	switch err {
	case nil:
		f.temp = ""
	case unix.EEXIST:
		// What was there stands under the hidden name then, and is removed.
		err = unix.Renameat2(unix.AT_FDCWD, f.temp, unix.AT_FDCWD, f.target, unix.RENAME_EXCHANGE)
	}
	if err == unix.EINVAL || err == unix.ENOSYS {
		err = f.renameInTwo()
	}
	if err != nil {
		return &os.PathError{Op: "rename", Path: f.target, Err: err}
	}
	if noSync {
		return nil
	}
	return syncDir(filepath.Dir(f.target))
}

// renameInTwo is for file systems that cannot exchange two names.
func (f *Folder) renameInTwo() error {
	old := f.temp + ".old"
	if err := os.Rename(f.target, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Unwrap(err)
	}
	if err := os.Rename(f.temp, f.target); err != nil {
		os.Rename(old, f.target)
		return errors.Unwrap(err)
	}
	f.temp = old
	return nil
}

// Abort drops the folder and leaves nothing of it. After Commit it does nothing more, so
// that it can be deferred.
func (f *Folder) Abort() {
	if f.done {
		return
	}
	f.done = true
	if f.temp != "" {
		os.RemoveAll(f.temp)
	}
	f.lock.Close()
}
