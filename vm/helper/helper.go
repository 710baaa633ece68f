package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/image/nbd"
	"ingot/internal/lazy"
	"ingot/storedb/storedisk"
	"ingot/vm"
)

// Options describe a helper. The zero value of each field is a good default.
type Options struct {
	// Kernel is what the guest runs; the host's newest if nil.
	Kernel *kernel.Kernel
	// Init is the static ingot binary that the guest runs; this program if empty.
	Init string
	// Store is what the guest sees at /nix/store or /gnu/store, with its database. What
	// the guest writes there is forgotten with it.
	Store *storedisk.Disk

	Load    []string    // drivers that the guest loads beside those that its devices need
	Modules []string    // drivers that it has at hand for modprobe
	Files   *image.Tree // more files of the guest's root
	Words   []string    // more words of the kernel's command line

	// Machine is what else the machine has: memory, disks, shares, network cards,
	// accelerator, architecture, arguments for QEMU. Kernel, Initrd and Append are set
	// from the above.
	Machine vm.Config

	// Results bound what one CopyOut takes. Default of Bytes: [wire.DefaultBytes], or the
	// guest's memory where that is more.
	Results wire.Limits

	Boot     time.Duration // how long until the guest answers; 3 minutes
	Silence  time.Duration // how long it may say nothing before it counts as lost; 30 seconds
	Verbose  bool          // have the kernel say what it does
	Console  io.Writer     // takes what the console shows
	Warn     func(string)  // is told what a person should know
	ReadFail func(error)   // is told of files of the store that cannot be read
}

const (
	defaultMemory  = 512 << 20
	defaultBoot    = 3 * time.Minute
	defaultSilence = 30 * time.Second
)

// A VM is a helper that runs.
type VM struct {
	machine *vm.Machine
	session *wire.Session
	shares  []vm.Share
	memory  int64
	limits  wire.Limits // of what is copied out
	open    bool        // the guest's memory can be read
	writes  bool        // there is something that must be written out before the end
	silence time.Duration
	cancel  context.CancelFunc
	logged  chan struct{} // closed when all of the console was passed on
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
	v := &VM{memory: c.Memory, open: c.OpenMemory, shares: c.Shares, silence: o.Silence, cancel: cancel, logged: make(chan struct{})}
	if v.limits = o.Results; v.limits.Bytes == 0 {
		v.limits.Bytes = max(wire.DefaultBytes, v.memory)
	}
	if v.silence == 0 {
		v.silence = defaultSilence
	}
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
	go v.log(o.Console)
	if err := v.connect(ctx, o.Boot); err != nil {
		v.Kill()
		return nil, err
	}
	go v.watch()
	if o.Kernel != nil && o.Kernel.ModulesDir != "" {
		go v.lendModules(o.Kernel)
	}
	return v, nil
}

// writes says whether the end of the guest may be felt outside of it.
func writes(c vm.Config) bool {
	return len(c.Args) > 0 ||
		slices.ContainsFunc(c.Disks, func(d vm.Disk) bool { return d.Writable }) ||
		slices.ContainsFunc(c.Shares, func(s vm.Share) bool { return !s.ReadOnly })
}

// connect waits for the guest's agent.
func (v *VM) connect(ctx context.Context, limit time.Duration) error {
	if limit == 0 {
		limit = defaultBoot
	}
	line, err := v.machine.Channel(wire.AgentPort)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, limit, &TimeoutError{What: "the guest did not answer", After: limit})
	defer cancel()
	v.session, err = wire.Dial(waiting, line, nil)
	return v.explain(waiting, err)
}

// log passes on what the console shows, until the machine ends.
func (v *VM) log(to io.Writer) {
	defer close(v.logged)
	if to == nil {
		return
	}
	for {
		text, err := v.machine.WaitFor(context.Background(), `(?s).+`)
		if err != nil {
			return
		}
		if _, err := io.WriteString(to, text); err != nil {
			return
		}
	}
}

// watch ends the session of a guest that says nothing any more.
func (v *VM) watch() {
	tick := time.NewTicker(min(time.Second, v.silence/4))
	defer tick.Stop()
	for {
		select {
		case <-v.session.Done():
			return
		case <-tick.C:
			if time.Since(v.session.Heard()) > v.silence {
				v.session.Close()
				return
			}
		}
	}
}

