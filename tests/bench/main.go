package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"ingot/internal/memory"
)

// bench is what the benchmarks share.
type bench struct {
	dir   string // holds the closure, and what is written
	runs  int
	self  string // this program
	ingot string // the program that is measured
}

// benchmarks in the order in which they are run.
var benchmarks = []struct {
	name string
	run  func(*bench) error
}{
	{"raw", (*bench).raw},
	{"reflink", (*bench).reflink},
	{"nar", (*bench).nar},
	{"db", (*bench).database},
	{"register", (*bench).register},
	{"copy", (*bench).copy},
	{"dedupe", (*bench).dedupe},
	{"check", (*bench).check},
	{"live", (*bench).live},
	{"iso", (*bench).iso},
	{"squashfs", (*bench).squashfs},
	{"erofs", (*bench).erofs},
	{"nbd", (*bench).nbd},
	{"store", (*bench).store},
	{"network", (*bench).network},
	{"exec", (*bench).exec},
	{"run", (*bench).run},
	{"memory", (*bench).memory},
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "work" {
		memory.Tune() // as ingot does
		exit(work(os.Args[2:]))
	}
	// An interrupt ends the child that runs; this program then ends by its error, and
	// removes and unmounts what it made.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	b := &bench{}
	flag.StringVar(&b.dir, "dir", filepath.Join(os.TempDir(), fmt.Sprintf("ingot-bench-%d", os.Getuid())), "where the closure lies, and what is written")
	flag.StringVar(&b.ingot, "ingot", "bin/ingot", "the program to measure")
	flag.IntVar(&b.runs, "runs", 5, "how often each contestant runs")
	flag.Parse()
	exit(b.main(flag.Args()))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (b *bench) main(names []string) error {
	var known []string
	for _, m := range benchmarks {
		known = append(known, m.name)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return fmt.Errorf("%s: no such benchmark; there are %s", n, strings.Join(known, ", "))
		}
	}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.ingot, err = filepath.Abs(b.ingot); err != nil {
		return err
	}
	if err := b.prepare(); err != nil {
		return err
	}
	fmt.Printf("%s, %d processors, %d runs each\n", kernel(), runtime.NumCPU(), b.runs)
	for _, m := range benchmarks {
		if len(names) == 0 || slices.Contains(names, m.name) {
			if err := m.run(b); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
	}
	fmt.Printf("\nThe closure stays in %s for the next time.\n", b.dir)
	return nil
}

// prepare makes the closure unless it is there.
func (b *bench) prepare() error {
	done := filepath.Join(b.dir, "complete")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "making a closure of %d MiB in %d paths in %s\n", gibibyte.Bytes>>20, gibibyte.Paths, b.dir)
	// A store's folders are read-only, and os.RemoveAll takes that for an answer.
	if out, err := exec.Command("sh", "-c", `[ ! -e "$1" ] || chmod -R u+w "$1" && rm -rf "$1"`, "sh", b.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", b.dir, err, out)
	}
	for _, task := range []string{"generate", "register"} {
		if err := b.command("work", task, b.dir); err != nil {
			return err
		}
	}
	return os.WriteFile(done, nil, 0o644)
}

// command runs this program.
func (b *bench) command(args ...string) error {
	cmd := exec.Command(b.self, args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func kernel() string {
	out, err := exec.Command("uname", "-srm").Output()
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(out))
}
