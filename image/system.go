package image

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// systemFolders show devices, processes and the kernel itself. A file that is made there is
// none of these, and gone with the next boot: mostly a device was meant that is not there.
var systemFolders = []string{"/dev", "/proc", "/sys"}

// sharedMemory is the folder below /dev that is for files.
const sharedMemory = "/dev/shm"

// A SystemFolderError says that an output would be a new file in a folder of the system that
// is not for files: /dev, /proc or /sys.
type SystemFolderError struct{ Path, Folder string }

func (e *SystemFolderError) Error() string {
	what := map[string]string{"/dev": "devices", "/proc": "processes", "/sys": "the kernel"}[e.Folder]
	return fmt.Sprintf("%s: is not there, and no file is made in %s, which shows %s", e.Path, e.Folder, what)
}

// An OpenFileError says that the name of an output is that of an open file of a process, as
// /dev/stdout and /dev/fd/3 are: nothing can be put in its place.
type OpenFileError struct{ Path string }

func (e *OpenFileError) Error() string {
	return e.Path + ": is an open file of a process, and only a regular file can be replaced"
}

// A ReplaceError says that something else than a regular file is where an output is to stand.
type ReplaceError struct {
	Path string
	Mode os.FileMode
}

func (e *ReplaceError) Error() string {
	return fmt.Sprintf("%s: is %s, and only a regular file can be replaced", e.Path, Kind(e.Mode))
}

// Device says whether a block device is there, which a disk can be written to by other ways.
func (e *ReplaceError) Device() bool {
	return e.Mode&(os.ModeDevice|os.ModeCharDevice) == os.ModeDevice
}

// systemFolder returns which of the folders of the system a path lies in, "" for none. What
// the folder of the path is called there matters, and not by which links it is reached.
func systemFolder(path string) string {
	fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "" // the creation tells more
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

// refuseSystem refuses a path at which nothing is, if it lies in a folder of the system.
func refuseSystem(path string) error {
	if folder := systemFolder(path); folder != "" {
		return &SystemFolderError{path, folder}
	}
	return nil
}

// CheckFolder says why files should not be put into the folder at path, which is made if it is
// not there: another user may have put it into a folder like /tmp, or a link, and could then
// change what it holds; and the folders of the system are not for files.
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
