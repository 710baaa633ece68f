// Package arch reads the sources of the module and enforces rules that a compiler
// does not.
//
//  1. A folder imports only folders of lower layers ([Layers]). No package imports tests.
//  2. Packages of some folders import none of some others, even of lower layers ([Apart]): guest and
//     vm do not import one another.
//  3. Packages that make bytes of images use no clock, no randomness and no environment
//     ([Forbidden]), so that the bytes depend only on their arguments. [Allowed] lists exceptions,
//     for uses that do not affect an image, with reasons. An unused exception is a finding too.
//  4. No package-level variable compiles a regular expression when ingot starts.
//
// The checks read the files of all systems and build tags, without tests. They cover this module
// only; tests that build images twice cover the libraries it calls.
package arch
