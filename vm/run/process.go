package run

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// process returns a descriptor of the process of a machine, which stands for it and no other
// as long as it is open, or -1 if that has ended.
//
// An entry is text, and its number may be that of any process. So, with the descriptor open,
// the process has to listen at the machine's control socket, as the kernel tells: then it is
// there, it is this user's, and its number is still its own.
func (r *Registry) process(e Entry) (pidfd int, err error) {
	if e.PID <= 1 {
		return -1, fmt.Errorf("machine %s: process %d is not one to end", e.Name, e.PID)
	}
	pidfd, err = unix.PidfdOpen(e.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("machine %s: process %d: %w", e.Name, e.PID, err)
	}
	c, err := r.dial(e, controlSuffix)
	if err == nil {
		c.Close()
		return pidfd, nil
	}
	unix.Close(pidfd)
	if !r.same(e) {
		return -1, nil
	}
	return -1, fmt.Errorf("machine %s: process %d does not show that it runs the machine, and is not ended: %w", e.Name, e.PID, err)
}

// kill ends the process of a machine by force. The machine's QEMU ends with it.
func (r *Registry) kill(e Entry) error {
	pidfd, err := r.process(e)
	if err != nil || pidfd < 0 {
		return err
	}
	defer unix.Close(pidfd)
	err = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end process %d of machine %s: %w", e.PID, e.Name, err)
	}
	return nil
}
