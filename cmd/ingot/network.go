package main

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"ingot/bootloader/initramfs"
	guest "ingot/guest/network"
	"ingot/image"
	"ingot/internal/input"
	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/internal/shellwords"
	"ingot/recipes"
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
the network N; every machine knows the names of all. A switch of ingot's own joins
them, which needs no root, and answers DHCP and DNS.

The consoles of all machines come out as one stream of lines, each with the name of its
machine before it. It ends when the last machine has ended, or by Ctrl-C.`,
		Example: `  ingot network pair                        # two machines that ship with ingot
  ingot network pair --print > lab.yaml     # a start for your own
  ingot network lab.yaml
  ingot network lab.yaml --print-hosts
  ingot network link web client delay 50ms    # while it runs
  ingot network link web down
  ingot shell web                             # with backdoor: true, or --backdoor`,
		Args:        cobra.ExactArgs(1),
		RunE:        func(c *cobra.Command, args []string) error { return n.run(c, args[0]) },
		Annotations: map[string]string{interrupted: "the machines were ended"},
	}
	f := c.Flags()
	f.StringVar(&n.name, "name", "", "the network's `NAME`. Default: the file's.")
	addAccel(f, &n.accel, "accel", "`NAME`: kvm or tcg. Default: what works.")
	f.StringVar(&n.capture, "capture", "", "write all frames to `FILE`, as pcapng")
	f.BoolVar(&n.backdoor, "backdoor", false, "let ingot shell into every machine")
	f.BoolVar(&n.listen, "listen", false, "let in machines of ingot run --vlan")
	f.BoolVar(&n.printHosts, "print-hosts", false, "print addresses like /etc/hosts, start nothing")
	f.StringArrayVar(&n.set, "set", nil, "`KEY=VALUE`: override a key of all recipes; repeatable")
	addStall(f)
	f.BoolVar(&n.print, "print", false, "print the file, start nothing")
	f.BoolVar(&n.dryRun, "dry-run", false, "print QEMU's command lines, start nothing")
	c.AddCommand(newNetworkLink(), newNetworkStatus())
	return c
}

type networkFlags struct {
	name, capture                string
	accel                        vm.Accel
	set                          []string
	backdoor, printHosts, dryRun bool
	print, listen                bool
}

// Networks that ship with ingot.
//
//go:embed networks/*.yaml
var shippedNetworks embed.FS

// networkText returns the text of a file, or of the network of that name that ships
// with ingot.
func networkText(c *cobra.Command, file string) ([]byte, error) {
	if file == stdin {
		return readText(c.Context(), file)
	}
	if !input.IsStream(file) {
		if err := notImage(c, file); err != nil {
			return nil, err
		}
	}
	text, err := recipes.ReadText(file)
	if !errors.Is(err, fs.ErrNotExist) || strings.ContainsRune(file, '/') {
		return text, err
	}
	if text, err := shippedNetworks.ReadFile("networks/" + file + ".yaml"); err == nil {
		return text, nil
	}
	entries, err := shippedNetworks.ReadDir("networks")
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return nil, cmp.Or(err, fmt.Errorf("%s: neither a file nor a network that ships with ingot (%s)%s", file, strings.Join(names, ", "), near.Hint(file, append(names, "link", "status"))))
}

// loadNetwork reads a file and gives all machines their addresses.
func loadNetwork(c *cobra.Command, file, name string) (*network.Plan, func(string, error) error, error) {
	text, err := networkText(c, file)
	if err != nil {
		return nil, nil, err
	}
	if file == stdin {
		file = stdinName
	}
	var f network.File
	at, err := recipes.Decode(file, "network", text, &f)
	if err != nil {
		return nil, nil, err
	}
	if name != "" {
		f.Name = name
	}
	base := filepath.Base(file)
	if file == stdinName {
		base = "stdin"
	}
	plan, problems := f.Plan(strings.TrimSuffix(base, filepath.Ext(base)))
	var errs []error
	for _, p := range problems {
		errs = append(errs, at(p.Key, p.Err))
	}
	return plan, at, errors.Join(errs...)
}

