package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"ingot/internal/printable"
	"ingot/partition"
	"ingot/recipes/plan"
)

// progress shows how many bytes are done, of a total where that is known: a bar on a
// terminal, elsewhere a line now and then.
type progress struct {
	add   func(n int64)
	close func()
}

// lineEvery is how often a line comes where there is no terminal: often enough to
// see that work goes on, seldom enough for a log.
const lineEvery = 5 * time.Second

// unknownTotal is the total of work whose size is unknown until its end.
const unknownTotal = -1

func newProgress(w io.Writer, quiet bool, what string, total int64) progress {
	if quiet {
		return progress{func(int64) {}, func() {}}
	}
	if terminal, ok := terminalOf(w); ok && drawsOn(os.Getenv) {
		bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(terminal), progressbar.OptionSetDescription(printable.Name(what)),
			progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionUseIECUnits(true), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(65*time.Millisecond), progressbar.OptionFullWidth())
		return progress{func(n int64) { bar.Add64(n) }, func() { bar.Finish() }}
	}
	return newLines(w, what, total)
}

// drawsOn says whether ingot draws and colours on a terminal: not if TERM says that the
// terminal cannot do that, or NO_COLOR forbids it.
func drawsOn(getenv func(string) string) bool {
	kind := getenv("TERM")
	return kind != "" && kind != "dumb" && getenv("NO_COLOR") == ""
}

// announce names work without a count if it takes long. The function that it returns ends
// that.
func announce(w io.Writer, quiet bool, what string) (done func()) {
	if quiet {
		return func() {}
	}
	ended, said := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(said)
		select {
		case <-ended:
		case <-time.After(lineEvery):
			fmt.Fprintf(w, "%s…\n", printable.Name(what))
		}
	}()
	return func() {
		close(ended)
		<-said
	}
}

func newLines(w io.Writer, what string, total int64) progress {
	var mu sync.Mutex
	var done int64
	next := time.Now().Add(lineEvery)
	return progress{
		add: func(n int64) {
			mu.Lock()
			defer mu.Unlock()
			done += n
			if now := time.Now(); now.After(next) {
				next = now.Add(lineEvery)
				if total == unknownTotal {
					fmt.Fprintf(w, "%s: %s\n", what, partition.FormatBytes(done))
					return
				}
				fmt.Fprintf(w, "%s: %s of %s (%d %%)\n", what, partition.FormatBytes(done), partition.FormatBytes(total), 100*done/max(total, 1))
			}
		},
		close: func() {},
	}
}

// showPacking has the planning of a recipe show what it compresses. The function that is
// returned ends that.
func showPacking(w io.Writer, quiet bool, h *plan.Host) func() {
	var once sync.Once
	var bar progress
	h.Packed = func(n, total int64) {
		once.Do(func() { bar = newProgress(w, quiet, "compressing", total) })
		bar.add(n)
	}
	return func() {
		if bar.close != nil {
			bar.close()
		}
	}
}
