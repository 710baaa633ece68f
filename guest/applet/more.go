package applet

import (
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// runMore shows a screen at a time: Enter goes on by a line, q ends, any other
// key goes on by a screen. Off a terminal it is cat.
func runMore(c *Call) error {
	files := c.parse(0, -1)
	out, ok := c.Stdout.terminalFile()
	if !ok {
		return c.eachInput(files, c.pass)
	}
	// Keys come from the terminal, since standard input may be the text to show.
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	p := &pager{tty: tty, out: out, width: 80, height: 24}
	if w, h, err := term.GetSize(int(out.Fd())); err == nil && w > 0 && h > 1 {
		p.width, p.height = w, h
	}
	p.left = p.height - 1
	return c.eachInput(files, func(_ string, r io.Reader) error { return eachLine(r, p.line) })
}

type pager struct {
	tty, out      *os.File
	width, height int
	left          int // rows until the next pause
	ended         bool
}

func (p *pager) line(line string) bool {
	if p.ended {
		return false
	}
	rows := 1 + max(0, utf8.RuneCountInString(line)-1)/p.width
	if p.left < rows && !p.pause() {
		p.ended = true
		return false
	}
	p.left -= rows
	fmt.Fprintln(p.out, line)
	return true
}

func (p *pager) pause() bool {
	fd := int(p.tty.Fd())
	fmt.Fprint(p.out, "--more--")
	old, err := term.MakeRaw(fd)
	if err != nil {
		return false
	}
	var key [1]byte
	_, err = p.tty.Read(key[:])
	term.Restore(fd, old)
	fmt.Fprint(p.out, "\r        \r")
	switch {
	case err != nil, key[0] == 'q', key[0] == 'Q', key[0] == 3, key[0] == 4:
		return false
	case key[0] == '\r' || key[0] == '\n':
		p.left = 1
	default:
		p.left = p.height - 1
	}
	return true
}
