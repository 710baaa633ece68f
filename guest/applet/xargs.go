package applet

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// xargs is one run of it.
type xargs struct {
	*Call
	command        []string
	trace, ask     bool
	most, size     int    // words and bytes of one command line
	placeholder    string // what -I has a word put in place of
	words          []string
	bytes          int
	lines, inWords int // how many lines a command gets, and how many the words are of
	ran            bool
}

func runXargs(c *Call) error {
	x := &xargs{Call: c}
	null, runEmpty, delimiter := false, false, ""
	most, lines, size := "", "", ""
	args, err := c.command(func(f flagSet) {
		f.BoolVarP(&null, "null", "0", false, "words end with a zero byte")
		f.StringVarP(&delimiter, "delimiter", "d", "", "words end with this byte")
		f.StringVarP(&most, "max-args", "n", "", "how many words a command gets")
		f.StringVarP(&lines, "max-lines", "L", "", "how many lines a command gets")
		f.StringVarP(&size, "max-chars", "s", "131072", "how many bytes a command line has")
		f.StringVarP(&x.placeholder, "replace", "I", "", "run the command for each line, which stands in place of this")
		f.BoolVarP(&runEmpty, "no-run-if-empty", "r", false, "run nothing where there is no word")
		f.BoolVarP(&x.trace, "verbose", "t", false, "say what is run")
		f.BoolVarP(&x.ask, "interactive", "p", false, "ask before each")
	}, 0)
	if err != nil {
		return err
	}
	var err1, err2, err3 error
	x.most, err1 = parseNumber(cmp.Or(most, "0"))
	x.lines, err2 = parseNumber(cmp.Or(lines, "0"))
	x.size, err3 = parseNumber(cmp.Or(size, "0"))
	if err := cmp.Or(err1, err2, err3); err != nil {
		return usageError{err.Error()}
	}
	if x.most == 0 && most != "" || x.lines == 0 && lines != "" {
		return errors.New("-n and -L take 1 and more, not 0")
	}
	x.command = orElse(args, "echo")
	end := -1
	switch {
	case null:
		end = 0
	case delimiter != "":
		b, rest := unescape(delimiter)
		if rest != "" {
			return usageError{fmt.Sprintf("%q is not one byte", delimiter)}
		}
		end = int(b)
	}
	if end >= 0 {
		var failed error
		err = eachEnded(c.Stdin, byte(end), func(word string) bool { failed = x.add(word); return failed == nil })
		err = cmp.Or(failed, err)
	} else {
		err = x.split(bufio.NewReaderSize(c.Stdin, bufferSize))
	}
	if err == nil && (len(x.words) > 0 || !x.ran && !runEmpty && x.placeholder == "") {
		err = x.run()
	}
	return err
}

// split reads words that blanks and ends of lines part; quotes and backslashes keep them
// together. With -I a line is a word.
func (x *xargs) split(in *bufio.Reader) error {
	var word []byte
	started, quote, wordsBefore := false, byte(0), false
	for blankBefore := false; ; {
		b, err := in.ReadByte()
		switch {
		case err != nil && quote != 0, b == '\n' && quote != 0:
			return fmt.Errorf("quote %q without its end (-0 takes quotes as they are)", quote)
		case err != nil && !started:
			return notEOF(err)
		case err != nil:
			return cmp.Or(x.add(string(word)), notEOF(err))
		case quote != 0 && b == quote:
			quote = 0
		case quote != 0:
			word = append(word, b)
		case b == '\'' || b == '"':
			quote, started = b, true
		case b == '\\':
			if b, err = in.ReadByte(); err == nil {
				word, started = append(word, b), true
			}
		case b == '\n' || (b == ' ' || b >= '\t' && b <= '\r') && (x.placeholder == "" || !started):
			if started {
				if err := x.add(string(word)); err != nil {
					return err
				}
				word, started, wordsBefore = nil, false, true
			}
			if b == '\n' && wordsBefore && !blankBefore {
				wordsBefore = false
				if err := x.endLine(); err != nil {
					return err
				}
			}
		default:
			word, started = append(word, b), true
		}
		blankBefore = b == ' ' || b == '\t'
	}
}

func (x *xargs) endLine() error {
	if x.inWords++; x.lines == 0 || x.inWords < x.lines {
		return nil
	}
	return x.run()
}

// add takes a word, and runs the command where it has enough.
func (x *xargs) add(word string) error {
	if x.placeholder != "" {
		return x.execute(replaced(x.command, x.placeholder, word))
	}
	fixed := 0
	for _, w := range x.command {
		fixed += len(w) + 1
	}
	n := len(word) + 1
	if fixed+x.bytes+n > x.size && len(x.words) > 0 {
		if err := x.run(); err != nil {
			return err
		}
	}
	if fixed+n > x.size {
		return fmt.Errorf("a word of %d bytes; a command line has %d at most", len(word), x.size)
	}
	x.words = append(x.words, word)
	if x.bytes += n; x.most > 0 && len(x.words) == x.most {
		return x.run()
	}
	return nil
}

func (x *xargs) run() error {
	words := slices.Concat(x.command, x.words)
	x.words, x.bytes, x.inWords = nil, 0, 0
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
	switch {
	case x.ask:
		if yes, err := x.answer(words); !yes || err != nil {
			return err
		}
	case x.trace:
		fmt.Fprintln(x.Stderr, strings.Join(words, " "))
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

// answer asks on the terminal, since standard input has the words.
func (x *xargs) answer(words []string) (bool, error) {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false, err
	}
	defer tty.Close()
	asking := *x.Call
	asking.Stdin = &input{tty, x.Stdout}
	return asking.confirm("run " + strings.Join(words, " ")), nil
}

// replaced puts a word in place of what stands for it.
func replaced(command []string, placeholder, word string) []string {
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = strings.ReplaceAll(w, placeholder, word)
	}
	return words
}
