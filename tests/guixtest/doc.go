// Package guixtest asks real Guix what it thinks of what ingot makes for it: a store
// registered in an image or in a root, the root of a Guix System, the arguments of a
// kernel.
//
// Guix runs in a chroot of Debian unstable, which tests/setup/guix makes; its daemon
// builds the closure that the tests are about, offline, and then serves the store of
// each root they give it. The closure has a system in Guix's layout, whose boot
// parameters Guix itself has written, and around it all that a store can hold.
//
// The tests run where INGOT_GUIX_CHROOT names that chroot, as make test-guix does, and
// are skipped elsewhere. They mount it, and so take root; what they mount is in
// namespaces that end with each session.
package guixtest
