package network

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

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
	filter filter
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
	text := c.filter.apply(p)
	for {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			break
		}
		c.line = append(c.line, text[:i+1]...)
		c.show()
		text = text[i+1:]
	}
	switch c.line = append(c.line, text...); {
	case len(c.line) > longestLine: // of a guest that never ends one
		c.show()
	case len(c.line) > 0:
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
	if len(c.line) > 0 {
		c.show()
	}
}

// show writes what there is of a line. The lock is held.
func (c *Console) show() {
	a := c.all
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
	b = append(b, printable.Text(string(c.line))...)
	c.shown = b[len(b)-1] != '\n'
	c.line, a.open = c.line[:0], nil
	if c.shown {
		a.open = c
	}
	if _, err := a.out.Write(b); err != nil && a.err == nil {
		a.err = err
	}
}

// filter takes out what would move the cursor or clear the screen: a firmware, a boot
// loader and a line editor believe that the terminal is theirs. What it leaves is still
// escaped: there are controls beyond ASCII.
type filter struct {
	state escape
}

type escape int

const (
	plain    escape = iota
	escaped         // after ESC
	sequence        // after ESC [
	title           // after ESC ], to BEL or ESC
)

func (f *filter) apply(p []byte) []byte {
	out := make([]byte, 0, len(p))
	for _, b := range p {
		switch f.state {
		case plain:
			switch {
			case b == 0x1b:
				f.state = escaped
			case b == '\n' || b == '\t' || b >= ' ' && b != 0x7f:
				out = append(out, b)
			}
		case escaped:
			f.state = plain
			switch {
			case b == '[':
				f.state = sequence
			case b == ']':
				f.state = title
			case b >= ' ' && b <= '/':
				f.state = escaped // an intermediate byte
			}
		case sequence:
			if b >= '@' && b <= '~' {
				f.state = plain
			}
		case title:
			if b == 0x07 {
				f.state = plain
			} else if b == 0x1b {
				f.state = escaped
			}
		}
	}
	return out
}
