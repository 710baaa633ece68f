package applet

import (
	"cmp"
	"errors"
	"math/big"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"
)

func scriptApplets() []Applet {
	return []Applet{
		{"clear", "", "empty the screen", runClear},
		{"echo", "[-neE] [WORD...]", "print words", runEcho},
		{"false", "", "fail", func(*Call) error { return Status(1) }},
		{"printenv", "[NAME...]", "print variables", runPrintenv},
		{"script", "[-q] [-c COMMAND] [FILE]", "give a command a terminal; nothing is recorded", runScript},
		{"seq", "[-w] [-s TEXT] [FIRST [STEP]] LAST", "count", runSeq},
		{"sh", "[-c COMMAND | SCRIPT] [ARG...]", "the shell", runShell},
		{"true", "", "succeed", func(*Call) error { return nil }},
		{"tty", "[-s]", "print the name of the terminal", runTty},
		{"yes", "[WORD...]", "print a word for ever", runYes},
	}
}

func runClear(c *Call) error {
	c.printf("\x1b[H\x1b[2J\x1b[3J")
	return nil
}

func runEcho(c *Call) error {
	args, end, escapes := c.Args, "\n", false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		for _, letter := range args[0][1:] {
			if letter == 'n' {
				end = ""
			} else {
				escapes = letter == 'e'
			}
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		var ended bool
		if text, ended = escaped(text); ended {
			end = ""
		}
	}
	c.printf("%s%s", text, end)
	return nil
}

// escaped writes out what echo -e knows; \c ends all output.
func escaped(s string) (text string, ended bool) {
	var out strings.Builder
	for s != "" {
		if s[0] != '\\' || len(s) == 1 {
			out.WriteByte(s[0])
			s = s[1:]
			continue
		}
		switch i := strings.IndexByte("abefnrtv\\", s[1]); {
		case s[1] == 'c':
			return out.String(), true
		case i >= 0:
			out.WriteByte("\a\b\x1b\f\n\r\t\v\\"[i])
			s = s[2:]
		case s[1] == 'x' && len(s) > 2 && hexDigits(s[2:]) > 0:
			n := min(2, hexDigits(s[2:]))
			b, _ := strconv.ParseUint(s[2:2+n], 16, 8)
			out.WriteByte(byte(b))
			s = s[2+n:]
		case s[1] >= '0' && s[1] <= '7':
			if s[1] == '0' && len(s) > 2 && s[2] >= '0' && s[2] <= '7' {
				s = s[:1] + s[2:]
			}
			b, rest := unescape(s)
			out.WriteByte(b)
			s = rest
		default:
			out.WriteString(s[:2])
			s = s[2:]
		}
	}
	return out.String(), false
}

func hexDigits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789abcdefABCDEF")) }

func runPrintenv(c *Call) error {
	c.trouble = 2
	args, err := c.operands(0, -1)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		for _, e := range os.Environ() {
			c.printf("%s\n", e)
		}
	}
	for _, name := range args {
		if value, ok := os.LookupEnv(name); ok {
			c.printf("%s\n", value)
		} else {
			c.status = 1
		}
	}
	return nil
}

func runSeq(c *Call) error {
	// A negative number is no option.
	at := 0
	for at < len(c.Args) && strings.HasPrefix(c.Args[at], "-") && !isNumber(c.Args[at]) {
		if at++; c.Args[at-1] == "--" || c.Args[at-1] == "-s" {
			at++
		}
	}
	at = min(at, len(c.Args))
	numbers := c.Args[at:]
	if at > 0 && c.Args[at-1] == "--" {
		at--
	}
	c.Args = c.Args[:at]
	f := c.flags()
	separator := f.StringP("separator", "s", "\n", "what stands between numbers")
	equal := f.BoolP("equal-width", "w", false, "all as wide as the widest, with zeros before")
	more, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	numbers = append(more, numbers...)
	if err := c.count(len(numbers), 1, 3); err != nil {
		return err
	}
	// They are counted in units of the last decimal, so that none is rounded.
	decimals, width := 0, 0
	for i, text := range numbers {
		if !isNumber(text) {
			return usageError{strconv.Quote(text) + " is not a number"}
		}
		if _, fraction, _ := strings.Cut(text, "."); i < len(numbers)-1 {
			decimals = max(decimals, len(fraction))
		}
	}
	values := []*big.Int{big.NewInt(1), big.NewInt(1), nil} // first, step, last
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	values[0], values[1] = unit, unit
	places := [][]int{{2}, {0, 2}, {0, 1, 2}}[len(numbers)-1]
	for i, text := range numbers {
		r, ok := new(big.Rat).SetString(text)
		if !ok {
			return usageError{strconv.Quote(text) + " is not a number"}
		}
		r.Mul(r, new(big.Rat).SetInt(unit))
		values[places[i]] = new(big.Int).Div(r.Num(), r.Denom()) // downwards, as the last one is
	}
	step, last := values[1], values[2]
	if step.Sign() == 0 {
		return usageError{"a step of 0 never ends"}
	}
	text := func(n *big.Int) string {
		digits := new(big.Int).Abs(n).String()
		if len(digits) <= decimals {
			digits = strings.Repeat("0", decimals+1-len(digits)) + digits
		}
		if decimals > 0 {
			digits = digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
		}
		sign := strings.Repeat("-", btoi(n.Sign() < 0))
		return sign + strings.Repeat("0", max(0, width-len(sign)-len(digits))) + digits
	}
	if *equal {
		width = max(len(text(values[0])), len(text(last)))
	}
	end := ""
	for n := new(big.Int).Set(values[0]); n.Cmp(last) != step.Sign(); n.Add(n, step) {
		if err := c.Stdout.failed(); err != nil {
			return err
		}
		c.printf("%s%s", end, text(n))
		end = *separator
	}
	if end != "" {
		c.printf("\n")
	}
	return nil
}

// isNumber says whether a text is a decimal number, with an exponent or without.
func isNumber(s string) bool {
	if strings.Trim(s, "0123456789.-+eE") != "" {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || errors.Is(err, strconv.ErrRange)
}

func runTty(c *Call) error {
	f := c.flags()
	silent := f.BoolP("silent", "s", false, "say nothing, the exit status tells")
	if _, err := c.parse(f, 0, 0); err != nil {
		return err
	}
	switch terminal := term.IsTerminal(0); {
	case *silent:
		return Status(btoi(!terminal))
	case !terminal:
		c.printf("not a tty\n")
		return Status(1)
	}
	name, err := os.Readlink("/proc/self/fd/0")
	if err == nil {
		c.printf("%s\n", name)
	}
	return err
}

func runYes(c *Call) error {
	words, err := c.operands(0, -1)
	if err != nil {
		return err
	}
	word := cmp.Or(strings.Join(words, " "), "y")
	block := []byte(strings.Repeat(word+"\n", 1+4096/(len(word)+1)))
	for {
		if _, err := c.Stdout.Write(block); err != nil {
			return err
		}
	}
}
