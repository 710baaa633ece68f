package network

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"ingot/internal/lazy"
	"ingot/internal/printable"
)

// Consoles joins the consoles of several machines in one stream of lines, each with
// the name of its machine before it.
type Consoles struct {
	mu    sync.Mutex
	out   io.Writer
	color bool
	width int
	count int
	pause time.Duration // how long is waited for the rest of a line
	open  *Console      // whose unfinished line is shown last
	err   error
}

const (
	defaultPause = 300 * time.Millisecond

	// longestLine is how much of a line waits for its end.
	longestLine = 1 << 14
)

// NewConsoles returns a stream for machines of these names, with colours or without.
func NewConsoles(out io.Writer, color bool, names ...string) *Consoles {
	c := &Consoles{out: out, color: color, pause: defaultPause}
	for _, name := range names {
		c.width = max(c.width, len(name))
	}
	return c
}

// A Console is that of one machine. What is written to it appears line by line; a line
// without an end, such as a prompt, appears when nothing follows it for a moment.
type Console struct {
	all    *Consoles
	prefix string
	line   []byte // not shown yet
	shown  bool   // the beginning of the line is on the screen
	timer  *time.Timer
}

// hues are the codes of colours that are legible on black and on white (ECMA-48, SGR).
var hues = []int{36, 32, 33, 35, 34, 31}

// Console returns the console of a machine.
func (a *Consoles) Console(name string) *Console {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &Console{all: a, prefix: fmt.Sprintf("%-*s | ", a.width, name)}
	if a.color {
		c.prefix = fmt.Sprintf("\x1b[%dm%s\x1b[0m", hues[a.count%len(hues)], c.prefix)
	}
	c.timer = time.AfterFunc(time.Hour, c.flush)
	c.timer.Stop()
	a.count++
	return c
}

func (c *Console) Write(p []byte) (int, error) {
	a := c.all
	a.mu.Lock()
	defer a.mu.Unlock()
	c.timer.Stop()
	for piece := range bytes.Lines(p) {
		c.line = append(c.line, piece...)
		if bytes.HasSuffix(piece, []byte("\n")) || len(c.line) > longestLine { // of a guest that never ends one
			c.show()
		}
	}
	if len(c.line) > 0 {
		c.timer.Reset(a.pause)
	}
	return len(p), a.err
}

// Close shows what is left and ends the line.
func (c *Console) Close() error {
	a := c.all
	a.mu.Lock()
	defer a.mu.Unlock()
	c.timer.Stop()
	if len(c.line) > 0 || c.shown {
		c.line = append(c.line, '\n')
		c.show()
	}
	return a.err
}

func (c *Console) flush() {
	a := c.all
	a.mu.Lock()
	defer a.mu.Unlock()
	rest := halfControl().Find(c.line)
	c.line = c.line[:len(c.line)-len(rest)]
	c.show()
	c.line = append(c.line, rest...)
}

// controls are what would move the cursor or clear the screen (ECMA-48): a firmware, a
// boot loader and a line editor believe that the terminal is theirs. What is left is still
// escaped: there are controls beyond ASCII.
var controls = lazy.Regexp(`\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)|[\x00-\x08\x0b-\x1f\x7f]`)

// halfControl is the beginning of one, whose end may come after a pause.
var halfControl = lazy.Regexp(`\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b\n]*\x1b?|[ -/]*)$`)

// show writes what there is of a line. The lock is held.
func (c *Console) show() {
	a := c.all
	line := controls().ReplaceAll(c.line, nil)
	if c.line = c.line[:0]; len(line) == 0 {
		return
	}
	var b []byte
	switch {
	case a.open == c: // it goes on
	case a.open != nil:
		a.open.shown = false
		b = append(b, '\n')
		fallthrough
	default:
		b = append(b, c.prefix...)
	}
	b = append(b, printable.Text(string(line))...)
	c.shown = b[len(b)-1] != '\n'
	a.open = nil
	if c.shown {
		a.open = c
	}
	if _, err := a.out.Write(b); err != nil && a.err == nil {
		a.err = err
	}
}
