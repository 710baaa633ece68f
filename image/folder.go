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
// whole, as an [Output] does. Until [Folder.Commit] it lies in a [Staging] beside its place.
type Folder struct {
	// Mode is what the permissions of a folder that replaces none are at most, the umask
	// aside. Default: 0777.
	Mode fs.FileMode

	target  string
	ours    func(name string) bool
	staging *Staging
	done    bool
}

// What a Folder is called in its Staging.
const stagedFolder = "folder"

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
	f := &Folder{target: target, ours: ours}
	if f.staging, err = NewStaging(filepath.Dir(target)); err != nil {
		return nil, createError(target, err)
	}
	if err := os.Mkdir(f.staging.Path(stagedFolder), 0o777); err != nil {
		return nil, errors.Join(createError(target, err), f.staging.Close())
	}
	return f, nil
}

func replaceableFolder(target string, ours func(name string) bool) error {
	st, err := os.Lstat(target)
	switch {
	case target == "":
		return errors.New("the output has no name")
	case errors.Is(err, fs.ErrNotExist):
		return refuseSystem(target)
	case err != nil:
		return createError(target, err)
	case !st.IsDir():
		return fmt.Errorf("%s: is %s, and the output is a folder", target, Kind(st.Mode()))
	}
	if err := refusePlanted(target); err != nil {
		return err
	}
	entries, err := os.ReadDir(target)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !ours(e.Name()) {
			return fmt.Errorf("%s: the folder holds %q, which is not part of such an output: name another folder, or remove it", target, e.Name())
		}
	}
	return nil
}

// Path returns where a file of the folder is written to.
func (f *Folder) Path(name string) string {
	return filepath.Join(f.staging.Path(stagedFolder), name)
}

// Commit puts the folder under its name, in one step, and syncs the names unless noSync
// is set. What stood there is gone afterwards; its permissions, and those of files of the
// same names, are kept. On an error the Folder is aborted.
func (f *Folder) Commit(noSync bool) error {
	defer f.Abort()
	if err := f.setAccess(); err != nil {
		return err
	}
	if !noSync {
		if err := syncDir(f.Path("")); err != nil {
			return err
		}
	}
	if err := f.staging.withParent(f.target, f.rename); err != nil || noSync {
		return err
	}
	return syncDir(filepath.Dir(f.target))
}

// setAccess gives the folder and its files the permissions that they will stand with.
func (f *Folder) setAccess() error {
	d, err := os.Open(f.Path(""))
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = os.Lstat(f.target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		if f.Mode == 0 {
			return nil
		}
		st, err := d.Stat()
		if err != nil {
			return err
		}
		return d.Chmod(st.Mode().Perm() & f.Mode)
	}
	if err := replaceableFolder(f.target, f.ours); err != nil { // it may have changed since
		return err
	}
	if err := keepAccess(d, f.target); err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := f.keepFileAccess(name); err != nil {
			return err
		}
	}
	return nil
}

func (f *Folder) keepFileAccess(name string) error {
	path := filepath.Join(f.target, name)
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	file, err := os.Open(f.Path(name))
	if err != nil {
		return err
	}
	defer file.Close()
	return keepAccess(file, path)
}

// rename gives the folder its name. What stands there then lies in the Staging, and goes
// with it.
func (f *Folder) rename(parent int, base string) error {
	from := int(f.staging.dir.Fd())
	return asWritable(from, stagedFolder, func() error {
		err := unix.Renameat2(from, stagedFolder, parent, base, unix.RENAME_NOREPLACE)
		if err == unix.EEXIST {
			err = asWritable(parent, base, func() error {
				return unix.Renameat2(from, stagedFolder, parent, base, unix.RENAME_EXCHANGE)
			})
		}
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			err = f.renameInTwo(parent, base)
		}
		return err
	})
}

// renameInTwo is for file systems that cannot exchange two names. Between the two steps
// the old folder lies where a sweep gives it its name back.
func (f *Folder) renameInTwo(parent int, base string) error {
	from, old := int(f.staging.dir.Fd()), filepath.Join(stagingOld, base)
	if err := unix.Mkdirat(from, stagingOld, 0o700); err != nil {
		return err
	}
	moved := moveFolder(parent, base, from, old)
	if moved != nil && moved != unix.ENOENT {
		return moved
	}
	err := unix.Renameat(from, stagedFolder, parent, base)
	if err != nil && moved == nil {
		err = errors.Join(err, moveFolder(from, old, parent, base))
	}
	return err
}

// Abort drops the folder and leaves nothing of it. After Commit it does nothing more, so
// that it can be deferred.
func (f *Folder) Abort() {
	if f.done {
		return
	}
	f.done = true
	_ = f.staging.Close() // the next output beside it sweeps what cannot be removed now
}
