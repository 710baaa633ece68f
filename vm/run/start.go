package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"ingot/bootloader"
	"ingot/bootloader/initramfs"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/nbd"
	"ingot/vm"
)

// Host is what a machine has of the one it runs on.
type Host struct {
	Registry *Registry
	Console  io.Writer         // gets what the guest prints
	Warn     func(note string) // takes what a person should know
}

func (h *Host) warn(format string, args ...any) {
	if h.Warn != nil {
		h.Warn(fmt.Sprintf(format, args...))
	}
}

// A Session is a machine that runs, with all that runs for it.
type Session struct {
	Machine *vm.Machine
	Entry   Entry

	reserved *reservation
	janitor  *janitor
	cancel   context.CancelFunc
	work     sync.WaitGroup
	close    sync.Once
	ended    bool // by `ingot stop --now`
	agent    *exchange
}

// Start starts a machine. It runs until the guest ends it, ctx does, or Close is called;
// Close has to be called in any case.
func Start(ctx context.Context, s *System, o Options, h Host) (_ *Session, err error) {
	if err := o.prepare(s); err != nil {
		return nil, err
	}
	x := &Session{}
	ctx, x.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			x.Close()
		}
	}()
	if err := x.takeName(h.Registry, s, &o); err != nil {
		return nil, err
	}
	if o.SSH {
		if err := o.letSSHIn(x.reserved); err != nil {
			return nil, err
		}
	}
	w := &wiring{ctx: ctx, host: h, session: x}
	var c vm.Config
	if err = w.plugIn(&o); err == nil {
		c, err = w.config(s, o)
	}
	if err != nil {
		w.closeFiles()
		return nil, err
	}
	c.Console, c.Warn = h.Console, h.Warn
	if x.Machine, err = vm.Start(ctx, c); err != nil {
		return nil, err
	}
	x.Entry = x.describe(s, o)
	if w.agent {
		x.agent = newExchange()
	}
	if err := x.openSockets(ctx); err != nil {
		return nil, err
	}
	return x, x.reserved.write(&x.Entry)
}

// takeName makes a name the machine's: the one that it was given or, of a system that
// does not mind, the first that is free of NAME, NAME-2, NAME-3 and so on.
func (x *Session) takeName(r *Registry, s *System, o *Options) error {
	name := o.name(s)
	for n := 2; ; n++ {
		err := x.take(r, name)
		if err == nil {
			o.Name = name
			return nil
		}
		if o.Name != "" || !s.Numbered || !errors.As(err, new(*RunningError)) {
			return err
		}
		name = numberedName(s.Name, n)
	}
}

// take reserves a name, the janitor first: whatever is made after it is there is cleared
// away.
func (x *Session) take(r *Registry, name string) (err error) {
	if x.janitor, err = startJanitor(r, name); err != nil {
		return fmt.Errorf("start the process that tidies up: %w", err)
	}
	if x.reserved, err = r.reserve(name); err != nil {
		x.janitor.abandon()
		x.janitor = nil
	}
	return err
}

// prepare checks the options and makes what they take for granted.
func (o *Options) prepare(s *System) error {
	if o.TempDir != "" {
		for _, share := range o.Shares {
			if share.Tag == "xchg" && share.Dir == filepath.Join(o.TempDir, "xchg") {
				if err := os.MkdirAll(share.Dir, 0o755); err != nil {
					return err
				}
			}
		}
	}
	return o.check(s)
}

// describe fills the entry of the list of machines in.
func (x *Session) describe(s *System, o Options) Entry {
	e := Entry{
		Name: x.reserved.name, What: s.What, PID: os.Getpid(), QEMU: x.Machine.PID(), Started: time.Now().UTC().Truncate(time.Second),
		Boot: o.BootOf(s), Memory: o.memory(s), CPUs: max(1, o.CPUs), Disk: o.Overlay,
	}
	for _, f := range x.Machine.Forwards() {
		if o.SSH && f.GuestPort == sshPort {
			key := x.reserved.path(keySuffix)
			e.SSH = sshCommand(key, f.HostPort)
			if s.Nix {
				e.Build = buildCommand(key, f.HostPort, cmp.Or(o.Arch, s.Arch), max(1, o.CPUs))
			}
		}
		e.Forward = append(e.Forward, describe(f))
	}
	for _, service := range o.Services {
		e.Forward = append(e.Forward, describeService(service))
	}
	if o.Graphics == VNC {
		e.VNC = x.reserved.path(vncSuffix)
	}
	return e
}

// Close ends the machine and all that ran for it, and leaves nothing of it. It may be
// called again.
func (x *Session) Close() {
	x.close.Do(func() {
		if x.Machine != nil {
			x.Machine.Kill()
		}
		x.cancel()
		x.work.Wait()
		if x.reserved != nil {
			x.reserved.release()
		}
		if x.janitor != nil {
			x.janitor.dismiss()
		}
	})
}

// errStopped is how a machine ended that `ingot stop --now` ended.
var errStopped = errors.New("the machine was ended by ingot stop, without waiting for its system")

// Wait waits until the machine has ended. That the guest powered it off is no error.
func (x *Session) Wait(ctx context.Context) error {
	err := x.Machine.Wait(ctx)
	if x.ended {
		return errStopped
	}
	return err
}

// wiring makes the description of a machine, and what its devices are connected to.
type wiring struct {
	ctx     context.Context
	host    Host
	session *Session
	dry     bool // nothing is made or started
	files   []*os.File

	agent bool // its port is for others to speak to
}

