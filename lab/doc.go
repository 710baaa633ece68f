// Package lab runs the machines that a file describes, with their networks, and plays tests
// on them. `ingot run`, `network` and `test` share it.
//
//	l, err := lab.Parse("lab.yaml", text, lab.Options{})   // checked; nothing is opened
//	err = l.Open(ctx, lab.Host{Recipe: …, Closure: …})     // what each machine boots
//	err = l.Run(ctx, lab.RunOptions{Registry: r, …})       // until the last one has ended
//	err = l.Play(ctx, lab.PlayOptions{Results: "out", …})  // or: each test on fresh machines
//
// The same [File] serves for both: its machines and links for [Lab.Run], its tests, too, for
// [Lab.Play]. [Single] makes a lab of one system for scripts that stand elsewhere.
//
// What a machine boots is a [run.System]. [FromPlan] makes one of a recipe's plan, no byte of
// which need have been written; [Closure] of a bare closure, with a kernel and ingot as its
// init; package run of images. How a recipe is planned and where a closure is read from is the
// caller's business: [Host] has a function for each.
//
// # Limits
//
// Tests of one file are played one after the other. A lab is for one goroutine.
package lab
