package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Limit is when a target has been executed enough.
type Limit struct {
	Time  time.Duration // or else
	Execs int64
}

// String is the limit as -test.fuzztime takes it.
func (l Limit) String() string {
	if l.Execs > 0 {
		return fmt.Sprintf("%dx", l.Execs)
	}
	return l.Time.String()
}

// A Result is what came of a target.
type Result struct {
	Target
	Execs       int64
	Interesting int64         // inputs that reached something new
	Elapsed     time.Duration // without the time that its processes wait for processors
	Memory      int64         // bytes that its largest process had at most
	Failure     string        // what it printed, if it failed
}

// PerMinute is how often the target was executed in a minute.
func (r Result) PerMinute() int64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return int64(float64(r.Execs) / r.Elapsed.Minutes())
}

// A runner builds and runs targets.
type runner struct {
	module  string // the module's folder
	work    string // a folder for test binaries
	cache   string // go's folder of inputs that were found
	workers int
	limit   Limit
	record  bool // in the table
}

// build makes the test binary of a package, instrumented.
func (r *runner) build(ctx context.Context, folder string) (binary string, err error) {
	binary = filepath.Join(r.work, strings.ReplaceAll(folder, "/", "-")+".test")
	c := exec.CommandContext(ctx, "go", "test", "-c", "-fuzz=.", "-o", binary, "./"+folder)
	c.Dir = r.module
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: go test -c: %w\n%s", folder, err, out)
	}
	return binary, nil
}

// run executes a target until the limit, or until it fails.
func (r *runner) run(ctx context.Context, binary string, t Target) (Result, error) {
	result := Result{Target: t}
	c := exec.CommandContext(ctx, binary,
		"-test.run=^$", "-test.fuzz=^"+t.Name+"$", "-test.fuzztime="+r.limit.String(),
		"-test.fuzzminimizetime=1x", "-test.fuzzcachedir="+filepath.Join(r.cache, "ingot", t.Folder),
		"-test.parallel="+strconv.Itoa(r.workers), "-test.timeout=0", "-test.paniconexit0")
	c.Dir = filepath.Join(r.module, t.Folder) // where a failing input is written to
	// Interrupted, it ends its workers and keeps what it has found.
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = time.Minute
	out, err := c.StdoutPipe()
	if err != nil {
		return result, err
	}
	c.Stderr = c.Stdout
	if err := c.Start(); err != nil {
		return result, err
	}
	words, began := result.follow(out)
	if !began.IsZero() {
		result.Elapsed = time.Since(began)
	}
	err = c.Wait()
	if ctx.Err() != nil {
		return result, ctx.Err()
	}
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok { // its workers' too
		result.Memory = usage.Maxrss * 1024
		result.Elapsed = min(result.Elapsed, r.alone(c.ProcessState.UserTime()+c.ProcessState.SystemTime()))
	}
	if err != nil && (r.limit.Execs > 0 || !timeUp.MatchString(words)) {
		result.Failure = words + err.Error()
	}
	return result, nil
}

// alone is how long a target takes that has a processor for each of its workers, by the time
// that it has had processors: on a busy machine it takes longer.
func (r *runner) alone(processors time.Duration) time.Duration {
	return processors / time.Duration(max(r.workers, 1))
}

// timeUp is what Go's fuzzer prints when its time is over and it takes that for a failure,
// which happens on a busy machine: it compares an error with that of a context derived from
// the one that has just ended, which may not know yet (go.dev/issue/75804). A target that
// fails has more lines.
var timeUp = regexp.MustCompile(`^--- FAIL: Fuzz\w+ \([0-9.]+s\)\n +context deadline exceeded\nFAIL\n$`)

// progress is a line of the fuzzer's.
var progress = regexp.MustCompile(`^fuzz: elapsed: .*, execs: (\d+) \(\d+/sec\), new interesting: (\d+) `)

// follow reads what a target prints, to its end. Words are what is not progress, and
// began is when the fuzzer did.
func (r *Result) follow(out io.Reader) (words string, began time.Time) {
	var b bytes.Buffer
	s := bufio.NewScanner(out)
	s.Buffer(nil, 64<<20) // a failure can show its input
	for s.Scan() {
		line := s.Text()
		if !strings.HasPrefix(line, "fuzz: elapsed:") {
			b.WriteString(line + "\n")
			continue
		}
		if began.IsZero() {
			began = time.Now()
		}
		if m := progress.FindStringSubmatch(line); m != nil {
			r.Execs, _ = strconv.ParseInt(m[1], 10, 64)
			r.Interesting, _ = strconv.ParseInt(m[2], 10, 64)
		}
	}
	_, _ = io.Copy(io.Discard, out) // what a line of 64 MiB leaves, so that the target ends
	return b.String(), began
}
