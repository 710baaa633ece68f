// Fuzz runs the module's fuzz targets and prints how often it executed each.
//
//	go run ./tests/fuzz -time 60s                       every target for a minute
//	go run ./tests/fuzz -target 'ext4|FuzzSexp'         some targets
//	go run ./tests/fuzz -execs 1000000                  that many executions of each
//	go run ./tests/fuzz -execs 1000000 -record          and record them in docs/testing.md
//	go run ./tests/fuzz -list                           the targets
//
// It builds each package's instrumented test once; go test -fuzz would link it for each target. It
// minimizes new inputs by at most one execution: by default the fuzzer spends up to a minute on each,
// which was most of the time for parsers of disks. go test -fuzz and this command share the inputs
// they find, below $(go env GOCACHE)/fuzz.
//
// A run fails if a target fails (its input then lies below the package's testdata/fuzz), if a target
// without an entry in [Slow] is executed less often than -least in a minute, or if it uses more
// memory than -memory. Minutes count only while a target has a processor for each of its workers, so
// that other load does not matter.
//
// The package's tests compare the table in docs/testing.md with the targets.
package main
