package vm

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
)

// Accel is how the guest's instructions are run.
type Accel string

const (
	Auto Accel = ""    // KVM if a guest shows life on it, else TCG
	TCG  Accel = "tcg" // emulated: works everywhere, about ten times slower
	KVM  Accel = "kvm" // by the processor itself, through /dev/kvm
)

// ParseAccel reads the name of an accelerator, which is empty for what works.
func ParseAccel(name string) (Accel, error) {
	switch a := Accel(name); a {
	case Auto, TCG, KVM:
		return a, nil
	}
	return "", fmt.Errorf("accelerator %q is unknown; it is %q or %q (default: what works)", name, KVM, TCG)
}

func (c *Config) checkAccel() error {
	accel, err := ParseAccel(string(c.Accel))
	if arch := c.Arch.orHost(); err == nil && accel == KVM && !arch.native() {
		return fmt.Errorf("accelerator kvm: the guest's processor is %s, the host's %s", arch, cmp.Or(string(HostArch()), runtime.GOARCH))
	}
	return err
}

// guessAccel returns the accelerator as far as it is known without trying.
func (c *Config) guessAccel() Accel {
	switch {
	case c.Accel != Auto:
		return c.Accel
	case !c.Arch.orHost().native() || openKVM() != nil:
		return TCG
	}
	if f, ok := recall(); ok && f.Failure != "" {
		return TCG
	}
	return KVM
}

// warned are the notes that this process has told: one is enough for many machines.
var warned sync.Map

// settleAccel chooses the accelerator, and says why it is not the fast one.
func (m *Machine) settleAccel(ctx context.Context, c *Config) error {
	if c.Accel == TCG {
		return nil
	}
	if arch := c.Arch.orHost(); !arch.native() { // as expected, and nothing to be told
		c.Accel = TCG
		return nil
	}
	err := ProbeKVM(ctx)
	switch {
	case err == nil:
		c.Accel = KVM
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case c.Accel == KVM:
		return fmt.Errorf("accelerator kvm: %w; the accelerator tcg works everywhere, about ten times slower", err)
	default:
		c.Accel = TCG
		note := fmt.Sprintf("no KVM: %v; the guest is emulated (TCG), about ten times slower", err)
		m.note(c, note)
	}
	return nil
}

// note tells a person something of a machine that starts all the same.
func (m *Machine) note(c *Config, note string) {
	m.notes = append(m.notes, note)
	if _, told := warned.LoadOrStore(note, true); !told && c.Warn != nil {
		c.Warn(note)
	}
}

func (l *line) addAccel(c *Config) {
	p := c.Arch.platform()
	if c.Accel == KVM {
		l.add("-accel", "kvm", "-cpu", "host")
		return
	}
	accel := "tcg"
	// A processor a thread, unless the guest may count on an order of memory that the
	// host's does not keep.
	if !p.pc || HostArch() == X86_64 || HostArch() == I686 {
		accel += ",thread=multi"
	}
	l.add("-accel", accel)
	if p.cpu != "" {
		l.add("-cpu", p.cpu)
	}
}
