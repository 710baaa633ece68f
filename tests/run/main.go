// Command run runs go test and lists the skipped tests:
//
//	go run ./tests/run -timeout 90m ./...
//
// It prints what go test prints for the same arguments: a line for each package, and the output of
// failed tests. Below, it lists the skipped tests by reason, which go test alone prints only with -v.
// Its exit status is that of go test.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	cmd := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	r := newReport(os.Stdout)
	err = errors.Join(r.read(out), cmd.Wait())
	r.skipped()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		os.Exit(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// An event is a line of go test -json: "go doc test2json".
type event struct {
	Action, Package, ImportPath, Test, Output string
}

// A test is a test of a package; a package has an empty name.
type test struct{ pkg, name string }

// report follows the events of go test.
type report struct {
	w      io.Writer
	output map[test][]string // of tests that run
	skips  map[string][]test // by reason
}

func newReport(w io.Writer) *report {
	return &report{w: w, output: map[test][]string{}, skips: map[string][]test{}}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0 || line[0] != '{':
			r.w.Write(line) // what go itself says, without JSON
		case json.Unmarshal(line, &e) != nil:
			r.w.Write(line)
		default:
			r.add(e)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	t := test{e.Package, e.Test}
	switch {
	case e.Action == "build-output", e.Action == "output" && e.Test == "" && e.Output != "PASS\n":
		fmt.Fprint(r.w, e.Output)
	case e.Action == "output":
		r.output[t] = append(r.output[t], e.Output)
	case e.Action == "fail" && e.Test != "":
		fmt.Fprint(r.w, strings.Join(r.output[t], ""))
		delete(r.output, t)
	case e.Action == "fail":
		r.unfinished(e.Package)
	case e.Action == "skip" && e.Test != "":
		why := reason(r.output[t])
		r.skips[why] = append(r.skips[why], t)
		delete(r.output, t)
	case e.Action == "pass":
		delete(r.output, t)
	}
}

// unfinished prints what the tests of a package said that had not ended when it did, by a
// panic or its time limit.
func (r *report) unfinished(pkg string) {
	order := func(a, b test) int { return strings.Compare(a.name, b.name) }
	for _, t := range slices.SortedFunc(maps.Keys(r.output), order) {
		if t.pkg == pkg {
			fmt.Fprint(r.w, strings.Join(r.output[t], ""))
			delete(r.output, t)
		}
	}
}

// reason is what a test said last before it was skipped, without its place.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if place, text, ok := strings.Cut(line, ": "); ok && strings.Contains(place, ".go:") {
			line = text
		}
		return line
	}
	return "no reason is given"
}

// skipped lists the tests that were skipped.
func (r *report) skipped() {
	for _, why := range slices.Sorted(maps.Keys(r.skips)) {
		tests := r.skips[why]
		fmt.Fprintf(r.w, "skipped: %s (%d)\n", why, len(tests))
		for _, t := range tests {
			fmt.Fprintf(r.w, "\t%s.%s\n", strings.TrimPrefix(t.pkg, "ingot/"), t.name)
		}
	}
}
