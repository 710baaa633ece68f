package applet

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// xargs is one run of it.
type xargs struct {
	*Call
	command     []string
	null, trace bool
	ask         bool
	most        int    // how many words a command gets; 0 is no limit
	placeholder string // the text that -I replaces with a word
	words       []string
	size        int // of the command line so far, in bytes
	ran         bool
}

// maxCommandLine is how many bytes a command line has, as with GNU xargs.
const maxCommandLine = 128 << 10

func runXargs(c *Call) error {
	x := &xargs{Call: c}
	c.flags.BoolVarP(&x.null, "null", "0", false, "words end with a zero byte")
	most := option(c, "max-args", "n", 0, "how many `WORDS` a command gets", parseNumber)
	c.flags.StringVarP(&x.placeholder, "replace", "I", "", "run the command for each line, which stands in place of this")
	runEmpty := c.flags.BoolP("no-run-if-empty", "r", false, "run nothing where there is no word")
	c.flags.BoolVarP(&x.trace, "verbose", "t", false, "print each command")
	c.flags.BoolVarP(&x.ask, "interactive", "p", false, "ask before each command")
	x.command = orElse(c.command(0), "echo")
	if x.most = *most; x.most == 0 && c.flags.Changed("max-args") {
		return errors.New("-n takes 1 and more, not 0")
	}
	x.reset()
	err := x.read(bufio.NewReaderSize(c.Stdin, bufferSize))
	if err == nil && (len(x.words) > 0 || !x.ran && !*runEmpty && x.placeholder == "") {
		err = x.run()
	}
	return err
}

// read reads words that blanks and ends of lines part; quotes and backslashes keep them
// together. With -I a line is a word; with -0 there are neither blanks nor quotes.
func (x *xargs) read(in *bufio.Reader) error {
	var word []byte
	started, quote := false, byte(0)
	for {
		b, err := in.ReadByte()
		switch ended := err != nil; {
		case ended && !started:
			return notEOF(err)
		case quote != 0 && (ended || b == '\n'):
			return fmt.Errorf("quote %q without its end (-0 takes quotes as they are)", quote)
		case ended, x.null && b == 0, !x.null && quote == 0 && x.parts(b, started):
			if started || x.null {
				if err := x.add(string(word)); err != nil {
					return err
				}
				word, started = word[:0], false
			}
			if ended {
				return notEOF(err)
			}
			continue
		case x.null, quote != 0 && b != quote:
			word = append(word, b)
		case quote != 0:
			quote = 0
		case b == '\'' || b == '"':
			quote = b
		case b == '\\':
			if b, err = in.ReadByte(); err != nil {
				continue
			}
			word = append(word, b)
		default:
			word = append(word, b)
		}
		if started = true; len(word) > maxCommandLine {
			return fmt.Errorf("a word of more than %d bytes", maxCommandLine)
		}
	}
}

// parts returns whether a byte ends a word.
func (x *xargs) parts(b byte, started bool) bool {
	return b == '\n' || (b == ' ' || b >= '\t' && b <= '\r') && (x.placeholder == "" || !started)
}

// add takes a word, and runs the command where it has enough.
func (x *xargs) add(word string) error {
	if x.placeholder != "" {
		return x.execute(replaced(x.command, x.placeholder, word))
	}
	n := len(word) + 1
	if x.size+n > maxCommandLine && len(x.words) > 0 {
		if err := x.run(); err != nil {
			return err
		}
	}
	if x.size+n > maxCommandLine {
		return fmt.Errorf("a word of %d bytes; a command line has %d at most", len(word), maxCommandLine)
	}
	x.words = append(x.words, word)
	if x.size += n; x.most > 0 && len(x.words) == x.most {
		return x.run()
	}
	return nil
}

// reset starts the next command line.
func (x *xargs) reset() {
	x.words, x.size = nil, 0
	for _, w := range x.command {
		x.size += len(w) + 1
	}
}

func (x *xargs) run() error {
	words := slices.Concat(x.command, x.words)
	x.reset()
	return x.execute(words)
}

// Exit statuses of xargs.
const (
	someFailed = 123
	enough     = 124 // a command ended with 255, which ends all
	oneKilled  = 125
)

func (x *xargs) execute(words []string) error {
	x.ran = true
	switch command := strings.Join(words, " "); {
	case x.ask: // on the terminal, since standard input has the words
		tty, err := os.Open("/dev/tty")
		if err != nil {
			return err
		}
		defer tty.Close()
		asking := *x.Call
		asking.Stdin = &input{tty, x.Stdout}
		if !asking.confirm("run " + command) {
			return nil
		}
	case x.trace:
		fmt.Fprintln(x.Stderr, command)
	}
	switch status, signal := x.child(words, nil); {
	case signal != 0:
		return statusError{oneKilled, fmt.Errorf("%s: ended by signal %d", words[0], signal)}
	case status == statusNotFound || status == statusNotRunnable:
		return Status(status)
	case status == 255:
		return statusError{enough, fmt.Errorf("%s: ended with status 255", words[0])}
	case status != 0:
		x.status = someFailed
	}
	return nil
}

// replaced replaces a placeholder with a word.
func replaced(command []string, placeholder, word string) []string {
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = strings.ReplaceAll(w, placeholder, word)
	}
	return words
}
