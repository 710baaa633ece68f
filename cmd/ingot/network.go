package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ingot/image"
	"ingot/internal/input"
	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/internal/shellwords"
	"ingot/lab"
	"ingot/recipes"
	"ingot/storedb"
	"ingot/vm"
	"ingot/vm/network"
	"ingot/vm/run"
)

func newNetwork() *cobra.Command {
	var n networkFlags
	c := &cobra.Command{
		Use:   "network FILE",
		Short: "run machines that reach each other",
		Long: `Run the machines of a YAML file, each a recipe, an image or a closure, with networks
between them. The machine M, in the order of the names, has the address 192.168.N.M in
the network N; every machine knows the names of all. ingot's own switch connects them: it
needs no root, and answers DHCP and DNS.

The file may contain tests, which ingot test runs on the same machines.

ingot prints the consoles of all machines as one stream of lines, each with the name of its
machine before it. It ends with the last machine, or by Ctrl-C.`,
		Example: `  ingot network pair                        # two machines that ship with ingot
  ingot network pair --print > lab.yaml     # a start for your own
  ingot network lab.yaml
  ingot network lab.yaml --print-hosts
  ingot network link web client delay 50ms    # while it runs
  ingot network link web down
  ingot shell web                             # with backdoor: true, or --backdoor`,
		Args:        takes(1, 1),
		RunE:        func(c *cobra.Command, args []string) error { return n.run(c, args[0]) },
		Annotations: map[string]string{interrupted: "the machines were ended"},
	}
	f := c.Flags()
	f.StringVar(&n.name, "name", "", "known as `NAME`. Default: as the file.")
	addAccel(f, &n.accel, "accel", "`NAME`: kvm or tcg. Default: what works.")
	addFirmware(f, &n.firmware)
	f.StringVar(&n.capture, "capture", "", "write all frames to `FILE`, as pcapng")
	f.BoolVar(&n.backdoor, "backdoor", false, "let ingot shell in. Default: as the file says.")
	f.BoolVar(&n.listen, "joinable", false, "let in machines of ingot run --vlan")
	f.BoolVar(&n.printHosts, "print-hosts", false, "print addresses like /etc/hosts, start nothing")
	f.StringArrayVar(&n.set, "set", nil, "`KEY=VALUE`: override a key of the recipe; repeatable")
	addStall(f)
	f.BoolVar(&n.print, "print", false, "print the file, start nothing")
	f.BoolVar(&n.dryRun, "dry-run", false, "change nothing; print QEMU's command lines")
	c.AddCommand(newNetworkLink(), newNetworkStatus())
	return c
}

type networkFlags struct {
	name, capture                string
	accel                        vm.Accel
	firmware                     firmwareFlag
	set                          []string
	backdoor, printHosts, dryRun bool
	print, listen                bool
}

// machinesText returns the text of a file of machines, or of the one of that name that ships
// with ingot.
func machinesText(c *cobra.Command, file string) ([]byte, error) {
	if file == stdin {
		return readText(c.Context(), file)
	}
	if !input.IsStream(file) {
		if err := notImage(c, file); err != nil {
			return nil, err
		}
	}
	text, err := machinesFrom(file)
	if !errors.Is(err, fs.ErrNotExist) || strings.ContainsRune(file, '/') {
		return text, err
	}
	names := lab.ShippedNames()
	return nil, fmt.Errorf("%s: neither a file nor a network that ships with ingot (%s)%s", file, strings.Join(names, ", "), near.Hint(file, append(names, "link", "status")))
}

// machinesFrom returns the text of a file, or of the one of that name that ships with ingot.
func machinesFrom(file string) ([]byte, error) {
	text, err := recipes.ReadText(file)
	if errors.Is(err, fs.ErrNotExist) {
		if shipped, ok := lab.Shipped(file); ok {
			return shipped, nil
		}
	}
	return text, err
}

// parseMachines reads a file of machines.
func parseMachines(file string, text []byte, o lab.Options) (*lab.Lab, error) {
	if file == stdin {
		file, o.Unnamed = stdinName, "stdin"
	}
	return lab.Parse(file, text, o)
}

func (n *networkFlags) options(c *cobra.Command) (lab.Options, error) {
	named, usual, err := n.firmware.find(c)
	o := lab.Options{Name: n.name, Accel: n.accel, OVMF: named, UsualOVMF: usual}
	if c.Flags().Changed("backdoor") {
		o.Backdoor = &n.backdoor
	}
	return o, err
}

