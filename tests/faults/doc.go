// Package faults has ingot's system calls fail, one after the other, and kills ingot before
// and after them, and looks at what is left: outputs are whole or as they were, and nothing
// else lies beside them that the next run does not sweep.
//
// A [Program] is run once without a fault, and the system calls are counted that have to do
// with the folders that it works in. Then it is run anew for each of them: it fails with an
// errno that it could have, or the process is killed, before the call or after it. Where ten
// thousand calls were the same, such as the writes of a large file, a test would take as many
// runs: inputs are small.
//
// Package failure has other things happen at one of the calls: a signal, a source that
// changes, a disk that fills up.
//
// What comes at random moments, and processes and sockets, is package kills'.
package faults
