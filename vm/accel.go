package vm

import (
	"context"
	"fmt"
)

// Accel is how the guest's instructions are run.
type Accel string

const (
	Auto Accel = ""    // KVM if a guest shows life on it, else TCG
	TCG  Accel = "tcg" // translated: works everywhere, about ten times slower
	KVM  Accel = "kvm" // by the processor itself, through /dev/kvm
)

func (c *Config) checkAccel() error {
	switch c.Accel {
	case Auto, TCG:
	case KVM:
		if arch := c.Arch.orHost(); !arch.native() {
			return fmt.Errorf("accelerator kvm: the guest's processor is %s, the host's %s", arch, HostArch())
		}
		if err := readable("/dev/kvm"); err != nil {
			return fmt.Errorf("accelerator kvm: %w", err)
		}
	default:
		return fmt.Errorf("accelerator %q is unknown; it is empty (what works), %q or %q", c.Accel, TCG, KVM)
	}
	return nil
}

// chooseAccel returns the accelerator to use, and why it is not KVM.
func (c *Config) chooseAccel() (Accel, string) {
	return TCG, ""
}

func (l *line) addAccel(c *Config) {
	p := c.Arch.orHost().platform()
	if c.Accel == KVM {
		l.add("-accel", "kvm", "-cpu", "host")
		return
	}
	l.add("-accel", "tcg")
	if p.cpu != "" {
		l.add("-cpu", p.cpu)
	}
}

// settleAccel chooses the accelerator, and says why it is not the fast one.
func (m *Machine) settleAccel(ctx context.Context, c *Config, qemu string) error {
	if c.Accel == Auto {
		accel, why := c.chooseAccel()
		c.Accel = accel
		if why != "" {
			m.note(c, why)
		}
	}
	return nil
}