func (n *networkFlags) run(c *cobra.Command, file string) error {
	text, err := machinesText(c, file)
	if err != nil {
		return err
	}
	if n.print {
		c.OutOrStdout().Write(text)
		return nil
	}
	of, err := n.options(c)
	if err != nil {
		return err
	}
	l, err := parseMachines(file, text, of)
	if err != nil {
		return err
	}
	if n.printHosts {
		fmt.Fprint(c.OutOrStdout(), l.Plan.Hosts(""))
		return nil
	}
	if err := openLab(c, l, n.set); err != nil {
		return err
	}
	running, err := registry()
	if err != nil {
		return err
	}
	if n.dryRun {
		lines, err := l.Commands(running)
		for i, line := range lines {
			fmt.Fprintf(c.OutOrStdout(), "# %s\n%s\n", l.Machines[i].Name, shellwords.Quote(line))
		}
		return err
	}
	out := raw(c.OutOrStdout())
	o := lab.RunOptions{Registry: running, Console: out, Color: onTerminal(out) && drawsOn(os.Getenv), Listen: n.listen,
		Say: func(note string) { sayLines(c.ErrOrStderr(), "ingot: ", note) }}
	if n.capture == "" {
		return l.Run(c.Context(), o)
	}
	if err := image.CheckText(n.capture); err != nil {
		return fmt.Errorf("--capture: %w", err)
	}
	f, err := os.Create(n.capture)
	if err != nil {
		return err
	}
	o.Capture = f
	err = l.Run(c.Context(), o)
	return cmp.Or(err, f.Close())
}

// openLab finds out what the machines of a file boot. set overrides keys of all recipes.
func openLab(c *cobra.Command, l *lab.Lab, set []string) error {
	if !l.HasRecipes() {
		if err := noEffect(c, []string{"set", stallFlag}, l.File+", none of whose machines is a recipe"); err != nil {
			return err
		}
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return optionError(c, l.Open(c.Context(), lab.Host{
		Program: program,
		Warn:    func(note string) { sayLines(c.ErrOrStderr(), "warning: ", note) },
		Recipe: func(_ context.Context, file string, setByFile []string) (*run.System, error) {
			return recipeSystem(c, recipeFlags{setByFile: setByFile, set: set}, file)
		},
		Closure: func(ctx context.Context, file string) (*storedb.Closure, error) {
			var sources sourceFlags
			if err := sources.addArgs(ctx, []string{file}); err != nil {
				return nil, err
			}
			closure, err := sources.closure(ctx, c.ErrOrStderr())
			if err == nil {
				warnOf(c, closure)
			}
			return closure, err
		},
	}))
}

// networks is where this user's running networks are found.
func networks() network.Directory { return network.NewDirectory(run.DefaultDir(os.Getenv)) }

func newNetworkLink() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "link MACHINE [MACHINE] down|up|delay TIME|loss PERCENT",
		Short: "cut, slow or restore a link of a network that runs",
		Long: `Change the link between two machines of a running network. With one machine, change its
cable: the links to all others. A delay applies to each direction. A delay and a loss may
be combined; up ends both.`,
		Example: `  ingot network link web client down
  ingot network link web client delay 50ms loss 5%
  ingot network link web up`,
		Args: takes(2, -1),
		RunE: func(c *cobra.Command, args []string) error {
			q := network.Request{Verb: "link", A: args[0], Words: args[1:]}
			if !isCondition(args[1]) {
				q.B, q.Words = args[1], args[2:]
			}
			r, err := networks().Ask(name, q)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", printable.Name(strings.TrimSpace(q.A+" "+q.B)), printable.Name(r.State))
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "", "known as `NAME`; needed if several run")
	return c
}

func newNetworkStatus() *cobra.Command {
	var name string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "what passes the cards and links of a network that runs",
		Example: `  ingot network status
  ingot network status --json | jq '.links'`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := networks().Ask(name, network.Request{Verb: "status"})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), r.Status)
			}
			return printNetwork(c.OutOrStdout(), r.Status)
		},
	}
	c.Flags().StringVar(&name, "name", "", "known as `NAME`; needed if several run")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// isCondition distinguishes the state of a link from a machine's name.
func isCondition(word string) bool {
	return word == "up" || word == "down" || word == "delay" || word == "loss"
}

func printNetwork(out io.Writer, s *network.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MACHINE\tNETWORK\tADDRESS\tCARD\tSENT\tRECEIVED\tLOST\tDROPPED")
	for _, m := range s.Machines {
		for _, c := range m.Cards {
			if !c.Connected {
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\tended\n", printable.Name(m.Name), c.VLAN, printable.Name(c.Address), printable.Name(c.MAC))
				continue
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%d\t%d\t%d\n", printable.Name(m.Name), c.VLAN, printable.Name(c.Address), printable.Name(c.MAC), c.FramesIn, c.FramesOut, c.Lost, c.Dropped)
		}
	}
	for _, l := range s.Links {
		fmt.Fprintf(w, "link %s\t%s\n", printable.Name(strings.Join(l.Between, " ")), printable.Name(l.State))
	}
	return w.Flush()
}