// lastMoments is how long a machine whose line has broken has to end by itself, which
// tells why.
const lastMoments = 15 * time.Second

// explain finds out why the guest does not answer: err is only how that showed.
func (v *VM) explain(ctx context.Context, err error) error {
	var timeout *TimeoutError
	switch cause := context.Cause(ctx); {
	case err == nil:
		return nil
	case errors.As(cause, &timeout):
		return &TimeoutError{What: timeout.What, After: timeout.After, Tail: v.machine.Tail()}
	case errors.Is(cause, context.DeadlineExceeded):
		return &TimeoutError{What: "the guest was not done", Tail: v.machine.Tail()}
	case cause != nil:
		return cause
	}
	ending, cancel := context.WithTimeout(context.Background(), lastMoments)
	defer cancel()
	end := v.machine.Wait(ending)
	tail := v.machine.Tail()
	if line := panicLine().FindStringSubmatch(v.machine.Console()); line != nil {
		if outOfMemory().MatchString(line[1]) {
			return &OutOfMemoryError{Memory: v.memory, Tail: tail}
		}
		return &PanicError{Line: line[1], Tail: tail}
	}
	var failure *vm.FailureError
	switch {
	case end == nil:
		return &LostError{"the guest has switched itself off", tail}
	case ending.Err() == nil && errors.As(end, &failure):
		return &QEMUError{strings.TrimSuffix(failure.Name+": "+failure.Line, ": "), tail}
	case errors.Is(err, wire.ErrClosed):
		return &LostError{fmt.Sprintf("the guest has said nothing for %v", v.silence), tail}
	case errors.Is(err, io.EOF):
		return &LostError{"the guest has hung up", tail}
	}
	return &LostError{fmt.Sprintf("the guest cannot be talked to any more: %v", err), tail}
}

// Shares are those of the machine.
func (v *VM) Shares() []vm.Share { return v.shares }

// Machine returns the machine, for its screen, console and keys.
func (v *VM) Machine() *vm.Machine { return v.machine }

// Release is that of the guest's kernel.
func (v *VM) Release() string { return v.session.Peer().Release }

// patience is how long a guest has to write out what it holds.
const patience = time.Minute

// Close ends the helper. What it may write to outside of itself is written out first;
// an error means that this may not be so.
func (v *VM) Close() error {
	defer v.Kill()
	if !v.writes || v.session.Err() != nil {
		return nil
	}
	if err := v.session.Off(); err != nil {
		return v.explain(context.Background(), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := v.machine.Wait(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return &TimeoutError{What: "the guest did not switch itself off", After: patience, Tail: v.machine.Tail()}
	}
	return v.explain(context.Background(), err)
}

// Kill ends the helper at once.
func (v *VM) Kill() {
	v.cancel()
	v.machine.Kill()
	if v.session != nil {
		v.session.Close()
	}
	<-v.logged
}

// mountOptions are those for a share.
var mountOptions = map[vm.ShareKind]string{
	vm.NineP: "trans=virtio,version=9p2000.L,msize=262144",
}

// tagged is what a share may be called.
var tagged = lazy.Regexp(`^[A-Za-z0-9._-]+$`)

// Mount mounts a share of the machine at a place in the guest.
func (v *VM) Mount(ctx context.Context, share vm.Share, dir string) error {
	kind := share.Kind
	if kind == "" {
		kind = vm.DefaultShare()
	}
	if !tagged().MatchString(share.Tag) {
		return fmt.Errorf("shared folder %s: tag %q", share.Dir, share.Tag)
	}
	options := mountOptions[kind]
	if share.ReadOnly {
		options = strings.TrimPrefix(options+",ro", ",")
	}
	stream, err := v.session.Open(wire.Request{Mount: &wire.Mount{
		Source: wire.Raw(share.Tag), Dir: wire.Raw(dir), Type: string(kind), Options: options,
	}})
	if err != nil {
		return v.explain(ctx, err)
	}
	_, err = v.finish(ctx, stream, "mount "+dir)
	return err
}
