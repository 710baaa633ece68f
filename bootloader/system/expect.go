package system

import (
	"errors"
	"fmt"
	"io/fs"

	"ingot/bootloader"
)

// Expects reads what the system expects of its disk. A system without etc/fstab is an error that
// wraps [ErrNoFstab]; two roots in it, and lines that nothing could mount, are errors.
func (s *System) Expects(look bootloader.Lookup) (*Expectations, error) {
	want := &Expectations{}
	for _, read := range []func(bootloader.Lookup, *Expectations) error{s.readFstab, s.readInitrd} {
		if err := read(look, want); err != nil {
			return nil, fmt.Errorf("system %s: %w", s.Path, err)
		}
	}
	return want, nil
}

func (s *System) readFstab(look bootloader.Lookup, want *Expectations) error {
	text, err := look.Text(s.in("etc/fstab"))
	if errors.Is(err, fs.ErrNotExist) && look(s.in("etc/fstab")) == nil {
		err = ErrNoFstab
	}
	if err != nil {
		return fmt.Errorf("etc/fstab: %w", err)
	}
	want.Mounts, want.Swaps, err = parseFstab("etc/fstab", text)
	return err
}
