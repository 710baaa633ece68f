package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/tests/testenv"
)

// module returns the module's folder and its targets.
func module(t *testing.T) (string, []Target) {
	t.Helper()
	root := testenv.Sources(t)
	targets, err := Targets(root)
	if err != nil {
		t.Fatal(err)
	}
	return root, targets
}

// TestTable holds docs/testing.md: every target is in its table, and what is there exists.
func TestTable(t *testing.T) {
	root, targets := module(t)
	text, err := os.ReadFile(filepath.Join(root, tableFile))
	if err != nil {
		t.Fatal(err)
	}
	in := rows(string(text))
	for _, target := range targets {
		if in[target.String()] == "" {
			t.Errorf("%s: there is no row for the target %s:\n| what it reads | `%s` | %s |", tableFile, target, target, noRun)
		}
		if n := strings.Count(string(text), "`"+target.String()+"`"); n > 1 {
			t.Errorf("%s: there are %d rows for the target %s", tableFile, n, target)
		}
		delete(in, target.String())
	}
	for name := range in {
		t.Errorf("%s: there is no target %s", tableFile, name)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.Contains(line, " Fuzz") && strings.HasPrefix(line, "|") && row.FindStringSubmatch(line) == nil {
			t.Errorf("%s: this is no row of the table: %s", tableFile, line)
		}
	}
}

func TestSlow(t *testing.T) {
	_, targets := module(t)
	exists := map[string]bool{}
	for _, target := range targets {
		exists[target.String()] = true
	}
	for _, s := range Slow {
		if !exists[s.Target] || s.Why == "" {
			t.Errorf("%q: %q; want a target and a reason", s.Target, s.Why)
		}
	}
}

func TestFollow(t *testing.T) {
	const printed = `fuzz: elapsed: 0s, gathering baseline coverage: 0/5 completed
fuzz: elapsed: 0s, gathering baseline coverage: 5/5 completed, now fuzzing with 1 workers
fuzz: elapsed: 3s, execs: 26064 (8686/sec), new interesting: 129 (total: 134)
fuzz: elapsed: 1m1s, execs: 1296590 (14006/sec), new interesting: 1430 (total: 1435)
fuzz: minimizing 105-byte failing input file
--- FAIL: FuzzX (9.58s)
`
	var r Result
	words, began := r.follow(strings.NewReader(printed))
	if r.Execs != 1296590 || r.Interesting != 1430 || began.IsZero() {
		t.Errorf("follow = %+v", r)
	}
	if want := "fuzz: minimizing 105-byte failing input file\n--- FAIL: FuzzX (9.58s)\n"; words != want {
		t.Errorf("what is not progress = %q; want %q", words, want)
	}
}

// TestTimeUp: that the time of a target is over is no failure, and all else is.
func TestTimeUp(t *testing.T) {
	for _, x := range []struct {
		printed string
		want    bool
	}{
		{"--- FAIL: FuzzSizes (60.11s)\n    context deadline exceeded\nFAIL\n", true},
		{"--- FAIL: FuzzSizes (9.58s)\n    --- FAIL: FuzzSizes (0.00s)\n        words_test.go:1: context deadline exceeded\nFAIL\n", false},
		{"--- FAIL: FuzzSizes (9.58s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\nFAIL\n", false},
		{"fuzz: minimizing 105-byte failing input file\n--- FAIL: FuzzSizes (60.11s)\n    context deadline exceeded\nFAIL\n", false},
		{"--- FAIL: FuzzSizes (60.11s)\n    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzSizes/0\nFAIL\n", false},
		{"", false},
	} {
		if got := timeUp.MatchString(x.printed); got != x.want {
			t.Errorf("time is up by %q = %t; want %t", x.printed, got, x.want)
		}
	}
}

// TestAlone: what a target is held to is the time that it has had processors.
func TestAlone(t *testing.T) {
	r := runner{workers: 4}
	if got := r.alone(2 * time.Minute); got != 30*time.Second {
		t.Errorf("two minutes of processors for 4 workers = %v; want 30s", got)
	}
}

func TestJudge(t *testing.T) {
	good := Result{Target: Target{"a", "FuzzA"}, Execs: 100, Elapsed: time.Minute}
	failed := Result{Target: Target{"a", "FuzzB"}, Execs: 100, Elapsed: time.Minute, Failure: "x"}
	large := Result{Target: Target{"a", "FuzzC"}, Execs: 100, Elapsed: time.Minute, Memory: 9 << 20}
	if err := judge([]Result{good}, 100, 8<<20); err != nil {
		t.Errorf("judge = %v", err)
	}
	err := judge([]Result{good, failed, large}, 101, 8<<20)
	want := "a FuzzA was executed 100 times in a minute; -least is 101\na FuzzB failed\na FuzzC was executed 100 times in a minute; -least is 101"
	if err == nil || err.Error() != want {
		t.Errorf("judge = %v; want %s", err, want)
	}
	if err := judge([]Result{large}, 0, 8<<20); err == nil || err.Error() != "a FuzzC took 9 MiB; -memory is 8" {
		t.Errorf("judge = %v", err)
	}
}

func TestRecorded(t *testing.T) {
	const before = "| a | `x/y FuzzA` | — |\n| b | `x FuzzB` | 7 |\n| c | `x FuzzC` | 1,000 |\n"
	got := recorded(recorded(before, Result{Target: Target{"x/y", "FuzzA"}, Execs: 1_000_123}), Result{Target: Target{"x", "FuzzD"}, Execs: 5})
	if want := strings.Replace(before, noRun, "1,000,123", 1); got != want {
		t.Errorf("recorded = %s; want %s", got, want)
	}
}

// TestRun runs a target that holds and one that does not, of a module of their own.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("instruments the standard library")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module ingot\n\ngo 1.24\n",
		"p/p.go": "package p\n\nfunc Long(b []byte) bool { return len(b) > 5 }\n",
		"p/p_test.go": `package p

import "testing"

func FuzzGood(f *testing.F) { f.Fuzz(func(t *testing.T, b []byte) { Long(b) }) }

func FuzzBad(f *testing.F) {
	f.Add([]byte("seed"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if Long(b) {
			panic("too long")
		}
	})
}

func (s suite) FuzzOf(f *testing.F) {}

type suite struct{}
`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	targets, err := Targets(dir)
	if err != nil || len(targets) != 2 || targets[0].String() != "p FuzzBad" || targets[1].String() != "p FuzzGood" {
		t.Fatalf("Targets = %v, %v; want p FuzzBad and p FuzzGood", targets, err)
	}
	r := &runner{module: dir, work: t.TempDir(), cache: t.TempDir(), workers: 1, limit: Limit{Execs: 20_000}}
	var out bytes.Buffer
	results, err := r.all(t.Context(), targets, &out)
	if err != nil || len(results) != 2 {
		t.Fatalf("all = %v, %v", results, err)
	}
	bad, good := results[0], results[1]
	if !strings.Contains(bad.Failure, "too long") || !strings.Contains(out.String(), "The input is below p/testdata/fuzz/FuzzBad") {
		t.Errorf("FuzzBad = %+v, and it printed\n%s", bad, &out)
	}
	if inputs, _ := filepath.Glob(filepath.Join(dir, "p/testdata/fuzz/FuzzBad/*")); len(inputs) != 1 {
		t.Errorf("the inputs that failed are %q; want one", inputs)
	}
	if good.Failure != "" || good.Execs < 20_000 || good.Memory == 0 || good.PerMinute() == 0 {
		t.Errorf("FuzzGood = %+v; want 20,000 executions", good)
	}
}
