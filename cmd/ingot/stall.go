package main

import (
	"time"

	"github.com/spf13/pflag"
)

// defaultStall is what one tunnel, one reboot of a router or one slow disk behind a cache does
// not take.
const defaultStall = time.Minute

// stallFlag is the flag --stall-timeout.
const stallFlag = "stall-timeout"

// addStall adds the flag to a verb that may fetch from binary caches, unless it has it.
func addStall(f *pflag.FlagSet) {
	if f.Lookup(stallFlag) == nil {
		addTimeout(f, new(time.Duration), stallFlag, defaultStall, false, "give up on slow caches")
	}
}

// stallOf is what the flag says, where there is one.
func stallOf(f *pflag.FlagSet) time.Duration {
	if f != nil && f.Lookup(stallFlag) != nil {
		if t, ok := f.Lookup(stallFlag).Value.(timeFlag); ok {
			return time.Duration(*t.to)
		}
	}
	return defaultStall
}
