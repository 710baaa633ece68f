// Package network gives a guest its place in a network: it switches interfaces on,
// sets addresses and routes, asks a DHCP server for them and keeps the lease, and
// fetches a file by TFTP before there is a root file system.
//
//	s, err := network.ParseSettings("dhcp") // the value of ip= on the command line
//	err = s.Apply(ctx, network.Options{Bound: func(b network.Binding) { fmt.Println(b) }})
//
// # What it guarantees
//
// A lease is renewed when half of its time is over, and requested anew when it was lost;
// an address is removed when its lease ends. /etc/resolv.conf is written as a whole.
// Interfaces that appear later are configured, too.
//
// # Limits
//
// Only IPv4 is configured; the kernel configures IPv6 from router advertisements. There is no Wi-Fi, no VLAN and no bonding.
package network
