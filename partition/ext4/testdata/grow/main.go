// Command grow is the init of a guest that mounts the ext4 file system of each of its
// disks, grows it to the size of the disk while it is mounted, as systemd-growfs
// does, writes a file and says what has become of it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

const resizeFS = 0x40086610 // EXT4_IOC_RESIZE_FS

func main() {
	if err := unix.Mount("dev", "/dev", "devtmpfs", 0, ""); err != nil && err != unix.EBUSY {
		fmt.Println("devtmpfs:", err)
	}
	disks, _ := filepath.Glob("/dev/nvme*n1")
	for _, disk := range disks {
		if err := grow(disk); err != nil {
			fmt.Printf("%s: %v\n", disk, err)
		}
	}
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func grow(disk string) error {
	if err := unix.Mount(disk, "/mnt", "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	d, err := os.Open(disk)
	if err != nil {
		return err
	}
	size, err := d.Seek(0, 2)
	if err != nil {
		return err
	}
	dir, err := os.Open("/mnt")
	if err != nil {
		return err
	}
	blocks := uint64(size / 4096)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), resizeFS, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return fmt.Errorf("EXT4_IOC_RESIZE_FS to %d blocks: %w", blocks, errno)
	}
	if err := os.WriteFile("/mnt/grown", make([]byte, 20<<20), 0o644); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs("/mnt", &st); err != nil {
		return err
	}
	dir.Close()
	if err := unix.Unmount("/mnt", 0); err != nil {
		return fmt.Errorf("umount: %w", err)
	}
	fmt.Printf("%s: grown to %d MiB\n", disk, st.Blocks*uint64(st.Bsize)>>20)
	return nil
}
