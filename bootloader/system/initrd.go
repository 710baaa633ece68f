package system

import "ingot/bootloader"

// readInitrd reads what the initial RAM disk holds, and what it mounts.
func (s *System) readInitrd(look bootloader.Lookup, want *Expectations) error {
	return nil
}
