// Package session is what a host says to ingot in a guest: commands with their streams, exit
// statuses and terminals, and files in both directions.
//
//	c, err := session.Open(ctx, machine, session.Options{})
//	_, err = c.CopyIn(ctx, "src", "/tmp/xchg")
//	result, err := c.Exec(ctx, session.Command{Argv: []string{"make"}, Stdout: os.Stdout})
//	_, err = c.CopyOut(ctx, "/tmp/xchg", "results")
//
// A [Client] speaks with the agent in a guest, by package wire: that of a machine of this
// process ([Open]), or one that another process has passed on ([Dial]). A [Shell] is a client,
// or, for guests without an agent, what a plain shell behind the back door can do.
//
// # What it guarantees
//
// A command's result is its own: how it ended is an [ExitError], that it could not be run a
// [CommandError], and that the guest itself failed a [PanicError], an [OutOfMemoryError], a
// [QEMUError], a [LostError] or a [TimeoutError], which tells the console's last lines.
//
// A guest is not trusted. What is copied out of it stays in its folder, belongs to the
// caller, and is bounded by [Options].Limits.
package session
