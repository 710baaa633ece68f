package helper

import "ingot/vm"

// Machine returns the helper's machine.
func (v *VM) Machine() *vm.Machine { return v.machine }
