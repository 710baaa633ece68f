package applet

import (
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
		{"printenv", "[NAME]", "print variables", runPrintenv},
		{"script", "[-q] [-c COMMAND] [FILE]", "give a command a terminal; nothing is recorded", runScript},
		{"seq", "[FIRST [STEP]] LAST", "count", runSeq},
		{"sh", "[-c COMMAND | SCRIPT] [ARG...]", "the shell", runShell},
		{"true", "", "succeed", func(*Call) error { return nil }},
		{"tty", "", "print the name of the terminal", runTty},
		{"yes", "[WORD...]", "print a word for ever", runYes},
	}
}

func runClear(c *Call) error {
	c.printf("\x1b[H\x1b[2J\x1b[3J")
	return nil
}

func runEcho(c *Call) error {
	args, end := c.Args, "\n"
	if len(args) > 0 && args[0] == "-n" {
		args, end = args[1:], ""
	}
	c.printf("%s%s", strings.Join(args, " "), end)
	return nil
}

func runPrintenv(c *Call) error {
	args, err := c.operands(0, 1)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return runEnv(&Call{Name: c.Name, Stdout: c.Stdout, Stderr: c.Stderr})
	}
	value, ok := os.LookupEnv(args[0])
	if !ok {
		return Status(1)
	}
	c.printf("%s\n", value)
	return nil
}

func runSeq(c *Call) error {
	// Not parsed as options: the numbers may be negative.
	args := c.Args
	if err := c.count(len(args), 1, 3); err != nil {
		return err
	}
	numbers := []float64{1, 1, 1} // first, step, last
	decimals := 0                 // as many as the first or the step has
	places := [][]int{{2}, {0, 2}, {0, 1, 2}}[len(args)-1]
	for i, a := range args {
		n, err := strconv.ParseFloat(a, 64)
		if err != nil {
			return usageError{strconv.Quote(a) + " is not a number"}
		}
		numbers[places[i]] = n
		if _, fraction, _ := strings.Cut(a, "."); places[i] < 2 {
			decimals = max(decimals, len(fraction))
		}
	}
	first, step, last := numbers[0], numbers[1], numbers[2]
	if step == 0 {
		return usageError{"a step of 0 never ends"}
	}
	for i := 0; ; i++ {
		n := first + float64(i)*step
		if step > 0 && n > last || step < 0 && n < last {
			return nil
		}
		if err := c.Stdout.failed(); err != nil {
			return err
		}
		c.printf("%s\n", strconv.FormatFloat(n, 'f', decimals, 64))
	}
}

func runTty(c *Call) error {
	if !term.IsTerminal(0) {
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
	word := "y"
	if len(c.Args) > 0 {
		word = strings.Join(c.Args, " ")
	}
	block := []byte(strings.Repeat(word+"\n", 1+4096/(len(word)+1)))
	for {
		if _, err := c.Stdout.Write(block); err != nil {
			return err
		}
	}
}
