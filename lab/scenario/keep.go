package scenario

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// What a test keeps lies in one folder with what `copy out` has brought from guests, also
// in earlier runs. So no name there is trusted: it may be a link to any file of the host.

// create makes a file in the folder of results, in place of what has its name.
func (p *play) create(name string) (*os.File, error) {
	path := filepath.Join(p.folder, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// open opens a file in the folder of results, to be read.
func (p *play) open(name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(p.folder, name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s: no regular file", f.Name()))
	}
	return f, nil
}

const (
	// maxConsole is how much of a console is kept in its file.
	maxConsole = 256 << 20
	// maxConsoleText is how much of it, the last, goes into a report.
	maxConsoleText = 4 << 20
)

// console keeps what a machine prints, over all its starts.
type console struct {
	mu      sync.Mutex
	text    []byte
	file    io.Writer
	written int
	failed  error
}

func (c *console) Write(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = len(p)
	c.text = append(c.text, p...)
	if len(c.text) > 2*maxConsoleText {
		c.text = append([]byte(nil), c.text[len(c.text)-maxConsoleText:]...)
	}
	if room := maxConsole - c.written; room < len(p) {
		p = p[:max(room, 0)]
		if room >= 0 {
			p = append(p[:room:room], fmt.Sprintf("\n[the console has printed more than %d bytes: the rest is left out]\n", maxConsole)...)
		}
	}
	c.written += len(p)
	if c.failed == nil {
		_, c.failed = c.file.Write(p)
	}
	return n, c.failed
}

// last returns the end of what was printed.
func (c *console) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text[max(0, len(c.text)-maxConsoleText):])
}
