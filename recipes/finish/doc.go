// Package finish makes the parts of an image that take a virtual machine: file systems that ingot has
// no writer for, LUKS containers, and the steps of a recipe.
//
// A [plan.Plan] lists which partitions are missing, and has holes in their places. [Plan]
// shows the planned disk to a machine, as it is served block by block, has the tools of this
// host make the partitions and the steps change them, and puts the plan over what was
// written. It is the one part of the way from a recipe to an image that starts a machine.
//
//	p, err := plan.New(ctx, recipe, host)
//	err = finish.Plan(ctx, p, finish.Options{Program: "/usr/bin/ingot"})
//	_, err = p.Emit(ctx, "web.img", plan.EmitOptions{})
//
// # What it guarantees
//
// What is missing, a secret, a script, a kernel, a tool, is found before the machine starts.
// Secrets are on no command line, and in nothing that is shown. Nothing with a name is written.
//
// # Limits
//
// What the tools of a machine make has other bytes every time. The manifest names it.
package finish
