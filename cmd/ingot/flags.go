package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/internal/printable"
	"ingot/internal/secret"
	"ingot/vm"
	"ingot/vm/run"
)

// valueFlag is a flag of any type: a wrong value is refused before anything is done.
type valueFlag[T any] struct {
	to    *T
	parse func(string) (T, error)
	kind  string
}

func (v valueFlag[T]) Set(text string) error {
	value, err := v.parse(text)
	if err == nil {
		*v.to = value
	}
	return err
}

func (v valueFlag[T]) String() string {
	if v.to == nil { // pflag asks a zero value what its default is
		return ""
	}
	return fmt.Sprint(*v.to)
}

func (v valueFlag[T]) Type() string { return v.kind }

// addAccel adds a flag that names an accelerator.
func addAccel(f *pflag.FlagSet, to *vm.Accel, name, usage string) {
	f.Var(valueFlag[vm.Accel]{to, vm.ParseAccel, "string"}, name, usage)
}

// duration is a time.Duration that is printed without a last part of zero: 1m, not 1m0s.
type duration time.Duration

func (d duration) String() string {
	text := time.Duration(d).String()
	switch {
	case d == 0: // the default that help does not mention
		return "0"
	case strings.HasSuffix(text, "m0s"):
		return strings.TrimSuffix(text, "0s")
	}
	return text
}

// addTimeout adds a flag that says how long something may take: not less than no time, and no
// time only if that means something: for ever, at once.
func addTimeout(f *pflag.FlagSet, to *time.Duration, name string, otherwise time.Duration, zero bool, usage string) {
	*to = otherwise
	f.Var(timeFlag{(*duration)(to), func(text string) (duration, error) {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			err = errors.New("must be a number with a unit, such as 90s or 5m")
		case d < 0:
			err = errors.New("must not be negative")
		case d == 0 && !zero:
			err = errors.New("must be more than 0")
		}
		return duration(d), err
	}, "TIME"}, name, usage)
}

type timeFlag = valueFlag[duration]

// addCount adds a flag that is a whole number. Most is 0 if there is no limit.
func addCount[N int | int64](f *pflag.FlagSet, to *N, name string, otherwise, least, most N, usage string) {
	*to = otherwise
	f.Var(valueFlag[N]{to, func(text string) (N, error) {
		i, err := strconv.ParseInt(text, 10, 64)
		n := N(i)
		switch wrong := err != nil || int64(n) != i || n < least; {
		case most > 0 && (wrong || n > most):
			return n, fmt.Errorf("must be a whole number from %d to %d", least, most)
		case wrong:
			return n, fmt.Errorf("must be a whole number, %d or more", least)
		}
		return n, nil
	}, "int"}, name, usage)
}

// networkMode is the network that a guest has: QEMU's own, which leads to those of the host, the
// same without a way out but for forwarded ports, or none.
type networkMode string

const (
	userNetwork       networkMode = "user"
	restrictedNetwork networkMode = "restricted"
	noNetwork         networkMode = "none"
)

func parseNetwork(text string) (networkMode, error) {
	if mode := networkMode(text); slices.Contains([]networkMode{userNetwork, restrictedNetwork, noNetwork}, mode) {
		return mode, nil
	}
	return "", errors.New("must be user, restricted or none")
}

// addNetwork adds the flag --network. Without a value it means the user network.
func addNetwork(f *pflag.FlagSet, to *networkMode, otherwise networkMode) {
	*to = otherwise
	f.VarPF(valueFlag[networkMode]{to, parseNetwork, "MODE"}, "network", "", "`MODE`: user, restricted or none").NoOptDefVal = string(userNetwork)
}

// apartFromFlag refuses an argument that was meant to be the value of --network, which takes
// one behind = alone.
func apartFromFlag(c *cobra.Command, args []string) error {
	if !c.Flags().Changed("network") {
		return nil
	}
	for _, arg := range args {
		if _, err := parseNetwork(arg); err == nil {
			return usageError{fmt.Errorf("%s: write the mode of --network behind =: --network=%s", verbName(c), arg)}
		}
	}
	return nil
}

// environment reads --env: NAME=VALUE, or a NAME whose value is that which it has here.
func environment(c *cobra.Command, words []string) (list []string, err error) {
	for _, word := range words {
		name, _, ok := strings.Cut(word, "=")
		if value, there := os.LookupEnv(name); !ok && there {
			word = name + "=" + value
		} else if !ok || name == "" {
			return nil, usageError{fmt.Errorf("%s: --env %s: must be NAME=VALUE, or a NAME that is set here", verbName(c), secret.Quote(name))}
		}
		list = append(list, word)
	}
	return list, nil
}

// mostCPUs is how many processors a machine can have.
const mostCPUs = 255

// parseMemory reads --memory.
func parseMemory(text string) (int64, error) {
	n, err := run.ParseMemory(text)
	if err != nil {
		return 0, fmt.Errorf("--memory %s: %w", printable.Quote(text), err)
	}
	return n, nil
}
