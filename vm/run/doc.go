// Package run is `ingot run` below its flags: machines that have a name, that changes
// can be kept of, and that others of the same user can list, enter and stop.
//
//	s, err := run.Open("web.qcow2")
//	r, err := run.OpenRegistry(run.DefaultDir(os.Getenv))
//	x, err := run.Start(ctx, s, run.Options{Memory: 1 << 30}, run.Host{Registry: r, Console: os.Stdout})
//	defer x.Close()
//	err = x.Wait(ctx)
//
// A [System] is what boots. [Open] makes one of an image, an ISO or a netboot folder;
// recipes and closures are known above this package, where one is made of their Maps.
//
// # What it guarantees
//
// What boots is never written to. Disks are served on demand over a pair of sockets;
// what the guest writes is discarded on exit, or kept in a qcow2 file beside which stands what
// it lies over, in which format: a base whose bytes have changed is refused. Only where [Base.Own] says so,
// that file is all of the disk.
//
// Of a machine nothing is left, whatever ends it. Its entry in the [Registry] is locked
// as long as its process lives; the few files that it has there, sockets among them, are
// removed by a small process that outlives it for a moment, and, where that was killed
// too, by whoever looks next.
//
// The files are the user's alone: a folder of mode 0700, sockets of mode 0600. A folder
// that is anything else is refused by all that would use it (package runtimedir), and what is
// in it and not this package's stays. A process is ended by force, and
// a machine's socket is spoken to, only if the kernel says that this process, and this user's,
// listens there.
//
// # Ways in
//
// Where the guest has ingot's agent (package wire), NAME.agent speaks its protocol to
// any number of clients at once: the process that owns the machine is the one host that
// the agent has, and passes on what they ask for. What a client that has gone has left
// running is hung up on, and killed if that does not end it.
//
// NAME.socket is joined to the virtio-serial port org.ingot.backdoor, at which ingot's
// own systems have a shell that speaks plain text. There is one shell: one client at a
// time, and what it leaves behind, such as the working directory, the next one finds.
//
// [Shell] runs commands by the agent, and at the back door where there is none; there it
// learns how they ended by a mark that it has printed.
//
// # Limits
//
// The agent is lost when the guest restarts; the back door is not. At the back door both
// outputs are one, commands have nothing to read, and a terminal keeps the size that the
// person's had at its start.
package run
