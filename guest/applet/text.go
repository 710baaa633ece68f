package applet

import (
	"bufio"
	"bytes"
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
		{"base64", "[-d] [-w COLUMNS] [FILE]", "encode or decode", runBase64},
		{"cat", "[-nu] [FILE...]", "print files one after the other", runCat},
		{"cut", "-b LIST | -c LIST | -f LIST [-d CHAR] [-s] [FILE...]", "print parts of lines", runCut},
		{"grep", "[-EFHLachilnoqrsvwx] [-m COUNT] [-ABC LINES] [-e PATTERN]... [PATTERN] [FILE...]", "print lines that match", runGrep},
		{"head", "[-q] [-n LINES] [-c BYTES] [FILE...]", "print the start of files", runHead},
		{"hexdump", "[-Cv] [-n BYTES] [-s OFFSET] [FILE...]", "print bytes as numbers", runHexdump},
		{"less", "[FILE...]", "show files page by page", runMore},
		{"more", "[FILE...]", "show files page by page", runMore},
		{"sort", "[-bfhnrsuz] [-k KEY]... [-t CHAR] [-o FILE] [FILE...]", "sort lines", runSort},
		{"strings", "[-a] [-n LENGTH] [FILE...]", "print the text in binary files", runStrings},
		{"tail", "[-fq] [-n LINES] [-c BYTES] [FILE...]", "print the end of files", runTail},
		{"tee", "[-a] [FILE...]", "copy standard input to files and on", runTee},
		{"tr", "[-cds] SET [SET]", "replace, squeeze or delete bytes", runTr},
		{"uniq", "[-cdu] [FILE]", "drop lines that equal the one before", runUniq},
		{"wc", "[-clmw] [FILE...]", "count lines, words and bytes", runWc},
	}
}

// eachLine calls fn for every line, without its end, until it returns false.
func eachLine(r io.Reader, fn func(line string) bool) error { return eachEnded(r, '\n', fn) }

// eachEnded does so for lines that end with another byte.
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

func runCat(c *Call) error {
	number := c.flags.BoolP("number", "n", false, "number the lines")
	c.flags.BoolP("unbuffered", "u", false, "always on where it waits")
	files := c.parse(0, -1)
	if !*number {
		return c.eachInput(files, c.pass)
	}
	n, started := 0, false // of all files together
	return c.eachInput(files, func(_ string, r io.Reader) error {
		return eachWhole(r, '\n', func(line string) bool {
			if !started {
				n++
				c.printf("%6d\t", n)
			}
			c.printf("%s", line)
			started = !strings.HasSuffix(line, "\n")
			return true
		})
	})
}

// pass prints a file unchanged.
func (c *Call) pass(_ string, r io.Reader) error {
	_, err := io.Copy(c.Stdout, r)
	return err
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
	n    int64
	sign byte // of the number, or 0
}

func parseAmount(text string) (a amount, err error) {
	if text != "" && (text[0] == '-' || text[0] == '+') {
		a.sign, text = text[0], text[1:]
	}
	a.n, err = parseSize(text)
	return a, err
}

// headTail is one run of head or tail.
type headTail struct {
	*Call
	lines, bytes *amount
	byBytes      bool
	quiet        *bool
}

// headTail reads the options that head and tail share.
func (c *Call) headTail() (h headTail, files []string) {
	h.Call, c.Args = c, oldCount(c.Args)
	h.lines = option(c, "lines", "n", amount{n: 10}, "how many `LINES`; default 10", parseAmount)
	h.bytes = option(c, "bytes", "c", amount{}, "how many `BYTES`", parseAmount)
	h.quiet = c.flags.BoolP("quiet", "q", false, "without the names of the files")
	files = c.parse(0, -1)
	h.byBytes = c.flags.Changed("bytes")
	return h, files
}

// each is eachInput with the names above what is printed.
func (h headTail) each(files []string, fn func(r io.Reader) error) error {
	start := ""
	return h.eachInput(files, func(name string, r io.Reader) error {
		if name == "-" {
			name = "standard input"
		}
		if !*h.quiet && len(files) > 1 {
			h.printf("%s==> %s <==\n", start, name)
			start = "\n"
		}
		return fn(r)
	})
}

