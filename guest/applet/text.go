package applet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

func textApplets() []Applet {
	return []Applet{
		{"base64", "[-di] [-w COLUMNS] [FILE]", "encode or decode", runBase64},
		{"cat", "[-AbeEnstTv] [FILE...]", "print files one after the other", runCat},
		{"cut", "-b LIST | -c LIST | -f LIST [-d CHAR] [-s] [FILE...]", "print parts of lines", runCut},
		{"grep", "[-EFGHLchilnoqrsvwxz] [-ABC LINES] PATTERN [FILE...]", "print lines that match", runGrep},
		{"head", "[-qv] [-n LINES] [-c BYTES] [FILE...]", "print the start of files", runHead},
		{"hexdump", "[-Cv] [-n BYTES] [-s OFFSET] [FILE...]", "print bytes as numbers", runHexdump},
		{"less", "[FILE...]", "show files page by page", runMore},
		{"more", "[FILE...]", "show files page by page", runMore},
		{"sort", "[-bcdfghinrsuVz] [-k KEY]... [-t CHAR] [-o FILE] [FILE...]", "sort lines", runSort},
		{"strings", "[-a] [-n LENGTH] [FILE...]", "print the text in binary files", runStrings},
		{"tail", "[-fqv] [-n LINES] [-c BYTES] [FILE...]", "print the end of files", runTail},
		{"tee", "[-a] [FILE...]", "copy standard input to files and on", runTee},
		{"tr", "[-cdst] SET [SET]", "replace, squeeze or delete bytes", runTr},
		{"uniq", "[-cdiuz] [-f FIELDS] [-s CHARS] [-w CHARS] [FILE]", "drop lines that repeat the one before", runUniq},
		{"wc", "[-cLlmw] [FILE...]", "count lines, words and bytes", runWc},
	}
}

// eachLine calls fn for every line, without its end, until it returns false.
func eachLine(r io.Reader, fn func(line string) bool) error { return eachEnded(r, '\n', fn) }

// eachEnded does so for what ends with another byte.
func eachEnded(r io.Reader, end byte, fn func(line string) bool) error {
	return eachWhole(r, end, func(line string) bool { return fn(strings.TrimSuffix(line, string(rune(end)))) })
}

// eachWhole does so with the ends, which the last line may lack.
func eachWhole(r io.Reader, end byte, fn func(line string) bool) error {
	in := bufio.NewReaderSize(r, bufferSize)
	for {
		line, err := in.ReadString(end)
		if line != "" && !fn(line) {
			return nil
		}
		if err != nil {
			return notEOF(err)
		}
	}
}

// lineEnd is '\n', or a zero byte.
func lineEnd(zero bool) byte {
	if zero {
		return 0
	}
	return '\n'
}

func runCat(c *Call) error {
	f := c.flags()
	all := f.BoolP("show-all", "A", false, "as -vET")
	notBlank := f.BoolP("number-nonblank", "b", false, "number the lines that are not empty")
	vE := f.BoolP("show-visible-ends", "e", false, "as -vE")
	ends := f.BoolP("show-ends", "E", false, "$ at the end of lines")
	number := f.BoolP("number", "n", false, "number the lines")
	squeeze := f.BoolP("squeeze-blank", "s", false, "one empty line in place of several")
	vT := f.BoolP("show-visible-tabs", "t", false, "as -vT")
	tabs := f.BoolP("show-tabs", "T", false, "tabs as ^I")
	visible := f.BoolP("show-nonprinting", "v", false, "other bytes as ^X and M-X")
	f.BoolP("unbuffered", "u", false, "always on where it waits")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	*visible, *ends, *tabs = *visible || *all || *vE || *vT, *ends || *all || *vE, *tabs || *all || *vT
	if !*notBlank && !*ends && !*number && !*squeeze && !*tabs && !*visible {
		return c.eachInput(files, c.pass)
	}
	n, empty, started := 0, 0, false // of all files together
	return c.eachInput(files, func(_ string, r io.Reader) error {
		return eachWhole(r, '\n', func(line string) bool {
			if line == "\n" && !started {
				if empty++; *squeeze && empty > 1 {
					return true
				}
			} else {
				empty = 0
			}
			if !started && (*number && !*notBlank || *notBlank && line != "\n") {
				n++
				c.printf("%6d\t", n)
			}
			text, ended := strings.CutSuffix(line, "\n")
			started = !ended
			c.printf("%s", shown(text, *visible, *tabs))
			if ended && *ends {
				c.printf("$")
			}
			if ended {
				c.printf("\n")
			}
			return true
		})
	})
}

