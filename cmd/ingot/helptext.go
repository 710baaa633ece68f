package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// helpWidth is how many columns help has: those of every terminal.
const helpWidth = 80

// leastWidth is the narrowest terminal whose width help is folded to.
const leastWidth = 30

// widthOf returns how many columns help has on a writer: those of its terminal or of the
// variable COLUMNS, if they are fewer than 80.
func widthOf(w io.Writer) int {
	width := helpWidth
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		width = n
	} else if f, ok := terminalOf(w); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			width = n
		}
	}
	return min(max(width, leastWidth), helpWidth)
}

// setHelp has c, and the commands below it, print their help in lines that fit.
func setHelp(c *cobra.Command) {
	c.SetHelpFunc(func(c *cobra.Command, _ []string) {
		c.InitDefaultHelpFlag()
		c.Print(fold(helpText(c), widthOf(c.OutOrStdout())))
	})
}

// helpText is what --help prints: what the command does, its usage, examples, the commands
// below it and its flags.
func helpText(c *cobra.Command) string {
	var b strings.Builder
	long := c.Long
	if long == "" {
		long = c.Short
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n", paragraphs(long))
	if c.Runnable() {
		fmt.Fprintf(&b, "  %s\n", c.UseLine())
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s VERB\n", c.CommandPath())
	}
	if c.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", strings.TrimRight(c.Example, "\n"))
	}
	commands := func(title, group string) {
		heading := "\n" + title + "\n"
		for _, sub := range c.Commands() {
			if sub.GroupID == group && (sub.IsAvailableCommand() || sub.Name() == "help") {
				fmt.Fprintf(&b, "%s  %-*s  %s\n", heading, sub.NamePadding(), sub.Name(), sub.Short)
				heading = ""
			}
		}
	}
	for _, g := range c.Groups() {
		commands(g.Title, g.ID)
	}
	if len(c.Groups()) > 0 {
		commands("Further verbs:", "")
	} else {
		commands("Verbs:", "")
	}
	if c.HasAvailableLocalFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", flagLines(c.LocalFlags()))
	}
	if c.HasAvailableInheritedFlags() {
		fmt.Fprintf(&b, "\nFlags of %s:\n%s", c.Parent().CommandPath(), flagLines(c.InheritedFlags()))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nUse %q for more about a verb.\n", c.CommandPath()+" VERB --help")
	}
	return b.String()
}

// flagLines returns one line for each flag: its name, the name of its value, what it does
// and, at the end, its default.
func flagLines(flags *pflag.FlagSet) string {
	var names, texts []string
	longest := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "      --" + f.Name
		if f.Shorthand != "" {
			name = fmt.Sprintf("  -%s, --%s", f.Shorthand, f.Name)
		}
		value, text := flagUsage(f)
		switch {
		case value == "":
		case f.NoOptDefVal != "":
			name += "[=" + value + "]"
		default:
			name += " " + value
		}
		names, texts = append(names, name), append(texts, text)
		longest = max(longest, utf8.RuneCountInString(name))
	})
	var b strings.Builder
	for i, name := range names {
		fmt.Fprintf(&b, "%s%s  %s\n", name, strings.Repeat(" ", longest-utf8.RuneCountInString(name)), texts[i])
	}
	return b.String()
}

// flagUsage returns the name of a flag's value, and what help says of the flag. The value's
// name is the word in backquotes; before a colon at the beginning it is no part of the text.
func flagUsage(f *pflag.Flag) (value, text string) {
	value, text = pflag.UnquoteUsage(f)
	text = strings.TrimPrefix(text, value+": ")
	if strings.Contains(text, "Default: ") || slices.Contains([]string{"", "false", "0", "[]"}, f.DefValue) {
		return value, text
	}
	return value, fmt.Sprintf("%s. Default: %s.", text, f.DefValue)
}

// paragraphs makes one line of each paragraph of a text, for fold to break, and of each entry
// of a list that goes on below its text. Other lines that are indented stay as they are.
func paragraphs(text string) string {
	var b strings.Builder
	open := false // a paragraph that the next line may go on with
	column := 0   // where an entry's text begins that the next line may go on with
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, "\n")
		body := strings.TrimLeft(line, " ")
		indent := len(line) - len(body)
		plain := line != "" && indent == 0
		switch {
		case open && plain, column > 0 && indent == column:
			b.WriteString(" " + body)
			continue
		case b.Len() > 0:
			b.WriteByte('\n')
		}
		b.WriteString(line)
		open, column = plain, 0
		if at := hanging(line); at > indent {
			column = at
		}
	}
	return b.String()
}

// fold breaks the lines of a text that are longer than width at blanks. What goes on
// begins below the text of its line: after the name of a flag, or the indentation. A
// command goes on after a backslash, and a warning stays on its line, as every message does.
func fold(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		indent, end := hanging(line), ""
		if strings.HasPrefix(line, "  ingot ") && !strings.Contains(line[2:], "  ") {
			indent, end = 4, " \\"
		}
		if indent > width/2 {
			indent = 8
		}
		for utf8.RuneCountInString(line) > width && !strings.HasPrefix(line, "warning: ") {
			runes := []rune(line)
			at := breakAt(runes, indent, width-len(end))
			if at == len(runes) {
				break
			}
			b.WriteString(strings.TrimRight(string(runes[:at]), " ") + end + "\n")
			line = strings.Repeat(" ", indent) + strings.TrimLeft(string(runes[at:]), " ")
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// breakAt returns where a line is broken: at the last blank that leaves it no wider than
// width, or else behind the word that is wider.
func breakAt(line []rune, indent, width int) int {
	at := width
	for at > indent && line[at] != ' ' {
		at--
	}
	if at > indent {
		return at
	}
	for at = width; at < len(line) && line[at] != ' '; at++ {
	}
	return at
}

// hanging returns the column below which the rest of a line goes on: that of its second
// part, where two blanks or more divide it in two.
func hanging(line string) int {
	body := strings.TrimLeft(line, " ")
	indent := len(line) - len(body)
	_, rest, ok := strings.Cut(body, "  ")
	if !ok {
		return indent
	}
	return utf8.RuneCountInString(line) - utf8.RuneCountInString(strings.TrimLeft(rest, " "))
}
