package guest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The power button of a PC, which is what a host presses to have its guest end, comes
// by generic netlink: the family acpi_event tells everybody in its group. The key that
// input devices report would take a module that not every system has.
//
// include/uapi/linux/genetlink.h; drivers/acpi/event.c has what is between the two.
const (
	acpiFamily      = "acpi_event"
	acpiGroup       = "acpi_mc_group"
	acpiEventAttr   = 1 // ACPI_GENL_ATTR_EVENT
	acpiClassLength = 20
	powerClass      = "button/power"

	genlHeader = 4 // command, version, reserved
)

// watchPowerButton has the system end when its button is pressed.
func (s *system) watchPowerButton() {
	fd, err := acpiEvents()
	if err != nil {
		return // a machine without ACPI, and so without the button
	}
	defer unix.Close(fd)
	buf := make([]byte, 1<<13)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOBUFS) {
			continue
		}
		if err != nil {
			return
		}
		if isPowerButton(buf[:n]) {
			s.say("the power button was pressed")
			_ = unix.Kill(os.Getpid(), unix.SIGUSR2)
			return
		}
	}
}

// acpiEvents opens a socket that the kernel tells of ACPI's events.
func acpiEvents() (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC); err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return -1, err
	}
	if err := unix.Sendto(fd, familyRequest(acpiFamily), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return -1, err
	}
	buf := make([]byte, 1<<13)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return -1, err
	}
	group, ok := groupID(buf[:n], acpiGroup)
	if !ok {
		return -1, fmt.Errorf("the kernel does not tell of ACPI's events: %w", os.ErrNotExist)
	}
	return fd, unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(group))
}

// familyRequest asks for what is known of a family of generic netlink.
func familyRequest(name string) []byte {
	var b []byte
	attribute := len(name) + 1 + unix.SizeofNlAttr
	padded := (attribute + 3) &^ 3
	b = binary.NativeEndian.AppendUint32(b, uint32(unix.SizeofNlMsghdr+genlHeader+padded))
	b = binary.NativeEndian.AppendUint16(b, unix.GENL_ID_CTRL)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence and port
	b = append(b, unix.CTRL_CMD_GETFAMILY, 1, 0, 0)
	b = binary.NativeEndian.AppendUint16(b, uint16(attribute))
	b = binary.NativeEndian.AppendUint16(b, unix.CTRL_ATTR_FAMILY_NAME)
	b = append(b, name...)
	return append(b, make([]byte, padded-unix.SizeofNlAttr-len(name))...)
}

// groupID finds the number of a family's group in the kernel's answer.
func groupID(answer []byte, group string) (id uint32, ok bool) {
	for _, message := range genlMessages(answer) {
		for _, groups := range attributes(message, unix.CTRL_ATTR_MCAST_GROUPS) {
			for _, one := range allAttributes(groups) {
				names, ids := attributes(one, unix.CTRL_ATTR_MCAST_GRP_NAME), attributes(one, unix.CTRL_ATTR_MCAST_GRP_ID)
				if len(names) == 1 && len(ids) == 1 && len(ids[0]) >= 4 && text(names[0]) == group {
					return binary.NativeEndian.Uint32(ids[0]), true
				}
			}
		}
	}
	return 0, false
}

// isPowerButton says whether a message tells of the button.
func isPowerButton(messages []byte) bool {
	for _, message := range genlMessages(messages) {
		for _, event := range attributes(message, acpiEventAttr) {
			if len(event) >= acpiClassLength && text(event[:acpiClassLength]) == powerClass {
				return true
			}
		}
	}
	return false
}

// genlMessages returns the attributes of each message in what was received.
func genlMessages(data []byte) (list [][]byte) {
	messages, err := syscall.ParseNetlinkMessage(data)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if len(m.Data) >= genlHeader && m.Header.Type >= unix.NLMSG_MIN_TYPE {
			list = append(list, m.Data[genlHeader:])
		}
	}
	return list
}

// attributes returns those of one kind; allAttributes returns every one.
func attributes(data []byte, kind uint16) (list [][]byte) {
	eachAttribute(data, func(k uint16, value []byte) {
		if k == kind {
			list = append(list, value)
		}
	})
	return list
}

func allAttributes(data []byte) (list [][]byte) {
	eachAttribute(data, func(_ uint16, value []byte) { list = append(list, value) })
	return list
}

func eachAttribute(data []byte, do func(kind uint16, value []byte)) {
	for len(data) >= unix.SizeofNlAttr {
		length := int(binary.NativeEndian.Uint16(data))
		kind := binary.NativeEndian.Uint16(data[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		if length < unix.SizeofNlAttr || length > len(data) {
			return
		}
		do(kind, data[unix.SizeofNlAttr:length])
		data = data[min(len(data), (length+3)&^3):]
	}
}

// text is what stands before the first zero byte.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
