// Package closed keeps standard streams closed that were closed when the process started,
// as by >&- in a shell: reading and writing them fails with EBADF, and no file that is
// opened later gets their numbers.
//
// Go's runtime opens /dev/null for the numbers 0 to 2 that it finds closed, before any code
// of a program runs. Nothing lands on them by mistake then, but what is written to a closed
// standard output is written to nowhere, and is no error. So a constructor in C, which comes
// before the runtime, takes these numbers for descriptors that can neither be read nor
// written (O_PATH): for this process, and for those that inherit them.
//
// It is enough to import the package. Without cgo, what Go's runtime does remains.
package closed
