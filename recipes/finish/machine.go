package finish

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"ingot/bootloader/kernel"
	"ingot/recipes/plan"
	"ingot/recipes/tools"
	"ingot/vm"
	"ingot/vm/helper"
	"ingot/vm/session"
)

// Options say how the machine is run in which some parts of an image are made.
type Options struct {
	// Refuse has [Plan] refuse such parts instead.
	Refuse bool
	// Kernel is the path of the machine's kernel. Default: the recipe's own kernel if this
	// machine's processor runs it, or else this machine's.
	Kernel string
	// Program is the static ingot that the machine runs.
	Program string
	Accel   vm.Accel
	Memory  int64 // 1 GiB if it is 0
	// Path is where tools are looked for: those that make file systems, and the programs
	// of steps.
	Path []string
	// Temp is the folder for the machine's writes. Default: /var/tmp.
	Temp string
	// Getenv looks up the variables of the environment that a recipe takes secrets from.
	Getenv func(name string) (value string, set bool)
	// Output takes the output of steps, without their secrets.
	Output io.Writer
	Warn   func(note string)
}

// finisher runs the machine that makes a plan whole.
type finisher struct {
	*plan.Plan
	Options
	pending  []plan.Pending
	kernel   *kernel.Kernel
	packages []tools.Package
	secrets  map[string]string // by their keys in the recipe
	scripts  []string          // of the steps
	guest    *helper.VM

	mu   sync.Mutex
	read error // of a file of the host
}

// failed keeps the first error of reading the files that the machine is shown.
func (f *finisher) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.read == nil {
		f.read = err
	}
}

// do runs a command in the machine.
func (f *finisher) do(ctx context.Context, argv ...string) error { return f.doWith(ctx, "", argv...) }

// doWith gives it something to read.
func (f *finisher) doWith(ctx context.Context, input string, argv ...string) error {
	said := newTail(f.known())
	_, err := f.guest.Exec(ctx, session.Command{
		Argv: argv, Stdin: strings.NewReader(input), Stdout: said.writer(), Stderr: said.writer(), Env: noUdev,
	})
	return said.explain(argv[0], err)
}

// noUdev makes libdevmapper create its devices without udev.
var noUdev = []string{"DM_DISABLE_UDEV=1"}

// known returns all secrets, the longest first: one may be a part of another.
func (f *finisher) known() []string {
	list := slices.Collect(maps.Values(f.secrets))
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return list
}

// device returns what the partition of the recipe with this number is in the machine: of
// a container its inside.
func (f *finisher) device(at int) string {
	for i := range f.pending {
		if c := &f.pending[i]; c.At == at && c.LUKS != "" {
			return "/dev/mapper/" + f.mapping(c)
		}
	}
	return fmt.Sprintf("%s%d", disk(0), f.Disk.Partitions[at].Number)
}

// disk returns the name of the machine's disk of this number.
func disk(i int) string { return "/dev/vd" + string(rune('a'+i)) }

// mapping is the device mapper's name for the inside of a container.
func (f *finisher) mapping(c *plan.Pending) string {
	return fmt.Sprintf("ingot%d", f.Disk.Partitions[c.At].Number)
}

// Where the machine has file systems while they are filled.
const (
	fillFrom = "/run/ingot-from"
	fillTo   = "/run/ingot-to"
	stepRoot = "/mnt"
)
