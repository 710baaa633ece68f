//go:build linux && amd64

package faults

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// A kind is a system call that can count.
type kind struct {
	name string
	// fd is which argument is the file, or the folder that a path begins in, and path which
	// is that path, if it has one.
	fd, path int
	command  []uint64 // of ioctl: those that are meant
	errnos   []syscall.Errno
	looks    bool // it changes nothing
}

var (
	making   = []syscall.Errno{unix.ENOSPC, unix.EIO, unix.EACCES, unix.EMFILE, unix.EDQUOT}
	naming   = []syscall.Errno{unix.EIO, unix.ENOSPC, unix.EACCES, unix.EROFS}
	writing  = []syscall.Errno{unix.ENOSPC, unix.EIO, unix.EDQUOT, unix.EINTR}
	reading  = []syscall.Errno{unix.EIO, unix.EINTR, unix.ENOMEM}
	syncing  = []syscall.Errno{unix.EIO, unix.ENOSPC}
	settling = []syscall.Errno{unix.EPERM, unix.EIO, unix.EOPNOTSUPP}
)

// kinds are the system calls that work with files, by number.
var kinds = map[uint64]*kind{
	unix.SYS_OPENAT:          {"openat", 0, 1, nil, making, false},
	unix.SYS_OPENAT2:         {"openat2", 0, 1, nil, making, false},
	unix.SYS_MKDIRAT:         {"mkdirat", 0, 1, nil, making, false},
	unix.SYS_LINKAT:          {"linkat", 2, 3, nil, naming, false},
	unix.SYS_SYMLINKAT:       {"symlinkat", 1, 2, nil, naming, false},
	unix.SYS_RENAMEAT:        {"renameat", 2, 3, nil, naming, false},
	unix.SYS_RENAMEAT2:       {"renameat2", 2, 3, nil, naming, false},
	unix.SYS_UNLINKAT:        {"unlinkat", 0, 1, nil, naming, false},
	unix.SYS_WRITE:           {"write", 0, 0, nil, writing, false},
	unix.SYS_WRITEV:          {"writev", 0, 0, nil, writing, false},
	unix.SYS_PWRITE64:        {"pwrite64", 0, 0, nil, writing, false},
	unix.SYS_FTRUNCATE:       {"ftruncate", 0, 0, nil, writing, false},
	unix.SYS_FALLOCATE:       {"fallocate", 0, 0, nil, writing, false},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", 2, 0, nil, append(writing, unix.EXDEV), false},
	unix.SYS_SENDFILE:        {"sendfile", 0, 0, nil, writing, false},
	unix.SYS_IOCTL:           {"ioctl FICLONE", 0, 0, []uint64{unix.FICLONE, unix.FICLONERANGE}, append(writing, unix.EOPNOTSUPP), false},
	unix.SYS_READ:            {"read", 0, 0, nil, reading, true},
	unix.SYS_PREAD64:         {"pread64", 0, 0, nil, reading, true},
	unix.SYS_GETDENTS64:      {"getdents64", 0, 0, nil, reading, true},
	unix.SYS_FSTAT:           {"fstat", 0, 0, nil, reading, true},
	unix.SYS_NEWFSTATAT:      {"newfstatat", 0, 1, nil, reading, true},
	unix.SYS_STATX:           {"statx", 0, 1, nil, reading, true},
	unix.SYS_FSTATFS:         {"fstatfs", 0, 0, nil, reading, true},
	unix.SYS_READLINKAT:      {"readlinkat", 0, 1, nil, reading, true},
	unix.SYS_FSYNC:           {"fsync", 0, 0, nil, syncing, false},
	unix.SYS_FDATASYNC:       {"fdatasync", 0, 0, nil, syncing, false},
	unix.SYS_SYNCFS:          {"syncfs", 0, 0, nil, syncing, false},
	unix.SYS_SYNC_FILE_RANGE: {"sync_file_range", 0, 0, nil, syncing, false},
	unix.SYS_FCHMOD:          {"fchmod", 0, 0, nil, settling, false},
	unix.SYS_FCHMODAT:        {"fchmodat", 0, 1, nil, settling, false},
	unix.SYS_FCHMODAT2:       {"fchmodat2", 0, 1, nil, settling, false},
	unix.SYS_FCHOWN:          {"fchown", 0, 0, nil, settling, false},
	unix.SYS_FCHOWNAT:        {"fchownat", 0, 1, nil, settling, false},
	unix.SYS_UTIMENSAT:       {"utimensat", 0, 1, nil, settling, false},
	unix.SYS_FSETXATTR:       {"fsetxattr", 0, 0, nil, settling, false},
	unix.SYS_FREMOVEXATTR:    {"fremovexattr", 0, 0, nil, settling, false},
	unix.SYS_FLOCK:           {"flock", 0, 0, nil, []syscall.Errno{unix.ENOLCK, unix.EWOULDBLOCK, unix.EINTR}, true},
	unix.SYS_CLOSE:           {"close", 0, 0, nil, syncing, true},
}
