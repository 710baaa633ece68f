// Package network gives a guest its place in a network: it switches interfaces on,
// sets addresses and routes, asks a DHCP server for them and keeps the lease, and
// fetches a file by TFTP before there is a root file system.
//
//	s, err := network.ParseSettings("dhcp") // what stands behind ip= on the command line
//	err = s.Apply(ctx, network.Options{Bound: func(b network.Binding) { fmt.Println(b) }})
//
// # What it guarantees
//
// A lease is renewed when half of its time is over, and asked for anew when it was
// lost; an address whose lease has ended is taken away. /etc/resolv.conf is written
// as a whole. Interfaces that show up later are taken in.
//
// # Limits
//
// IPv4 alone is configured; IPv6 is left to the kernel, which configures itself from
// router advertisements. There is no Wi-Fi, no VLAN and no bonding.
package network