// pass prints what is read, as it is.
func (c *Call) pass(_ string, r io.Reader) error {
	_, err := io.Copy(c.Stdout, r)
	return err
}

// shown writes control characters as ^X, and what is above ASCII as M-X.
func shown(text string, visible, tabs bool) string {
	if !visible && !tabs {
		return text
	}
	var out strings.Builder
	for _, b := range []byte(text) {
		if b == '\t' && !tabs || b != '\t' && !visible {
			out.WriteByte(b)
			continue
		}
		if b >= 0x80 {
			out.WriteString("M-")
			b -= 0x80
		}
		switch {
		case b == 0x7F:
			out.WriteString("^?")
		case b < ' ':
			out.WriteString("^" + string(b+'@'))
		default:
			out.WriteByte(b)
		}
	}
	return out.String()
}

// oldCount turns the -5 of old into -n 5.
func oldCount(args []string) []string {
	if len(args) == 0 || len(args[0]) < 2 || args[0][0] != '-' || strings.Trim(args[0][1:], "0123456789") != "" {
		return args
	}
	return append([]string{"-n" + args[0][1:]}, args[1:]...)
}

// amount is how much head and tail print.
type amount struct {
	n              int64
	bytes          bool
	sign           byte // of the number, or 0
	end            byte // of lines
	quiet, verbose bool // of the names of the files
}

// amount reads the options that head and tail share.
func (c *Call) amount(f flagSet) (a amount, files []string, err error) {
	c.Args = oldCount(c.Args)
	lines := f.StringP("lines", "n", "10", "how many lines")
	size := f.StringP("bytes", "c", "", "how many bytes")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "never with the names of the files")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "always with the names of the files")
	zero := f.BoolP("zero-terminated", "z", false, "lines end with a zero byte")
	if files, err = c.parse(f, 0, -1); err != nil {
		return a, nil, err
	}
	a.end = lineEnd(*zero)
	text := *lines
	if f.Changed("bytes") {
		text, a.bytes = *size, true
	}
	if text != "" && (text[0] == '-' || text[0] == '+') {
		a.sign, text = text[0], text[1:]
	}
	a.n, err = parseSize(text)
	return a, files, err
}

// eachHeaded is eachInput with the names above what is printed.
func (c *Call) eachHeaded(files []string, a amount, fn func(r io.Reader) error) error {
	start := ""
	return c.eachInput(files, func(name string, r io.Reader) error {
		if name == "-" {
			name = "standard input"
		}
		if !a.quiet && (len(files) > 1 || a.verbose) {
			c.printf("%s==> %s <==\n", start, name)
			start = "\n"
		}
		return fn(r)
	})
}

func runHead(c *Call) error {
	a, files, err := c.amount(c.flags())
	if err != nil {
		return err
	}
	return c.eachHeaded(files, a, func(r io.Reader) error {
		switch {
		case a.bytes && a.sign == '-':
			return c.butBytes(r, a.n)
		case a.bytes:
			_, err := io.CopyN(c.Stdout, r, a.n)
			return notEOF(err)
		case a.sign == '-':
			return c.butLines(r, a)
		case a.n == 0:
			return nil
		}
		left := a.n
		return eachWhole(r, a.end, func(line string) bool {
			c.printf("%s", line)
			left--
			return left > 0
		})
	})
}

