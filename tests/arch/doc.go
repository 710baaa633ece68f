// Package arch reads the sources of the module and enforces rules that a compiler
// does not.
//
// The first: each folder is a floor, and a floor imports only what stands below it
// ([Floors]). Nothing imports tests.
//
// The second: packages of some folders import none of some others ([Apart]), also where the
// floors would let them: what runs in a guest knows nothing of QEMU, and the other way round.
//
// The third: packages that make bytes know neither the clock, nor a source of
// randomness, nor the environment ([Forbidden]). What they write can then depend on
// their arguments alone. Where a package needs one of these for something that
// does not reach a byte of an image, it is named in [Allowed], with the reason; an
// allowance that nobody uses is a finding too.
//
// The fourth: no variable of a package compiles a regular expression when ingot starts.
//
// Test files are not read. Files for other systems and with other build tags are.
//
// The line holds for what is written in this module. That a library which it calls
// does not look at the clock is for the tests that build twice to show.
package arch
