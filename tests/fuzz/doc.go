// Fuzz runs the fuzz targets of the module and says how much each was executed.
//
//	go run ./tests/fuzz -time 60s                       every target for a minute
//	go run ./tests/fuzz -target 'ext4|FuzzSexp'         some of them
//	go run ./tests/fuzz -execs 1000000                  until each was executed so often
//	go run ./tests/fuzz -execs 1000000 -record          and docs/testing.md says how often
//	go run ./tests/fuzz -list                           what there is
//
// Each package's tests are built once, instrumented; go test -fuzz links them again for
// each target. Inputs that reach something new are minimised by one execution at most:
// by default the fuzzer spends a minute on each, which for a parser of disks was most of
// its time. The inputs that it finds are kept where go test keeps them, below
// $(go env GOCACHE)/fuzz, and go test -fuzz goes on from them.
//
// A run fails if a target does, which leaves the input below its package's testdata/fuzz,
// if a target is executed less often than -least in a minute and has no reason in [Slow],
// and if it takes more memory than -memory. Minutes are those in which a target has a
// processor for each of its workers: what else the machine does counts for nothing.
//
// The table of parsers and targets in docs/testing.md is held against the targets by this
// package's tests.
package main
