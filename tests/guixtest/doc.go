// Package guixtest tests with real Guix: stores that ingot registered in an image or root, the root
// of a Guix System, kernel arguments.
//
// They also load the channel in the folder guix: Guix's daemon builds images with ingot as the
// builder, in its sandbox, and 'guix system image' computes the derivations of ingot's image types. A
// disk and an ISO boot by Guix's own early boot code, and 'guix system' lists, rolls back and deletes
// the generations of a root that ingot made.
//
// Guix runs in a chroot of Debian unstable, which tests/setup/guix creates. Its daemon builds the
// tests' closure, offline, and then serves the store of each root under test. The closure contains a
// system in Guix's layout, with boot parameters that Guix itself wrote, and unusual store items of
// all kinds.
//
// The tests run if INGOT_GUIX_CHROOT names that chroot, as in make test-guix, and are skipped
// otherwise. They mount it, and so need root; their mounts are in namespaces that end with each
// session.
package guixtest
