package helper

import (
	"cmp"
	"context"
	"slices"
	"time"

	"ingot/bootloader/kernel"
	"ingot/guest/wire/files"
	"ingot/image"
	"ingot/image/nbd"
	"ingot/storedb/storedisk"
	"ingot/vm"
	"ingot/vm/session"
)

// Options describe a helper. The zero value of each field is a good default.
type Options struct {
	// Kernel is what the guest runs; the host's newest if nil.
	Kernel *kernel.Kernel
	// Init is the static ingot binary that the guest runs; this program if empty.
	Init string
	// Store is what the guest sees at /nix/store or /gnu/store, with its database. What
	// the guest writes there is discarded on exit.
	Store *storedisk.Disk

	Load    []string    // drivers that the guest loads beside those that its devices need
	Modules []string    // drivers that it has at hand for modprobe
	Files   *image.Tree // more files of the guest's root
	Words   []string    // more words of the kernel's command line

	// Machine is what else the machine has: memory, disks, shares, network cards,
	// accelerator, architecture, console, arguments for QEMU. Kernel, Initrd and Append are set
	// from the above.
	Machine vm.Config

	// Results bound what one CopyOut takes. Default of Bytes: [files.DefaultBytes], or the
	// guest's memory where that is more.
	Results files.Limits

	Boot     time.Duration // how long until the guest answers; 3 minutes
	Silence  time.Duration // how long it may say nothing before it counts as lost; 30 seconds
	Verbose  bool          // have the kernel say what it does
	ReadFail func(error)   // takes errors of reading the store
}

const (
	defaultMemory  = 512 << 20
	defaultBoot    = 3 * time.Minute
	defaultSilence = 30 * time.Second
)

// A VM is a helper that runs.
type VM struct {
	*session.Client
	machine *vm.Machine
	shares  []vm.Share
	writes  bool // there is something that must be written out before the end
	explain func(context.Context, error) error
	cancel  context.CancelFunc
}

// Command returns QEMU's command line, with nothing run.
func (o Options) Command() ([]string, error) {
	c, err := o.configure()
	if err != nil {
		return nil, err
	}
	if o.Store != nil {
		// In place of the socket that a start would make.
		c.Disks = append(slices.Clone(c.Disks), vm.Disk{Path: "nbd+unix:///?socket=store", Serial: storedisk.Serial})
	}
	return vm.Command(c)
}

// Start starts a helper and waits until it takes commands. It runs until ctx ends, or
// Close or Kill is called.
func Start(ctx context.Context, o Options) (*VM, error) {
	c, err := o.configure()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	v := &VM{shares: c.Shares, cancel: cancel}
	if o.Store != nil {
		socket, err := nbd.Connect(ctx, o.Store.Map, nbd.Options{Failed: o.ReadFail})
		if err != nil {
			cancel()
			return nil, err
		}
		c.Disks = append(slices.Clone(c.Disks), vm.Disk{NBD: socket, Serial: storedisk.Serial, ReadOnly: true})
	}
	v.writes = writes(c)
	if v.machine, err = vm.Start(ctx, c); err != nil {
		cancel()
		return nil, err
	}
	if err := v.connect(ctx, o, c); err != nil {
		v.Kill()
		return nil, err
	}
	if o.Kernel != nil && o.Kernel.ModulesDir != "" {
		go v.serveModules(o.Kernel)
	}
	return v, nil
}

// writes reports whether the end of the guest may be felt outside of it.
func writes(c vm.Config) bool {
	return len(c.Args) > 0 ||
		slices.ContainsFunc(c.Disks, func(d vm.Disk) bool { return d.Writable }) ||
		slices.ContainsFunc(c.Shares, func(s vm.Share) bool { return !s.ReadOnly })
}

// connect waits for the guest's agent.
func (v *VM) connect(ctx context.Context, o Options, c vm.Config) (err error) {
	limit := cmp.Or(o.Boot, defaultBoot)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &session.TimeoutError{What: "the guest did not answer", After: limit})
	defer cancel()
	guest := session.Options{Memory: c.Memory, Limits: o.Results, Silence: cmp.Or(o.Silence, defaultSilence)}
	if guest.Limits.Bytes == 0 {
		guest.Limits.Bytes = max(files.DefaultBytes, c.Memory)
	}
	if c.OpenMemory {
		guest.ReadMemory = func(ctx context.Context) (session.Memory, error) { return v.machine.Memory(ctx) }
	}
	v.explain = session.Explain(v.machine, guest)
	v.Client, err = session.Open(ctx, v.machine, guest)
	return err
}

// Shares are those of the machine.
func (v *VM) Shares() []vm.Share { return v.shares }

// patience is how long a guest has to write out what it holds.
const patience = time.Minute

// Close ends the helper. What it may write to outside of itself is written out first;
// an error means that this may not be so.
func (v *VM) Close() error {
	defer v.Kill()
	if !v.writes || v.Err() != nil {
		return nil
	}
	if err := v.Off(); err != nil {
		return v.explain(context.Background(), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := v.machine.Wait(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return &session.TimeoutError{What: "the guest did not switch itself off", After: patience, Tail: v.machine.Tail()}
	}
	return v.explain(context.Background(), err)
}

// Kill ends the helper at once.
func (v *VM) Kill() {
	v.cancel()
	v.machine.Kill()
	if v.Client != nil {
		v.Client.Close()
	}
}
