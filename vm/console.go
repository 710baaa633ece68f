package vm

import (
	"io"
	"strings"
	"sync"
)

// keep is how many bytes a console remembers, at least.
const keep = 1 << 20

// console collects what a guest prints.
type console struct {
	mu      sync.Mutex
	text    []byte
	dropped int           // bytes that were printed before text
	mark    int           // where the next wait starts to look, from the very start
	changed chan struct{} // closed, and made anew, when something happens
	ended   bool
	over    chan struct{} // closed when all has been collected
	copy    io.Writer     // gets it all as well, or nil; what it fails at is its own affair
}

func newConsole() *console { return &console{changed: make(chan struct{}), over: make(chan struct{})} }

// collect reads until the end, once.
func (c *console) collect(r io.Reader) {
	defer close(c.over)
	buf := make([]byte, 1<<14)
	for {
		n, err := r.Read(buf)
		if c.copy != nil && n > 0 {
			_, _ = c.copy.Write(buf[:n])
		}
		c.add(buf[:n], err != nil)
		if err != nil {
			return
		}
	}
}

func (c *console) add(p []byte, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, p...)
	if surplus := len(c.text) - 2*keep; surplus > 0 {
		cut := len(c.text) - keep
		c.text = append([]byte(nil), c.text[cut:]...)
		c.dropped += cut
	}
	c.ended = c.ended || ended
	close(c.changed)
	c.changed = make(chan struct{})
}

// unread returns what was printed since the mark, and what tells of more.
func (c *console) unread() (text string, ended bool, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := max(0, c.mark-c.dropped)
	return string(c.text[min(from, len(c.text)):]), c.ended, c.changed
}

// advance moves the mark over n bytes of what unread returned, whose length was of.
func (c *console) advance(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark = max(c.mark, c.dropped) + n
}

func (c *console) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}

// Write adds to the console: of what QEMU says of itself, as the standard error that it gets.
func (c *console) Write(p []byte) (int, error) {
	c.add(p, false)
	return len(p), nil
}

// end returns the last 8 KiB.
func (c *console) end() string {
	text := c.all()
	return strings.TrimSpace(text[max(0, len(text)-8<<10):])
}