// butBytes prints all but the last bytes.
func (c *Call) butBytes(r io.Reader, n int64) error {
	var held []byte
	buf := make([]byte, bufferSize)
	for {
		m, err := r.Read(buf)
		held = append(held, buf[:m]...)
		if ready := int64(len(held)) - n; ready > 0 {
			c.Stdout.Write(held[:ready]) //nolint:errcheck // told at the end
			held = held[:copy(held, held[ready:])]
		}
		if err != nil {
			return notEOF(err)
		}
	}
}

// butLines prints all but the last lines.
func (c *Call) butLines(r io.Reader, a amount) error {
	var held []string
	return eachWhole(r, a.end, func(line string) bool {
		if held = append(held, line); int64(len(held)) > a.n {
			c.printf("%s", held[0])
			held = held[1:]
		}
		return true
	})
}

func runTail(c *Call) error {
	f := c.flags()
	follow := f.BoolP("follow", "f", false, "go on with what is added")
	a, files, err := c.amount(f)
	if err != nil {
		return err
	}
	if *follow && len(files) > 1 {
		return usageError{"-f follows one file"}
	}
	return c.eachHeaded(files, a, func(r io.Reader) error {
		var err error
		switch {
		case a.bytes && a.sign == '+':
			if _, err = io.CopyN(io.Discard, r, a.n-1); err == nil || a.n == 0 {
				_, err = io.Copy(c.Stdout, r)
			}
			err = notEOF(err)
		case a.bytes:
			err = c.tailBytes(r, a.n)
		case a.sign == '+':
			n := int64(0)
			err = eachWhole(r, a.end, func(line string) bool {
				if n++; n >= a.n {
					c.printf("%s", line)
				}
				return true
			})
		default:
			err = c.tailLines(r, a)
		}
		if err == nil && *follow {
			err = c.follow(r)
		}
		return err
	})
}

func (c *Call) tailBytes(r io.Reader, n int64) error {
	var end []byte
	buf := make([]byte, bufferSize)
	for {
		m, err := r.Read(buf)
		end = append(end, buf[:m]...)
		if spare := int64(len(end)) - n; spare > 0 && (err != nil || spare > n+bufferSize) {
			end = slices.Clone(end[spare:])
		}
		if err != nil {
			c.Stdout.Write(end) //nolint:errcheck // told at the end
			return notEOF(err)
		}
	}
}

func (c *Call) tailLines(r io.Reader, a amount) error {
	var ring []string
	next := 0
	err := eachWhole(r, a.end, func(line string) bool {
		switch {
		case a.n == 0:
		case int64(len(ring)) < a.n:
			ring = append(ring, line)
		default:
			ring[next] = line
			next = (next + 1) % len(ring)
		}
		return true
	})
	for i := range ring {
		c.printf("%s", ring[(next+i)%len(ring)])
	}
	return err
}

