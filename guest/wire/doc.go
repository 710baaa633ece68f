// Package wire is the protocol between a host and the guest that it runs: the words on the
// kernel's command line ([Words]), the names of ports ([AgentPort] and others), and sessions,
// in which the host sends commands and files, and gets output, exit statuses and files. It
// holds the wire format and both ends of a session. Package guest executes the requests.
//
//	s, err := wire.Dial(ctx, conn)                      // the host
//	c, err := s.Open(wire.Request{Exec: &wire.Exec{Argv: wire.Raws("cat")}})
//	go c.Writer(wire.Stdin).Close()
//	_, err = io.Copy(os.Stdout, c.Reader(wire.Stdout))
//	result, err := c.Wait(ctx)
//
//	s, err := wire.Serve(conn, wire.Hello{}, handle)    // the guest
//
// # The wire
//
// The two ends share one stream of bytes in each direction: a virtio-serial port
// called [AgentPort] in a machine, a socket in tests. Both send frames: a header of 12
// bytes, all numbers little-endian, and its payload.
//
//	offset  size  field
//	0       2     magic, 0x6e49 ("In")
//	2       1     type
//	3       1     channel: 0 standard input, 1 standard output, 2 standard error
//	4       4     stream: 0 the session, 1, 2, … a request
//	8       4     length of the payload
//
//	type    from   stream  payload
//	1 hello both   0       JSON, Hello: the guest first, then the host
//	2 beat  guest  0       none: the guest lives; once in Hello.Beat milliseconds
//	3 open  host   new     JSON, Request; numbers of streams only grow
//	4 data  both   any     up to 256 KiB of a channel; none at all is its end
//	5 credit both  any     32 bits: so many more bytes of a channel may be sent
//	6 stop  both   any     none: nobody reads the channel any more (a broken pipe)
//	7 signal host  any     32 bits: a signal for the command's process group
//	8 resize host  any     2 × 16 bits: rows and columns of the command's terminal
//	9 exit  guest  any     JSON, Result: the last frame of a stream
//	10 off  host   0       none: write everything out and switch the machine off
//
// Each channel starts with a credit of 1 MiB in each direction. A sender without credit
// waits, and the other channels and streams go on: a command that does not read its
// input, or a host that does not take output, delays nothing else.
//
// # What it guarantees
//
// Bytes arrive as they were sent, channels apart. A frame with a wrong magic, an
// unknown type or channel, a length over the limit, data beyond the credit, or a
// stream that was never opened ends the session with a [*ProtocolError] on the side
// that sees it; both sides check every length and path. An unknown version is refused by
// name.
//
// # Files
//
// Files travel as the tar streams of package files. A host that can read the guest's memory
// may leave large files of the guest's tmpfs there ([Get].Memory). The guest reports if its
// kernel moved any of them meanwhile, and the host then requests them in the usual way.
//
// # Modules
//
// A request that stays open for as long as the guest runs lets the guest request modules of
// its kernel from the host: [Modules].
//
// # Limits
//
// One host at a time. No encryption: the line belongs to the two. A request has at
// most 4 MiB.
package wire