// plugIn connects the machine to the switches in the registry. QEMU would connect to their
// paths without a check of the listening process.
func (w *wiring) plugIn(o *Options) error {
	o.VLANs = slices.Clone(o.VLANs)
	for i := range o.VLANs {
		v := &o.VLANs[i]
		if !v.Shared || v.File != nil {
			continue
		}
		conn, _, err := w.session.reserved.dir.Dial(filepath.Base(v.Switch))
		if err != nil {
			return fmt.Errorf("switch of network %d: %w", v.N, err)
		}
		v.File, err = conn.File()
		conn.Close()
		if err != nil {
			return fmt.Errorf("switch of network %d: %w", v.N, err)
		}
		w.files, v.Switch = append(w.files, v.File), ""
	}
	return nil
}

// config describes the machine as package vm takes it.
func (w *wiring) config(s *System, o Options) (vm.Config, error) {
	if o.Arch == "" {
		o.Arch = s.Arch
	}
	name := o.name(s)
	c := vm.Config{
		Name: name, Arch: o.Arch, MachineType: o.MachineType, Accel: o.Accel, Memory: o.memory(s), CPUs: o.CPUs,
		NICs: o.nics(name), Shares: append(slices.Clone(s.Shares), o.Shares...), Channels: o.Channels, Args: o.QEMUArgs, Reboot: o.Reboot,
	}
	if !o.NoBackdoor {
		c.Channels = append([]string{wire.BackdoorPort}, c.Channels...)
		if w.agent = !s.NoAgent && !slices.Contains(c.Channels, wire.AgentPort); w.agent {
			c.Channels = append(c.Channels, wire.AgentPort)
		}
	}
	if o.TPM {
		c.TPM = &vm.TPM{Dir: o.TPMDir}
	}
	switch o.Graphics {
	case VNC:
		c.Display.VNC = name + vncSuffix // nothing of it is on QEMU's command line
		if w.session != nil {
			c.Display.VNC = w.session.reserved.dir.Address(name + vncSuffix)
		}
	case Window:
		c.Display.Window = true
	}
	if err := w.boot(&c, s, &o); err != nil {
		return c, err
	}
	for i, base := range s.Disks {
		d, err := w.disk(base, &o, i == 0 && !base.Plain)
		if err != nil {
			return c, err
		}
		c.Disks = append(c.Disks, d)
	}
	c.Disks = append(c.Disks, o.Disks...)
	for i := range o.Empty {
		d, err := w.empty(&o, i)
		if err != nil {
			return c, err
		}
		c.Disks = append(c.Disks, d)
	}
	return c, nil
}

// boot says what the machine starts with.
func (w *wiring) boot(c *vm.Config, s *System, o *Options) error {
	switch o.BootOf(s) {
	case UEFI:
		c.Firmware, c.FirmwareVars, c.SecureBoot = vm.UEFI, cmp.Or(o.EFIVars, o.UsualEFIVars), o.SecureBoot
		c.OVMF = cmp.Or(o.OVMF, s.OVMF, o.UsualOVMF)
	case Kernel:
		c.Kernel = s.Kernel
		c.Append = bootloader.CommandLine(o.words(s))
		if len(s.Initrd) > 0 {
			var err error
			c.Initrd, err = initramfs.Join(s.Initrd...)
			return err
		}
	}
	return nil
}

// disk makes one of the system's disks. Changes to the first may be kept.
func (w *wiring) disk(base Base, o *Options, first bool) (vm.Disk, error) {
	if first && base.Own && o.Overlay != "" {
		return w.own(base, o)
	}
	size := int64(0)
	if first {
		size = o.DiskSize
	}
	d, err := w.base(base, size)
	if err != nil || !first || o.Overlay == "" {
		return d, err
	}
	over := vm.Disk{Path: o.Overlay, Format: diskfile.QCOW2, Writable: true, Bus: base.Bus, Serial: base.Serial, Backing: &d}
	if w.dry {
		over.New = missing(o.Overlay)
		return over, nil
	}
	return over, keep(w.ctx, o.Overlay, base, size, w.host)
}

// base returns a disk as it is, or with more behind it.
func (w *wiring) base(b Base, size int64) (vm.Disk, error) {
	d := vm.Disk{Path: b.File, Format: b.Format, Bus: b.Bus, Serial: b.Serial}
	if b.Map == nil && size == 0 {
		return d, nil
	}
	m, err := b.open(w.ctx)
	if err != nil {
		return d, err
	}
	if size > 0 && size < m.Size() {
		return d, wrong(OptionDiskSize, "", "%d bytes; the disk already has %d", size, m.Size())
	}
	if size > m.Size() {
		var grown image.Builder
		grown.Add(0, m, nil)
		if m, err = grown.Map(size); err != nil {
			return d, err
		}
	}
	d.Path, d.Format = "", ""
	d.NBD, err = w.serve(m)
	d.Size = m.Size()
	return d, err
}

// serve serves bytes to QEMU, and returns its end of the connection.
func (w *wiring) serve(m *image.Map) (*os.File, error) {
	f, err := nbd.Connect(w.ctx, m, nbd.Options{Failed: func(err error) { w.host.warn("a disk cannot be read: %v", err) }})
	if err == nil {
		w.files = append(w.files, f)
	}
	return f, err
}

// closeFiles closes what no machine has taken.
func (w *wiring) closeFiles() {
	for _, f := range w.files {
		f.Close()
	}
}

// Command returns the command line of QEMU with which Start would run a machine. It
// starts, reserves and writes nothing.
func Command(s *System, o Options, h Host) ([]string, error) {
	if err := o.check(s); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &wiring{ctx: ctx, host: h, dry: true}
	defer w.closeFiles()
	c, err := w.config(s, o)
	if err != nil {
		return nil, err
	}
	return vm.Command(c)
}