// follow prints what is added to a file, until the process is ended.
func (c *Call) follow(r io.Reader) error {
	for {
		if _, err := io.Copy(c.Stdout, r); err != nil {
			return err
		}
		if err := c.Stdout.flush(); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func runTee(c *Call) error {
	f := c.flags()
	add := f.BoolP("append", "a", false, "add to the files")
	names, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if *add {
		mode = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	outs := map[string]io.Writer{"": c.Stdout.to}
	for _, name := range names {
		file, err := os.OpenFile(name, mode, 0o666)
		if err != nil {
			c.warn(err)
			continue
		}
		defer file.Close()
		outs[name] = file
	}
	buf := make([]byte, bufferSize)
	for {
		n, err := c.Stdin.Read(buf)
		for name, out := range outs {
			if _, err := out.Write(buf[:n]); err != nil {
				c.warn(err)
				delete(outs, name) // the others have their share
			}
		}
		if err != nil {
			return notEOF(err)
		}
	}
}

// counts are what wc counts, in the order of its columns.
type counts [5]int64

const (
	countLines = iota
	countWords
	countChars
	countBytes
	countWidth // of the longest line
)

func runWc(c *Call) error {
	f := c.flags()
	var on [len(counts{})]*bool
	on[countLines] = f.BoolP("lines", "l", false, "lines")
	on[countWords] = f.BoolP("words", "w", false, "words")
	on[countChars] = f.BoolP("chars", "m", false, "characters")
	on[countBytes] = f.BoolP("bytes", "c", false, "bytes")
	on[countWidth] = f.BoolP("max-line-length", "L", false, "columns of the longest line")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	columns := 0
	for _, column := range on {
		columns += btoi(*column)
	}
	if columns == 0 {
		*on[countLines], *on[countWords], *on[countBytes] = true, true, true
		columns = 3
	}
	width := 1
	if len(files) > 1 || columns > 1 {
		width = c.countWidth(files)
	}
	show := func(n counts, name string) {
		var out []string
		for i, column := range on {
			if *column {
				out = append(out, fmt.Sprintf("%*d", width, n[i]))
			}
		}
		if name != "" {
			out = append(out, name)
		}
		c.printf("%s\n", strings.Join(out, " "))
	}
	var total counts
	err = c.eachInput(files, func(name string, r io.Reader) error {
		n, err := count(r, *on[countWords] || *on[countChars] || *on[countWidth])
		if len(files) == 0 {
			name = ""
		}
		show(n, name)
		for i := range total {
			total[i] += n[i]
		}
		total[countWidth] = max(total[countWidth]-n[countWidth], n[countWidth])
		return err
	})
	if len(files) > 1 {
		show(total, "total")
	}
	return err
}

// countWidth returns how wide the columns are: as wide as the size of all files has
// digits, or seven where one has no size to tell.
func (c *Call) countWidth(files []string) int {
	var sum int64
	least := 1
	for i, name := range orElse(files, "-") {
		info, err := c.statInput(name)
		switch {
		case err != nil && i == 0:
			return 1
		case err != nil:
		case info.Mode().IsRegular():
			sum += info.Size()
		default:
			least = 7
		}
	}
	return max(least, len(strconv.FormatInt(sum, 10)))
}

func (c *Call) statInput(name string) (os.FileInfo, error) {
	if name != "-" {
		return os.Stat(name)
	}
	if f, ok := c.Stdin.from.(*os.File); ok {
		return f.Stat()
	}
	return nil, errors.ErrUnsupported
}

// count counts characters, words and columns only where asked, which takes most of the time.
func count(r io.Reader, characters bool) (n counts, err error) {
	if !characters {
		buf := make([]byte, bufferSize)
		for {
			m, err := r.Read(buf)
			n[countBytes] += int64(m)
			n[countLines] += int64(bytes.Count(buf[:m], []byte("\n")))
			if err != nil {
				return n, notEOF(err)
			}
		}
	}
	in := bufio.NewReaderSize(r, bufferSize)
	inWord, column := false, int64(0)
	for {
		char, size, err := in.ReadRune()
		if err != nil {
			n[countWidth] = max(n[countWidth], column)
			return n, notEOF(err)
		}
		n[countBytes] += int64(size)
		if char == utf8.RuneError && size == 1 {
			continue // no character, and no word
		}
		n[countChars]++
		switch {
		case char == '\n' || char == '\r' || char == '\f':
			n[countLines] += int64(btoi(char == '\n'))
			n[countWidth] = max(n[countWidth], column)
			column, inWord = 0, false
		case char == '\t':
			column, inWord = column&^7+8, false
		case unicode.IsSpace(char):
			column += int64(btoi(char != '\v'))
			inWord = false
		case unicode.IsPrint(char):
			n[countWords] += int64(btoi(!inWord))
			inWord = true
			column++
		}
	}
}
