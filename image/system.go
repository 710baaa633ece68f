package image

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// systemFolders hold devices, processes and settings of the kernel. A new file there is none
// of these, and is lost with the next boot: mostly the user means a missing device.
var systemFolders = []string{"/dev", "/proc", "/sys"}

// sharedMemory is a folder for files below /dev.
const sharedMemory = "/dev/shm"

// A SystemFolderError says that an output would be a new file in a folder that is not for files:
// /dev, /proc or /sys.
type SystemFolderError struct{ Path, Folder string }

func (e *SystemFolderError) Error() string {
	what := map[string]string{"/dev": "devices", "/proc": "processes", "/sys": "the kernel"}[e.Folder]
	return fmt.Sprintf("%s: is not there, and no file is made in %s, which shows %s", e.Path, e.Folder, what)
}

// An OpenFileError says that the path of an output is an open file of a process, such as
// /dev/stdout and /dev/fd/3, which cannot be replaced.
type OpenFileError struct{ Path string }

func (e *OpenFileError) Error() string {
	return e.Path + ": is an open file of a process, and only a regular file can be replaced"
}

// A ReplaceError says that the path of an output is taken, and not by a regular file.
type ReplaceError struct {
	Path string
	Mode os.FileMode
}

func (e *ReplaceError) Error() string {
	return fmt.Sprintf("%s: is %s, and only a regular file can be replaced", e.Path, Kind(e.Mode))
}

// Device says whether a block device has the path. A disk can be written to it in other ways.
func (e *ReplaceError) Device() bool {
	return e.Mode&(os.ModeDevice|os.ModeCharDevice) == os.ModeDevice
}

// systemFolder returns the system folder of a path, or "". It resolves links in the path.
func systemFolder(path string) string {
	fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "" // creation returns a better error
	}
	defer unix.Close(fd)
	dir, err := os.Readlink(fdPath(fd))
	if err != nil {
		return ""
	}
	if isBelow(dir, sharedMemory) {
		return ""
	}
	for _, folder := range systemFolders {
		if isBelow(dir, folder) {
			return folder
		}
	}
	return ""
}

func isBelow(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// refuseSystem refuses a new file in a system folder.
func refuseSystem(path string) error {
	if folder := systemFolder(path); folder != "" {
		return &SystemFolderError{path, folder}
	}
	return nil
}

// CheckFolder refuses a folder for files, which may still be missing: one of another user in a
// folder like /tmp, or behind such a link, since that user could change its files; and the
// system folders, which are not for files.
func CheckFolder(path string) error {
	target, err := follow(strings.TrimRight(path, "/"))
	if err != nil {
		return err
	}
	if err := refusePlanted(target); err != nil {
		return err
	}
	return refuseSystem(target)
}
