// Package nixtest builds a closure with real Nix, for tests: offline, as root or another user, without
// a daemon and without touching the machine's own store.
//
//	c := nixtest.System(t)
//	// c.Toplevel  /nix/store/…-nixos-system-ingot-test-24.05
//	// c.Graph     its reference graph, of a derivation with exportReferencesGraph
//	// c.Store     the folder that contains the items
//
// The closure has the layout of a small NixOS system (system/default.nix): kernel, initrd, init and
// kernel-params, so that a disk made from it boots. Its init reports on the console
// ([Closure.Marker], [ContentsMatch], [Done]), and powers off if the kernel's command line contains
// [PowerOff]. The closure also contains difficult cases for store tools: names that are not UTF-8, of
// 253 bytes (the longest that an ISO can hold), with newlines, and differing only in case; store
// paths that are a file, a program, a symlink; self references, a chain, a derivation with three
// outputs, a .drv; equal contents with and without the executable bit; 8 MiB of zeros.
//
// [Closure.CheckRoot] checks a root made from the closure, such as the contents of an image: with
// nix-store, and for properties that nix-store does not check.
//
// # Location
//
// The closure is in a folder of the temporary directory whose name is derived from the inputs. The
// first test builds it in a few seconds; later ones, also in other processes, reuse it. A root of
// Nix's own kind (--store DIR) has its store at DIR/nix/store, while all paths begin with /nix/store.
//
// Nix builds there in a mount namespace. Where that is not allowed, as in most containers, only root
// can build, at /nix/store itself, and only if the machine has no Nix of its own.
package nixtest
