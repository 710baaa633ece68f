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

// A Folder is an output of several files that gets its name only when it is complete, like an
// [Output]. Until [Folder.Commit] it lies in a [Staging] beside its place.
type Folder struct {
	// Mode limits the permissions of a folder that replaces none, as the umask does. Default:
	// 0777.
	Mode fs.FileMode

	target  string
	ours    func(name string) bool
	staging *Staging
	done    bool
}

// stagedFolder is the name of a Folder in its Staging.
const stagedFolder = "folder"

// CreateFolder starts a Folder for path. It replaces an empty folder there, or one with only
// regular files whose names ours accepts, and refuses anything else.
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

// Path returns the path for writing a file of the folder.
func (f *Folder) Path(name string) string {
	return filepath.Join(f.staging.Path(stagedFolder), name)
}

// Commit gives the folder its name, in one step, and syncs the names unless noSync is set. It
// replaces an old folder, and keeps its permissions and those of files of the same names. An
// error aborts the Folder.
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

// setAccess gives the folder and its files their permissions.
func (f *Folder) setAccess() error {
	d, err := os.Open(f.Path(""))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := setAccess(d, f.target, f.Mode, func() error { return replaceableFolder(f.target, f.ours) }); err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		file, err := os.Open(f.Path(name))
		if err != nil {
			return err
		}
		err = setAccess(file, filepath.Join(f.target, name), 0, func() error { return nil })
		file.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// rename gives the folder its name, and moves an old one to the Staging, which is removed.
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

// renameInTwo is for file systems that cannot exchange two names. If the process is killed
// between the two steps, a sweep gives the old folder its name back.
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

// Abort removes the folder. After Commit it does nothing, so that it can be deferred.
func (f *Folder) Abort() {
	if f.done {
		return
	}
	f.done = true
	_ = f.staging.Close() // if this fails, the next output in the parent folder sweeps it
}
