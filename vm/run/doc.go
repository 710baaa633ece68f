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
// The disk of a system is never written to. Disks are served on demand over a pair of sockets;
// writes of the guest are discarded on exit, or kept in an overlay, a qcow2 file. A file beside
// it has the digest and the format of the disk below, so that a disk that has changed is
// refused. Only with [Base.Own] the overlay is all of the disk.
//
// A machine leaves nothing behind, whatever ends it. Its entry in the [Registry] is locked
// as long as its process lives; the few files that it has there, sockets among them, are
// removed by a small process that outlives it for a moment or, if that was killed, too, by
// the next process that reads the registry.
//
// The files are the user's alone: a folder of mode 0700, sockets of mode 0600. Any other
// folder is refused (package runtimedir), and files in it that are not this package's stay.
// A process is ended by force, and gets requests, only if the kernel says that it is this
// user's and listens at the machine's socket.
//
// # Ways in
//
// Where the guest has ingot's agent (package wire), NAME.agent speaks its protocol to
// any number of clients at once: the process that owns the machine forwards their requests to
// the agent. Commands of a client that has gone get SIGHUP, and SIGKILL if that does not end
// them.
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
