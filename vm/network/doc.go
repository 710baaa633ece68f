// Package network joins machines by Ethernet, without root: a switch between QEMU's
// network cards, and what stands on every network beside the machines.
package network
