package script

import (
	"fmt"
	"slices"
	"strings"
)

// kind is a kind of condition.
type kind struct {
	name, usage, does string
	parse             func(l *line) (any, error)
}

// conditions are what can be waited for.
var conditions = []kind{
	{"line", "line PATTERN", "the console has shown this, since the last line that was waited for", parseLine},
	{"run", "run COMMAND", "a command in the guest ends with the status 0", func(l *line) (any, error) { return parseRun(l) }},
	{"file", "file PATH", "the guest has this file", parseFile},
	{"port", "port NUMBER", "something in the guest listens at this TCP port", parsePort},
	{"socket", "socket PATH", "something in the guest listens at this Unix socket", parseSocket},
	{"unit", "unit NAME", "a service runs: a unit of systemd's, a service of the Shepherd's or of runit's", parseUnit},
	{"fetch", "fetch PORT [PATH]", "the host gets a page from this port of the guest by HTTP, with the status 200", func(l *line) (any, error) { return parseFetch(l) }},
	{"text", "text PATTERN", "the screen shows this: read from a PC's text screen, or else by tesseract", parseText},
	{"screen", "screen FILE [tolerance] SHARE%", "the screen is like a stored picture, but for so many of its pixels", parseScreen},
	{"ended", "ended", "the machine has switched itself off", func(*line) (any, error) { return Ended{}, nil }},
}

// Conditions describes what can be waited for.
func Conditions() []Entry {
	var list []Entry
	for _, c := range conditions {
		list = append(list, Entry{c.name, c.usage, c.does})
	}
	return list
}

// condition reads a condition, with not before it if it is not to hold.
func (l *line) condition() (c Condition, err error) {
	c.Text = strings.TrimSpace(l.rest)
	c.Not = l.optional(func(word string) bool { return word == "not" })
	word, err := l.word("a condition")
	if err != nil {
		return c, err
	}
	i := slices.IndexFunc(conditions, func(k kind) bool { return k.name == word })
	if i < 0 {
		return c, unknown("condition", word, names(Conditions()))
	}
	if c.Of, err = conditions[i].parse(l); err != nil {
		return c, fmt.Errorf("%w (%s)", err, conditions[i].usage)
	}
	return c, nil
}

func parseLine(l *line) (any, error) {
	re, err := l.pattern()
	return Line{re}, err
}

func parseFile(l *line) (any, error) {
	path, err := l.word("a path")
	return File{path}, err
}

func parsePort(l *line) (any, error) {
	port, err := l.number("a port", 1, 65535)
	return Port{port}, err
}

func parseSocket(l *line) (any, error) {
	path, err := l.word("a path")
	return Socket{path}, err
}

func parseUnit(l *line) (any, error) {
	name, err := l.word("a name")
	return Unit{name}, err
}

func parseText(l *line) (any, error) {
	l.reads = true
	re, err := l.pattern()
	return Text{re}, err
}

func parseScreen(l *line) (any, error) {
	like, err := l.likeness()
	return Screen{like}, err
}
