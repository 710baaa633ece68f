package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/pflag"

	"ingot/image"
	"ingot/inspect"
	"ingot/partition"
)

// sizeLimit is the flag --max-size of verbs that read or write holes as zeros.
type sizeLimit struct {
	text  string
	bytes int64 // set by parse; 0 if the flag is not given
}

func (l *sizeLimit) add(f *pflag.FlagSet, what string) {
	f.StringVar(&l.text, "max-size", "", what)
}

// parse reads the flag.
func (l *sizeLimit) parse() (bytes int64, err error) {
	if l.text != "" {
		l.bytes, err = parseLimit("max-size", l.text, "100GiB")
	}
	return l.bytes, err
}

// parseLimit reads the size of a flag, which is above 0. The example is one of its sizes.
func parseLimit(flag, text, example string) (int64, error) {
	n, err := partition.ParseBytes(text)
	if err != nil || n <= 0 {
		return 0, usageError{fmt.Errorf("--%s %q: must be a size such as %s", flag, text, example)}
	}
	return n, nil
}

// of is the limit of what is made of a disk.
func (l *sizeLimit) of(disk *image.Map, least int64) int64 {
	return cmp.Or(l.bytes, inspect.LimitOf(disk, least))
}
