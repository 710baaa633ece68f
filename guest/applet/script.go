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
		{"echo", "[-n] [WORD...]", "print words", runEcho},
		{"false", "", "fail", func(*Call) error { return Status(1) }},
		{"printenv", "[NAME...]", "print variables", runPrintenv},
		{"script", "[-q] [-c COMMAND] [FILE]", "give a command a terminal; nothing is recorded", runScript},
		{"seq", "[-w] [-s TEXT] [FIRST [STEP]] LAST", "count", runSeq},
		{"sh", "[-c COMMAND | SCRIPT] [ARG...]", "the shell", runShell},
		{"true", "", "succeed", func(*Call) error { return nil }},
		{"tty", "[-s]", "print the name of the terminal", runTty},
		{"yes", "[WORD...]", "print a word forever", runYes},
	}
}

func runClear(c *Call) error {
	c.printf("\x1b[H\x1b[2J\x1b[3J")
	return nil
}

// runEcho knows -n alone; the shell's own echo takes escapes, too.
func runEcho(c *Call) error {
	args, end := c.Args, "\n"
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		if strings.Trim(args[0][1:], "n") != "" {
			return usageError{"unknown option " + args[0]}
		}
		args, end = args[1:], ""
	}
	c.printf("%s%s", strings.Join(args, " "), end)
	return nil
}

func runPrintenv(c *Call) error {
	c.trouble = 2
	args := c.parse(0, -1)
	if len(args) == 0 {
		c.lines(os.Environ())
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
	c.Args = hyphened(c.Args, isNumber)
	separator := c.flags.StringP("separator", "s", "\n", "what stands between numbers")
	equal := c.flags.BoolP("equal-width", "w", false, "all as wide as the widest, with zeros before")
	numbers := c.parse(1, 3)
	// They are counted in units of the last decimal, so that none is rounded.
	decimals, width := 0, 0
	for i, text := range numbers {
		if _, fraction, _ := strings.Cut(text, "."); i < len(numbers)-1 {
			decimals = max(decimals, len(fraction))
		}
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	values := []*big.Int{unit, unit, nil} // first, step, last
	places := [][]int{{2}, {0, 2}, {0, 1, 2}}[len(numbers)-1]
	for i, text := range numbers {
		r, ok := new(big.Rat).SetString(text)
		if !ok || !isNumber(text) {
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
		sign := strings.Repeat("-", btoi(n.Sign() < 0))
		digits := new(big.Rat).SetFrac(new(big.Int).Abs(n), unit).FloatString(decimals)
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

// isNumber returns whether a text is a decimal number, with an exponent or without.
func isNumber(s string) bool {
	if strings.Trim(s, "0123456789.-+eE") != "" {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || errors.Is(err, strconv.ErrRange)
}

func runTty(c *Call) error {
	silent := c.flags.BoolP("silent", "s", false, "print nothing; the exit status is the result")
	c.parse(0, 0)
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
	words := c.parse(0, -1)
	word := cmp.Or(strings.Join(words, " "), "y")
	block := []byte(strings.Repeat(word+"\n", 1+4096/(len(word)+1)))
	for {
		if _, err := c.Stdout.Write(block); err != nil {
			return err
		}
	}
}
