package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// A contestant is a command that does the work of a benchmark.
type contestant struct {
	name   string
	args   []string     // the command
	stdin  string       // file
	output string       // file or folder; removed before each run and after the last
	before func() error // what is done before the clock starts
	aim    float64      // how many times as long as ingot it shall take at least; 0: any
}

// A result is what the runs of a contestant came to.
type result struct {
	contestant
	times  []time.Duration
	memory int64  // peak of resident bytes, of the largest process
	notes  string // what ingot's side printed
}

func (r *result) median() time.Duration {
	sorted := slices.Sorted(slices.Values(r.times))
	return sorted[len(sorted)/2]
}

// race runs the contestants in turns. The first is ingot, which the others are
// compared with.
func race(runs int, contestants []contestant) ([]*result, error) {
	results := make([]*result, len(contestants))
	for i, c := range contestants {
		results[i] = &result{contestant: c}
	}
	for range runs {
		for _, r := range results {
			if err := r.run(); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

// run runs a contestant once. The peak of a child's memory is never less than what
// this process holds when it starts the child, which is therefore kept small. What earlier runs left to be written to the disk is
// written before the clock starts.
func (r *result) run() error {
	if r.output != "" {
		if err := os.RemoveAll(r.output); err != nil {
			return err
		}
		defer func() {
			os.RemoveAll(r.output)
			os.RemoveAll(r.output + ".manifest.json")
		}()
	}
	if r.before != nil {
		if err := r.before(); err != nil {
			return err
		}
	}
	syscall.Sync()
	cmd := exec.Command(r.args[0], r.args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if r.stdin != "" {
		f, err := os.Open(r.stdin)
		if err != nil {
			return err
		}
		defer f.Close()
		cmd.Stdin = f
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(r.args, " "), err, stderr.Bytes())
	}
	r.times = append(r.times, took)
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = max(r.memory, usage.Maxrss<<10)
	}
	if r.args[1] == "work" {
		r.notes = strings.TrimSpace(stdout.String())
	}
	return nil
}

// table prints the results of one benchmark.
func table(w io.Writer, title string, results []*result) {
	fmt.Fprintf(w, "\n%s\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tmedian\tbest\tpeak memory\tof ingot's time\tat least\t")
	for _, r := range results {
		ratio := r.median().Seconds() / results[0].median().Seconds()
		aim := ""
		if r.aim > 0 {
			aim = fmt.Sprintf("%.2f", r.aim)
		}
		fmt.Fprintf(t, "%s\t%.3f s\t%.3f s\t%d MiB\t%.2f\t%s\t%s\n", r.name, r.median().Seconds(),
			slices.Min(r.times).Seconds(), r.memory>>20, ratio, aim, r.notes)
	}
	t.Flush()
}
