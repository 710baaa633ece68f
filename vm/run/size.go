package run

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ingot/internal/lazy"
	"ingot/partition"
	"ingot/vm"
)

// shortSize is how QEMU and the models write sizes.
var shortSize = lazy.Regexp(`^([0-9]+)([KMGT]?)$`)

// ParseSize reads the size of a machine's memory or disk: a number of MiB, as QEMU's
// own -m and the models' options have it, a number with K, M, G or T (of 1024), or
// bytes with a unit as recipes write them.
func ParseSize(text string) (int64, error) {
	m := shortSize().FindStringSubmatch(strings.ToUpper(text))
	if m == nil {
		return partition.ParseBytes(text)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := map[string]uint{"K": 10, "M": 20, "": 20, "G": 30, "T": 40}[m[2]]
	if err != nil || n > 1<<62>>shift {
		return 0, fmt.Errorf("size %s is more than there can be", text)
	}
	return n << shift, nil
}

// ParseMemory reads the size of a machine's memory, as [ParseSize] does, and refuses one with
// which no machine starts.
func ParseMemory(text string) (int64, error) {
	n, err := ParseSize(text)
	switch {
	case err == nil && n == 0:
		err = errors.New("a machine needs some")
	case err == nil && n < vm.MinMemory:
		err = fmt.Errorf("a machine needs at least %s", partition.FormatBytes(vm.MinMemory))
	}
	if err != nil {
		return 0, fmt.Errorf("%w; it is a number of MiB, or one with a unit, such as 512, 512M or 2G", err)
	}
	return n, nil
}
