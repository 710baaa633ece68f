// Package network joins machines by Ethernet, without root: a switch between QEMU's
// network cards, the plan of names and addresses, and what answers DHCP and DNS beside
// the machines.
//
//	var f network.File                      // decoded from YAML: machines and their networks
//	plan, problems := f.Plan("lab")         // numbers, addresses, names; a value
//	n := network.New(plan, nil)             // the switches, at work
//	card, err := n.Card("web", 1)      // the end that a vm.NIC's File takes
//	_, err = n.Change("web", "client", "delay", "50ms")
//
// # The plan
//
// It is that of the models, nixos-build-vms and NixOS's tests: machines are numbered
// from 1 in the order of their names; the machine M has the address 192.168.N.M in the
// network N, and its card there 52:54:00:12:NN:MM, in hexadecimal. Nothing is random
// and nothing is asked of the host, so that the same file gives the same addresses
// everywhere. 192.168.N.254 is the [Service].
//
// # The switch
//
// It speaks the framing of QEMU's -netdev stream on connected sockets that are handed
// to QEMU, and have no names: nothing can be left behind, and no other user can get in.
// It learns addresses, floods what it does not know, drops for a station that takes
// nothing any more, and holds no frame up on the way of others. [Links] cut, slow and
// lose what passes between two stations, or on the cable of one, while it works; which
// frames are lost follows from a seed.
//
// It was measured against gvisor-tap-vsock's (v0.8.9), which speaks the same framing,
// between two clients in Go with frames of 1,514 bytes, on one machine of two
// processors: 2,400 MB/s against 250. That one makes a system call or three, two
// allocations and two locks of each frame; this one passes on what one read brought in
// one write. It also takes 105 packages along, gVisor's network stack among them, whose
// NAT QEMU has already. QEMU's -netdev dgram needs no framing, and one system call for
// each frame on either side instead.
//
// # Limits
//
// IPv4 in the plan; the guests' own IPv6 passes like everything else. One network
// leads to the others only through a machine that routes. Nothing leads to the host or
// out: that is QEMU's user network, on a card of its own.
package network