func (n *networkFlags) run(c *cobra.Command, file string) error {
	if n.print {
		text, err := networkText(c, file)
		if err == nil {
			_, err = c.OutOrStdout().Write(text)
		}
		return err
	}
	plan, at, err := loadNetwork(c, file, n.name)
	if err != nil {
		return err
	}
	if n.printHosts {
		_, err := io.WriteString(c.OutOrStdout(), plan.Hosts(""))
		return err
	}
	l := &lab{c: c, flags: n, plan: plan, at: at, dir: filepath.Dir(file), systems: map[string]*run.System{}}
	for i := range plan.Machines {
		if err := l.prepare(&plan.Machines[i]); err != nil {
			return err
		}
	}
	if err := l.hasRecipes(file); err != nil {
		return err
	}
	if l.registry, err = registry(); err != nil {
		return err
	}
	if n.dryRun {
		return l.print()
	}
	return l.start()
}

// hasRecipes refuses flags of recipes for a file that names none.
func (l *lab) hasRecipes(file string) error {
	for _, m := range l.plan.Machines {
		if m.Recipe != "" {
			return nil
		}
	}
	return noEffect(l.c, []string{"set", stallFlag}, file+", none of whose machines is a recipe")
}

// lab is the machines of a file, before and while they run.
type lab struct {
	c     *cobra.Command
	flags *networkFlags
	plan  *network.Plan
	at    func(key string, err error) error
	dir   string // what paths in the file are relative to

	registry *run.Registry

	machines []*labMachine
	ports    map[string][]int       // of machines, to be forwarded from any of the host's
	systems  map[string]*run.System // of recipes, by what was asked for: alike ones are planned once
}

type labMachine struct {
	*network.Planned
	system  *run.System
	options run.Options
}

// prepare finds out what a machine boots, and what is asked of it. Nothing is started.
func (l *lab) prepare(p *network.Planned) error {
	m := &labMachine{Planned: p}
	key := "machines." + p.Name
	var err error
	if m.options, err = l.options(p); err != nil {
		return l.at(key, err)
	}
	if m.system, err = l.system(p); err != nil {
		return l.at(key, err)
	}
	if l.bootsKernel(m) {
		if err := l.givePlace(m); err != nil {
			return l.at(key, err)
		}
	}
	for _, other := range l.machines {
		for i, f := range m.options.Forwards {
			for _, g := range other.options.Forwards {
				if f.HostPort == g.HostPort && f.HostPort != 0 && f.Proto == g.Proto {
					return l.at(fmt.Sprintf("%s.forwards[%d]", key, i), fmt.Errorf("port %d of this machine leads to %s already", f.HostPort, other.Name))
				}
			}
		}
	}
	l.machines = append(l.machines, m)
	return nil
}

func (l *lab) bootsKernel(m *labMachine) bool {
	return m.options.Boot == run.Kernel || m.options.Boot == "" && m.system.Kernel != nil
}

func (l *lab) options(p *network.Planned) (o run.Options, err error) {
	o = run.Options{
		Name: p.Name, CPUs: p.CPUs, Accel: l.flags.accel, Words: p.Append, Number: p.Number,
		NoNetwork: !p.Internet && len(p.Forwards)+len(l.ports[p.Name]) == 0, NoBackdoor: !p.Backdoor && !l.flags.backdoor,
	}
	o.Restrict = !p.Internet && !o.NoNetwork
	for _, port := range l.ports[p.Name] {
		o.Forwards = append(o.Forwards, vm.Forward{GuestPort: port})
	}
	if o.Boot, err = run.ParseBoot(p.Boot); err != nil {
		return o, err
	}
	if p.Memory != "" {
		if o.Memory, err = run.ParseSize(p.Memory); err != nil {
			return o, fmt.Errorf("memory: %w", err)
		}
	}
	for _, text := range p.Forwards {
		f, err := run.ParseForward(text)
		if err != nil {
			return o, err
		}
		o.Forwards = append(o.Forwards, f)
	}
	for _, card := range p.Cards {
		o.VLANs = append(o.VLANs, run.VLAN{N: card.VLAN, Own: card.Address.Addr().String()})
	}
	return o, nil
}

// path returns what a name in the file stands for: a path that is relative to the file,
// unless it is one of nothing there.
func (l *lab) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	path := filepath.Join(l.dir, name)
	if _, err := os.Stat(path); err != nil && !strings.ContainsRune(name, '/') {
		return name // a recipe that ships
	}
	return path
}

