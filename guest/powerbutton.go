package guest

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The power button of a PC, by which a host asks its guest to end, comes as an event of
// generic netlink. The key that input devices report would take a module that not every
// system has.
//
// drivers/acpi/event.c of Linux describes the family and its events.
const (
	acpiFamily      = "acpi_event"
	acpiGroup       = "acpi_mc_group"
	acpiEventAttr   = 1 // ACPI_GENL_ATTR_EVENT
	acpiClassLength = 20
	powerClass      = "button/power"
)

// watchPowerButton ends the system when its button is pressed.
func (s *system) watchPowerButton() {
	conn, err := acpiEvents()
	if err != nil {
		return // a machine without ACPI, and so without the button
	}
	defer conn.Close()
	for {
		messages, _, err := conn.Receive()
		if errors.Is(err, unix.ENOBUFS) {
			continue // the kernel dropped some of too many events
		}
		if err != nil {
			return
		}
		if slices.ContainsFunc(messages, isPowerButton) {
			s.say("the power button was pressed")
			_ = unix.Kill(os.Getpid(), unix.SIGUSR2)
			return
		}
	}
}

// acpiEvents opens a socket that receives ACPI's events.
func acpiEvents() (*genetlink.Conn, error) {
	conn, err := genetlink.Dial(nil)
	if err != nil {
		return nil, err
	}
	family, err := conn.GetFamily(acpiFamily)
	if err == nil {
		err = fmt.Errorf("the kernel has no group %s: %w", acpiGroup, os.ErrNotExist)
		for _, group := range family.Groups {
			if group.Name == acpiGroup {
				err = conn.JoinGroup(group.ID)
			}
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// isPowerButton reports whether a message is an event of the button.
func isPowerButton(m genetlink.Message) bool {
	attributes, err := netlink.NewAttributeDecoder(m.Data)
	for err == nil && attributes.Next() {
		event := attributes.Bytes()
		if attributes.Type() == acpiEventAttr && len(event) >= acpiClassLength && unix.ByteSliceToString(event[:acpiClassLength]) == powerClass {
			return true
		}
	}
	return false
}
