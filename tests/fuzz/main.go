package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "fuzz: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) error {
	flags := flag.NewFlagSet("fuzz", flag.ExitOnError)
	limit := Limit{}
	flags.DurationVar(&limit.Time, "time", time.Minute, "how long each target runs")
	flags.Int64Var(&limit.Execs, "execs", 0, "how often each target is executed, instead of -time")
	which := flags.String("target", "", "only targets that match this regular `expression`, as -list has them")
	least := flags.Int64("least", 100_000, "executions in a minute below which a target fails")
	memory := flags.Int64("memory", 1024, "`MiB` above which a target fails")
	workers := flags.Int("parallel", runtime.GOMAXPROCS(0), "processes for each target")
	keep := flags.Bool("record", false, "write the executions into the table of "+tableFile)
	list := flags.Bool("list", false, "list the targets")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*which)
	if err != nil {
		return fmt.Errorf("-target: %w", err)
	}
	r := &runner{workers: *workers, limit: limit, record: *keep}
	if r.module, err = ask("", "list", "-m", "-f", "{{.Dir}}"); err != nil {
		return err
	}
	cache, err := ask("", "env", "GOCACHE")
	if err != nil {
		return err
	}
	r.cache = filepath.Join(cache, "fuzz")
	targets, err := Targets(r.module)
	if err != nil {
		return err
	}
	var chosen []Target
	for _, t := range targets {
		if match.MatchString(t.String()) {
			chosen = append(chosen, t)
		}
	}
	switch {
	case len(chosen) == 0:
		return fmt.Errorf("-target %s: none of %d targets matches", *which, len(targets))
	case *list:
		for _, t := range chosen {
			fmt.Fprintln(w, t)
		}
		return nil
	}
	if r.work, err = os.MkdirTemp("", "ingot-fuzz-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	results, err := r.all(ctx, chosen, w)
	report(w, results, *least)
	return errors.Join(err, judge(results, *least, *memory<<20))
}

// all runs targets one after the other. Those that fail do not end it.
func (r *runner) all(ctx context.Context, targets []Target, w io.Writer) ([]Result, error) {
	var results []Result
	var binary string
	for i, t := range targets {
		if i == 0 || targets[i-1].Folder != t.Folder {
			var err error
			if binary, err = r.build(ctx, t.Folder); err != nil {
				return results, err
			}
		}
		result, err := r.run(ctx, binary, t)
		if err != nil {
			return results, err
		}
		fmt.Fprintln(w, result.line())
		if result.Failure != "" {
			fmt.Fprintf(w, "%s\nThe input is below %s/testdata/fuzz/%s\n", result.Failure, t.Folder, t.Name)
		}
		results = append(results, result)
		if r.record { // at once: a run of all takes hours
			if err := record(r.module, result); err != nil {
				return results, err
			}
		}
		if i == len(targets)-1 || targets[i+1].Folder != t.Folder {
			os.Remove(binary) // some twenty MiB
		}
	}
	return results, nil
}

// line is a result while others run.
func (r Result) line() string {
	state := "ok  "
	if r.Failure != "" {
		state = "FAIL"
	}
	return fmt.Sprintf("%s  %-45s %12s executions  %11s/min  %5d new  %5d MiB", state, r.Target,
		humanize.Comma(r.Execs), humanize.Comma(r.PerMinute()), r.Interesting, r.Memory>>20)
}

// report prints a table, and why targets below least are.
func report(w io.Writer, results []Result, least int64) {
	var total int64
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight|tabwriter.Debug)
	fmt.Fprintf(t, "\ntarget\texecutions\tper minute\tnew\tMiB\t\n")
	for _, r := range results {
		total += r.Execs
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t\n", r.Target, humanize.Comma(r.Execs), humanize.Comma(r.PerMinute()), r.Interesting, r.Memory>>20)
	}
	t.Flush()
	fmt.Fprintf(w, "%d targets, %s executions\n", len(results), humanize.Comma(total))
	for _, r := range results {
		if why := reason(r.Target); why != "" && r.PerMinute() < least {
			fmt.Fprintf(w, "%s is slower: %s\n", r.Target, why)
		}
	}
}

// judge says which targets failed, were too slow without a reason, or too large.
func judge(results []Result, least, memory int64) error {
	var bad []error
	for _, r := range results {
		switch n := r.PerMinute(); {
		case r.Failure != "":
			bad = append(bad, fmt.Errorf("%s failed", r.Target))
		case n < least && reason(r.Target) == "":
			bad = append(bad, fmt.Errorf("%s was executed %s times in a minute; -least is %s", r.Target, humanize.Comma(n), humanize.Comma(least)))
		case r.Memory > memory:
			bad = append(bad, fmt.Errorf("%s took %d MiB; -memory is %d", r.Target, r.Memory>>20, memory>>20))
		}
	}
	return errors.Join(bad...)
}

// ask returns what a go command prints, run in a folder: the current one if "".
func ask(dir string, args ...string) (string, error) {
	c := exec.Command("go", args...)
	c.Dir = dir
	var words strings.Builder
	c.Stderr = &words
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %s", strings.Join(args, " "), cmp.Or(strings.TrimSpace(words.String()), err.Error()))
	}
	return strings.TrimSpace(string(out)), nil
}
