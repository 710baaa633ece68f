// Package faults makes ingot's system calls fail, one at a time, and kills ingot before and after
// each of them. Then it checks that outputs are complete or unchanged, and that nothing remains
// beside them except what the next run removes.
//
// A first run of a [Program] counts the system calls that concern its folders. Then the package runs
// the program once for each call and fault: an errno that the call can return, or a kill before or
// after it. Inputs are small, to keep the number of calls and runs small.
//
// Package failure tests other events: signals, a source that changes, a disk that fills up. Package
// kills kills at random moments, and checks processes and sockets.
package faults