// system finds out what a machine is. A copy belongs to the machine.
func (l *lab) system(p *network.Planned) (*run.System, error) {
	switch {
	case p.Image != "":
		image := p.Image
		if !filepath.IsAbs(image) {
			image = filepath.Join(l.dir, image)
		}
		return run.Open(image)
	case p.Closure != "":
		f := machineFlags{kernel: l.path(cmp.Or(p.Kernel, "/")), store: "closure", share: "disk", init: p.Init, shell: p.Init == ""}
		what := l.path(p.Closure)
		if kind, err := f.kind(what); err != nil || kind != isClosure {
			return nil, cmp.Or(err, fmt.Errorf("%s is neither a reference graph nor a store path", what))
		}
		return f.closure(l.c, what)
	}
	key := strings.Join(slices.Concat([]string{p.Recipe}, p.Set, l.flags.set), "\x00")
	if l.systems[key] == nil {
		s, err := recipeSystem(l.c, recipeFlags{setByFile: p.Set, set: l.flags.set}, l.path(p.Recipe))
		if err != nil {
			return nil, err
		}
		l.systems[key] = s
	}
	s := *l.systems[key]
	return &s, nil
}

// givePlace appends to the initial RAM disk what the machine is in the network. A
// system that does not look for it has DHCP and DNS.
func (l *lab) givePlace(m *labMachine) error {
	place := guest.Place{Hostname: m.Name, Hosts: l.plan.Hosts(m.Name)}
	if !m.options.NoNetwork {
		place.Cards = append(place.Cards, guest.Card{MAC: vm.MAC(m.Name, 0)})
	}
	for _, card := range m.Cards {
		place.Cards = append(place.Cards, guest.Card{MAC: card.MAC.String(), Address: card.Address})
	}
	tree := image.NewTree()
	if err := tree.Put(initramfs.NetworkFile, image.NewFile(0o644, image.Bytes(place.String()))); err != nil {
		return err
	}
	archive, err := initramfs.Pack(tree, initramfs.None)
	if err != nil {
		return err
	}
	m.system.Initrd = append(m.system.Initrd[:len(m.system.Initrd):len(m.system.Initrd)], archive)
	return nil
}

// print shows the command lines.
func (l *lab) print() error {
	fabric := network.NewFabric(l.plan, nil)
	defer fabric.Close()
	for _, m := range l.machines {
		close, err := m.plugIn(fabric)
		if err != nil {
			return err
		}
		defer close()
		line, err := run.Command(m.system, m.options, run.Host{Registry: l.registry})
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		fmt.Fprintf(l.c.OutOrStdout(), "# %s\n%s\n", m.Name, shellwords.Quote(line))
	}
	return nil
}

// start runs all machines until the last has ended.
func (l *lab) start() (err error) {
	ctx, cancel := context.WithCancel(l.c.Context())
	defer cancel()
	capture, done, err := l.openCapture()
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, done()) }()
	fabric := network.NewFabric(l.plan, capture)
	defer fabric.Close()
	if err := networks().Serve(ctx, fabric); err != nil {
		return err
	}
	if l.flags.listen {
		dir, err := l.registry.Dir()
		if err != nil {
			return err
		}
		for _, vlan := range l.plan.VLANs() {
			if err := fabric.Listen(vlan, dir, vlanSwitch(vlan)); err != nil {
				return err
			}
		}
	}
	consoles := l.consoles()
	sessions := make([]*run.Session, len(l.machines))
	defer func() {
		var closing errgroup.Group
		for _, s := range sessions {
			if s != nil {
				closing.Go(func() error { s.Close(); return nil })
			}
		}
		_ = closing.Wait()
	}()
	starting, starts := errgroup.WithContext(ctx)
	for i, m := range l.machines {
		console := consoles.Console(m.Name)
		defer console.Close()
		starting.Go(func() (err error) {
			if err := starts.Err(); err != nil {
				return err
			}
			sessions[i], err = l.startMachine(ctx, m, fabric, console)
			return err
		})
	}
	if err := starting.Wait(); err != nil {
		return err
	}
	l.announce(sessions)
	return l.wait(ctx, sessions)
}