func runHead(c *Call) error {
	h, files := c.headTail()
	if h.byBytes && h.bytes.sign == '-' {
		return usageError{"-c -N is not supported"}
	}
	return h.each(files, func(r io.Reader) error {
		switch {
		case h.byBytes:
			_, err := io.CopyN(c.Stdout, r, h.bytes.n)
			return notEOF(err)
		case h.lines.sign == '-':
			_, err := lastLines(r, h.lines.n, func(line string) { c.printf("%s", line) })
			return err
		case h.lines.n == 0:
			return nil
		}
		left := h.lines.n
		return eachWhole(r, '\n', func(line string) bool {
			c.printf("%s", line)
			left--
			return left > 0
		})
	})
}

// lastLines returns the last lines, and calls others with each line before them.
func lastLines(r io.Reader, n int64, others func(line string)) (held []string, err error) {
	err = eachWhole(r, '\n', func(line string) bool {
		if held = append(held, line); int64(len(held)) > n {
			others(held[0])
			held = held[1:]
		}
		return true
	})
	return held, err
}

func runTail(c *Call) error {
	follow := c.flags.BoolP("follow", "f", false, "go on with data that is appended")
	h, files := c.headTail()
	if *follow && len(files) > 1 {
		return usageError{"-f follows one file"}
	}
	return h.each(files, func(r io.Reader) (err error) {
		switch {
		case h.byBytes && h.bytes.sign == '+':
			if _, err = io.CopyN(io.Discard, r, h.bytes.n-1); err == nil || h.bytes.n == 0 {
				_, err = io.Copy(c.Stdout, r)
			}
			err = notEOF(err)
		case h.byBytes:
			err = c.tailBytes(r, h.bytes.n)
		case h.lines.sign == '+':
			n := int64(0)
			err = eachWhole(r, '\n', func(line string) bool {
				if n++; n >= h.lines.n {
					c.printf("%s", line)
				}
				return true
			})
		default:
			var last []string
			last, err = lastLines(r, h.lines.n, func(string) {})
			c.printf("%s", strings.Join(last, ""))
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
			c.Stdout.Write(end) //nolint:errcheck // Within reports its error
			return notEOF(err)
		}
	}
}

// follow prints data that is appended to a file, until the process ends.
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
	add := c.flags.BoolP("append", "a", false, "add to the files")
	names := c.parse(0, -1)
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
				delete(outs, name) // the others go on
			}
		}
		if err != nil {
			return notEOF(err)
		}
	}
}

// counts are the numbers of wc, in the order of its columns.
type counts [4]int64

const (
	countLines = iota
	countWords
	countChars
	countBytes
)

func runWc(c *Call) error {
	var on [len(counts{})]*bool
	on[countLines] = c.flags.BoolP("lines", "l", false, "lines")
	on[countWords] = c.flags.BoolP("words", "w", false, "words")
	on[countChars] = c.flags.BoolP("chars", "m", false, "characters")
	on[countBytes] = c.flags.BoolP("bytes", "c", false, "bytes")
	files := c.parse(0, -1)
	if c.flags.NFlag() == 0 {
		*on[countLines], *on[countWords], *on[countBytes] = true, true, true
	}
	show := func(n counts, name string) {
		var out []string
		for i, column := range on {
			if *column {
				out = append(out, strconv.FormatInt(n[i], 10))
			}
		}
		if name != "" {
			out = append(out, name)
		}
		c.printf("%s\n", strings.Join(out, " "))
	}
	var total counts
	err := c.eachInput(files, func(name string, r io.Reader) error {
		n, err := count(r, *on[countWords] || *on[countChars])
		if len(files) == 0 {
			name = ""
		}
		show(n, name)
		for i := range total {
			total[i] += n[i]
		}
		return err
	})
	if len(files) > 1 {
		show(total, "total")
	}
	return err
}

// count counts characters and words only where wanted, which takes most of the time.
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
	inWord := false
	for {
		char, size, err := in.ReadRune()
		if err != nil {
			return n, notEOF(err)
		}
		n[countBytes] += int64(size)
		if char == utf8.RuneError && size == 1 {
			continue // no character, and no word
		}
		n[countChars]++
		n[countLines] += int64(btoi(char == '\n'))
		switch {
		case unicode.IsSpace(char):
			inWord = false
		case unicode.IsPrint(char):
			n[countWords] += int64(btoi(!inWord))
			inWord = true
		}
	}
}
