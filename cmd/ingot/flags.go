package main

import (
	"errors"
	"fmt"
	"os"
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

// accelFlag is a flag that names an accelerator: one that is none is refused where it
// stands, and not only where a machine starts at last.
type accelFlag struct{ to *vm.Accel }

// addAccel adds the flag of that name.
func addAccel(f *pflag.FlagSet, to *vm.Accel, name, usage string) {
	f.Var(accelFlag{to}, name, usage)
}

func (a accelFlag) Set(s string) (err error) {
	*a.to, err = vm.ParseAccel(s)
	return err
}

func (a accelFlag) String() string {
	if a.to == nil { // pflag asks a zero value what its default is
		return ""
	}
	return string(*a.to)
}

func (accelFlag) Type() string { return "string" }

// timeFlag is a flag that says how long something may take.
type timeFlag struct {
	to   *time.Duration
	zero bool // no time at all means something
}

// addTimeout adds the flag of that name, whose time is not below zero, and zero only if
// that means something: for ever, at once.
func addTimeout(f *pflag.FlagSet, to *time.Duration, name string, otherwise time.Duration, zero bool, usage string) {
	*to = otherwise
	f.Var(timeFlag{to, zero}, name, usage)
}

func (t timeFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return errors.New("must be a number with a unit, such as 90s or 5m")
	case d < 0:
		return errors.New("must not be negative")
	case d == 0 && !t.zero:
		return errors.New("must be more than 0")
	}
	*t.to = d
	return nil
}

func (t timeFlag) String() string {
	if t.to == nil || *t.to == 0 { // the default that help does not mention
		return "0"
	}
	text := t.to.String()
	if strings.HasSuffix(text, "m0s") { // 1m0s
		text = strings.TrimSuffix(text, "0s")
	}
	return text
}

func (timeFlag) Type() string { return "TIME" }

// countFlag is a flag that is a whole number between two.
type countFlag[N int | int64] struct {
	to          *N
	least, most N
}

// addCount adds the flag of that name. Most is 0 if there is no limit.
func addCount[N int | int64](f *pflag.FlagSet, to *N, name string, otherwise, least, most N, usage string) {
	*to = otherwise
	f.Var(countFlag[N]{to, least, most}, name, usage)
}

func (n countFlag[N]) Set(s string) error {
	i, err := strconv.ParseInt(s, 10, 64)
	switch {
	case n.most > 0 && (err != nil || N(i) < n.least || N(i) > n.most || int64(N(i)) != i):
		return fmt.Errorf("must be a whole number from %d to %d", n.least, n.most)
	case err != nil || N(i) < n.least || int64(N(i)) != i:
		return fmt.Errorf("must be a whole number, %d or more", n.least)
	}
	*n.to = N(i)
	return nil
}

func (n countFlag[N]) String() string {
	if n.to == nil {
		return "0"
	}
	return strconv.FormatInt(int64(*n.to), 10)
}

func (countFlag[N]) Type() string { return "int" }

// networkMode is the network that a guest has: QEMU's own, which leads to those of the host, the
// same without a way out but for forwarded ports, or none.
type networkMode string

const (
	userNetwork       networkMode = "user"
	restrictedNetwork networkMode = "restricted"
	noNetwork         networkMode = "none"
)

// addNetwork adds the flag --network. Without a value it asks for the user network.
func addNetwork(f *pflag.FlagSet, to *networkMode, otherwise networkMode) {
	*to = otherwise
	f.VarPF(to, "network", "", "`MODE`: user, restricted or none").NoOptDefVal = string(userNetwork)
}

func (m *networkMode) Set(s string) error {
	switch mode := networkMode(s); mode {
	case userNetwork, restrictedNetwork, noNetwork:
		*m = mode
		return nil
	}
	return errors.New("must be user, restricted or none")
}

func (m *networkMode) String() string { return string(*m) }
func (*networkMode) Type() string     { return "MODE" }

// apartFromFlag refuses an argument that was meant to be the value of --network, which takes
// one behind = alone.
func apartFromFlag(c *cobra.Command, args []string) error {
	if !c.Flags().Changed("network") {
		return nil
	}
	for _, arg := range args {
		if new(networkMode).Set(arg) == nil {
			return usageError{fmt.Errorf("%s: the mode of --network stands behind =: --network=%s", verbName(c), arg)}
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
			return nil, usageError{fmt.Errorf("%s: --env %s: it is NAME=VALUE, or a NAME that is set here", verbName(c), secret.Quote(name))}
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