// plugIn connects the machine's cards to their networks.
func (m *labMachine) plugIn(fabric *network.Fabric) (close func(), err error) {
	close = func() {
		for _, v := range m.options.VLANs {
			if v.File != nil {
				v.File.Close()
			}
		}
	}
	for i := range m.options.VLANs {
		v := &m.options.VLANs[i]
		if v.File, err = fabric.Card(m.Name, v.N); err != nil {
			close()
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return close, nil
}

// startMachine plugs a machine in and starts it.
func (l *lab) startMachine(ctx context.Context, m *labMachine, fabric *network.Fabric, console io.Writer) (*run.Session, error) {
	close, err := m.plugIn(fabric)
	if err != nil {
		return nil, err
	}
	defer close() // what QEMU needs it has by then
	warn := func(note string) { sayLines(l.c.ErrOrStderr(), "ingot: "+m.Name+": ", note) }
	s, err := run.Start(ctx, m.system, m.options, run.Host{Registry: l.registry, Console: console, Warn: warn})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	return s, nil
}

// wait waits for all machines. One that fails is told at once, and the others go on.
func (l *lab) wait(ctx context.Context, sessions []*run.Session) error {
	var all errgroup.Group
	for i, s := range sessions {
		all.Go(func() error {
			err := follow(ctx, s)
			s.Close() // it is no longer listed, and who is at its back door knows
			if err != nil && ctx.Err() == nil {
				fmt.Fprintf(l.c.ErrOrStderr(), "ingot: %s failed\n", l.machines[i].Name)
				return fmt.Errorf("%s: %w", l.machines[i].Name, err)
			}
			return err
		})
	}
	return all.Wait()
}

// follow waits until a machine has ended. One that does not boot is ended: nobody is at its
// console to help it.
func follow(ctx context.Context, s *run.Session) error {
	booting, stop := context.WithCancel(ctx)
	defer stop()
	failure := make(chan *vm.FailureError, 1)
	go func() {
		failed := awaitBoot(booting, s.Machine)
		if failed != nil {
			s.Machine.Kill()
		}
		failure <- failed
	}()
	err := s.Wait(ctx)
	stop()
	if failed := <-failure; failed != nil {
		return failed
	}
	return err
}

// announce says what runs, and how it is reached.
func (l *lab) announce(sessions []*run.Session) {
	var list []string
	for _, m := range l.machines {
		words := m.Name
		for _, card := range m.Cards {
			words += " " + card.Address.Addr().String()
		}
		list = append(list, words)
	}
	fmt.Fprintf(l.c.ErrOrStderr(), "ingot: network %s: %s\n", l.plan.Name, strings.Join(list, ", "))
	for _, s := range sessions {
		for _, f := range s.Entry.Forward {
			fmt.Fprintf(l.c.ErrOrStderr(), "ingot: %s: forwarded: %s\n", s.Entry.Name, f)
		}
		if s.Entry.Socket != "" {
			fmt.Fprintf(l.c.ErrOrStderr(), "ingot: %s: back door: %s\n", s.Entry.Name, s.Entry.Socket)
		}
	}
}

func (l *lab) consoles() *network.Consoles {
	var names []string
	for _, m := range l.machines {
		names = append(names, m.Name)
	}
	out := raw(l.c.OutOrStdout())
	color := onTerminal(out) && drawsOn(os.Getenv)
	return network.NewConsoles(out, color, names...)
}

// openCapture begins the file of --capture.
func (l *lab) openCapture() (*network.Capture, func() error, error) {
	if l.flags.capture == "" {
		return nil, func() error { return nil }, nil
	}
	if _, err := image.Target(l.flags.capture); err != nil && !isStream(l.flags.capture) {
		return nil, nil, fmt.Errorf("--capture: %w", err)
	}
	f, err := os.Create(l.flags.capture)
	if err != nil {
		return nil, nil, err
	}
	capture, err := network.NewCapture(f)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return capture, func() error { return cmp.Or(capture.Err(), f.Close()) }, nil
}

// networks is where this user's running networks are found.
func networks() network.Directory { return network.NewDirectory(run.DefaultDir(os.Getenv)) }

func newNetworkLink() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "link MACHINE [MACHINE] down|up|delay TIME|loss PERCENT",
		Short: "cut, slow or restore a link of a network that runs",
		Long: `Change the link between two machines of a network that runs, or, where one is named,
its cable: the link to all others. A delay is that of each direction; a delay and a loss
may stand together, and up ends both.`,
		Example: `  ingot network link web client down
  ingot network link web client delay 50ms loss 5%
  ingot network link web up`,
		Args: cobra.MinimumNArgs(2),
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
	c.Flags().StringVar(&name, "network", "", "the network's `NAME`, if several run")
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
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := networks().Ask(name, network.Request{Verb: "status"})
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(r.Status)
			}
			return printNetwork(c.OutOrStdout(), r.Status)
		},
	}
	c.Flags().StringVar(&name, "network", "", "the network's `NAME`, if several run")
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

// isCondition tells what a link can be from a machine's name.
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
