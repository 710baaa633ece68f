// Package nixtest makes a closure by real Nix, for tests: offline, as an ordinary
// user or as root, without a daemon and without touching the machine's own store.
//
//	c := nixtest.System(t)
//	// c.Toplevel  /nix/store/…-nixos-system-ingot-test-24.05
//	// c.Graph     its reference graph, of a derivation with exportReferencesGraph
//	// c.Store     the folder in which the items really lie
//
// The closure has the layout of a small NixOS system (system/default.nix): kernel,
// initrd, init and kernel-params, so that a disk made of it boots. Its init says on
// the console what it finds ([Closure.Marker], [ContentsMatch], [Done]) and powers
// off when the kernel's command line holds [PowerOff]. Beside that it holds what
// store tools trip over: names that are not UTF-8, of 253 bytes (with more, no ISO holds them
// as its own files), with newlines,
// differing in case alone; store paths that are a file, a program, a symlink;
// self references, a chain, a derivation of three outputs, a .drv; equal contents
// with and without the executable bit; 8 MiB of zeros.
//
// [Closure.CheckRoot] judges a root that was made from the closure, say the contents
// of an image: by nix-store, and by what nix-store does not look at.
//
// # Where it lies
//
// In a folder of the temporary directory that is named after everything the closure
// is made of. The first test to ask builds it in a few seconds; later ones, in
// other processes too, find it. A root of Nix's own kind (--store DIR) keeps the
// store at DIR/nix/store while all paths in it begin with /nix/store.
//
// Nix builds there in a mount namespace. Where the machine grants none, as in most
// containers, only root can build, at /nix/store itself, and only if no Nix of the
// machine's own lives there.
package nixtest
