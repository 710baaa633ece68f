package script

import (
	"fmt"
	"strings"
)

// conditions are what can be waited for.
var conditions = []command{
	{"line", "line PATTERN", "the console has shown this, since the last line that was waited for", false, func(l *line) any { return Line{l.pattern()} }},
	{"run", "run COMMAND", "a command in the guest ends with the status 0", false, func(l *line) any { return Run{l.all("a command")} }},
	{"file", "file PATH", "the guest has this file", false, func(l *line) any { return File{l.word("a path")} }},
	{"port", "port NUMBER", "something in the guest listens at this TCP port", false, func(l *line) any { return Port{l.number("a port", 1, 65535)} }},
	{"socket", "socket PATH", "something in the guest listens at this Unix socket", false, func(l *line) any { return Socket{l.word("a path")} }},
	{"unit", "unit NAME", "a service runs: a unit of systemd's, a service of the Shepherd's or of runit's", false, func(l *line) any { return Unit{l.word("a name")} }},
	{"fetch", "fetch PORT [PATH]", "the host gets a page from this port of the guest by HTTP, with the status 200", false, parseFetch},
	{"text", "text PATTERN", "the screen shows this: read from a PC's text screen, or else by tesseract", false, parseText},
	{"screen", "screen FILE [tolerance] SHARE%", "the screen is like a stored picture, but for so many of its pixels", false, func(l *line) any { return Screen{l.likeness()} }},
	{"ended", "ended", "the machine has switched itself off", false, always(Ended{})},
}

// Conditions describes what can be waited for.
func Conditions() []Entry { return entries(conditions) }

// condition reads a condition, with not before it if it is not to hold.
func (l *line) condition() Condition {
	c := Condition{Text: strings.TrimSpace(l.rest), Not: l.has("not")}
	word := l.word("a condition")
	if l.err != nil {
		return c
	}
	kind, err := find("condition", word, conditions)
	if err != nil {
		l.fail(err)
		return c
	}
	if c.Of = kind.parse(l); l.err != nil {
		l.err = fmt.Errorf("%w (%s)", l.err, kind.usage)
	}
	return c
}

func parseText(l *line) any {
	l.reads = true
	return Text{l.pattern()}
}
