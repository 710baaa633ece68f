package script

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ingot/internal/near"
	"ingot/internal/printable"
)

// A Script is a boot test: what is done with machines, step by step, and what is
// expected of them.
type Script struct {
	Name  string
	Steps []Step
}

// A Step is one line of a script.
type Step struct {
	File    string
	Line    int // from 1
	Text    string
	Machine string // that it is for; empty where it is for none or several

	Action    Action
	AnyStatus bool // the next line asks for the status, so that it may be any

	port  int  // of the guest, that the host is to reach
	reads bool // it reads the screen
}

// Place is where a step stands.
func (s *Step) Place() string { return fmt.Sprintf("%s:%d", s.File, s.Line) }

// ParseError is something wrong with a line of a script.
type ParseError struct {
	File string
	Line int
	Err  error
}

func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Err) }
func (e *ParseError) Unwrap() error { return e.Err }

// mostErrors is how many lines of a script are refused, one by one: of what is no script, a
// few say enough.
const mostErrors = 10

// Parse reads a script whose first line is the line first of file. machines are the
// names that it may use; a line that names none is for the one machine that there is,
// or for the one that the line before was for. All that is wrong comes back at once.
func Parse(name, file string, first int, text string, machines []string) (*Script, error) {
	p := &parser{script: &Script{Name: name}, machines: machines}
	if len(machines) == 1 {
		p.current = machines[0]
	}
	var errs []error
	number := first - 1
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		step := Step{File: file, Line: number, Text: line}
		if err := p.step(&step); err != nil {
			if errs = append(errs, &ParseError{file, number, err}); len(errs) == mostErrors {
				errs = append(errs, &ParseError{file, number, errors.New("what follows is not looked at")})
				break
			}
			continue
		}
		p.add(step)
	}
	if len(errs) == 0 && len(p.script.Steps) == 0 {
		errs = append(errs, &ParseError{file, first, fmt.Errorf("test %s has no steps", name)})
	}
	return p.script, errors.Join(errs...)
}

type parser struct {
	script   *Script
	machines []string
	current  string // what lines that name no machine are for
}

func (p *parser) add(s Step) {
	if _, ok := s.Action.(Status); ok && len(p.script.Steps) > 0 {
		p.script.Steps[len(p.script.Steps)-1].AnyStatus = true
	}
	p.script.Steps = append(p.script.Steps, s)
}

// step reads one line: [MACHINE:] COMMAND ARGUMENTS.
func (p *parser) step(s *Step) error {
	l := &line{rest: s.Text, machines: p.machines}
	word := l.word("a command")
	if name, ok := strings.CutSuffix(word, ":"); ok {
		if err := l.known(name); err != nil {
			return err
		}
		p.current = name
		word = l.word("a command")
	}
	if l.err != nil {
		return l.err
	}
	c, err := find("command", word, commands)
	if err != nil {
		return err
	}
	if !c.alone {
		if s.Machine = p.current; s.Machine == "" {
			return fmt.Errorf("%s: of which machine? begin the line with its name and a colon; there are %s", word, strings.Join(p.machines, ", "))
		}
	}
	s.Action = c.parse(l)
	if rest := strings.TrimSpace(l.rest); rest != "" {
		l.fail(fmt.Errorf("what is %q for?", rest))
	}
	if l.err != nil {
		return fmt.Errorf("%s: %w (%s)", word, l.err, c.usage)
	}
	s.port, s.reads = l.port, l.reads
	return nil
}

// unknown refuses a name, and says which one was probably meant.
func unknown(what, name string, names []string) error {
	return fmt.Errorf("there is no %s %s%s", what, printable.Quote(name), cmp.Or(near.Hint(name, names), "; there are "+strings.Join(names, ", ")))
}

// Ports returns the ports of a machine that a script reaches from the host.
func (s *Script) Ports(machine string) []int {
	var ports []int
	for _, step := range s.Steps {
		if step.Machine == machine && step.port != 0 && !slices.Contains(ports, step.port) {
			ports = append(ports, step.port)
		}
	}
	return ports
}

// ReadsScreen returns the place of the first step, and its text, that reads the text on a
// machine's screen, or "".
func (s *Script) ReadsScreen(machine string) (place, text string) {
	for i := range s.Steps {
		if step := &s.Steps[i]; step.Machine == machine && step.reads {
			return step.Place(), step.Text
		}
	}
	return "", ""
}

// Restarts reports whether a machine is started more than once, so that what it has
// written to its disk has to be kept in between.
func (s *Script) Restarts(machine string) bool {
	starts := 0
	for _, step := range s.Steps {
		switch a := step.Action.(type) {
		case Reboot:
			if step.Machine == machine {
				starts += 2
			}
		case Start:
			if slices.Contains(a.Machines, machine) {
				starts++
			}
		}
	}
	return starts > 1
}

// line is what is left to read of a line. The first mistake stays in err; what is read after
// it means nothing.
type line struct {
	rest     string
	machines []string
	err      error

	port  int  // of the guest, that the host is to reach
	reads bool // the screen
}

// fail keeps the first mistake.
func (l *line) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// known refuses a machine that the script does not have.
func (l *line) known(name string) error {
	if !slices.Contains(l.machines, name) {
		return unknown("machine", name, l.machines)
	}
	return nil
}

// machine takes the name of a machine.
func (l *line) machine() string {
	name := l.word("a machine")
	l.fail(l.known(name))
	return name
}

// ended reports whether nothing is left.
func (l *line) ended() bool { return strings.TrimSpace(l.rest) == "" }

// next takes the next word, or the next text in double quotes.
func (l *line) next(what string) (string, error) {
	l.rest = strings.TrimLeft(l.rest, " \t")
	if l.rest == "" {
		return "", fmt.Errorf("%s is missing", what)
	}
	if l.rest[0] == '"' {
		quoted, err := strconv.QuotedPrefix(l.rest)
		if err != nil {
			return "", fmt.Errorf("%s: the quotes do not end", l.rest)
		}
		l.rest = l.rest[len(quoted):]
		return strconv.Unquote(quoted)
	}
	n := strings.IndexAny(l.rest, " \t")
	if n < 0 {
		n = len(l.rest)
	}
	word := l.rest[:n]
	l.rest = l.rest[n:]
	return word, nil
}

// word takes the next word, which has to be there.
func (l *line) word(what string) string {
	word, err := l.next(what)
	l.fail(err)
	return word
}

// optional takes the next word if take says so.
func (l *line) optional(take func(word string) bool) bool {
	before := l.rest
	word, err := l.next("")
	if err != nil || !take(word) {
		l.rest = before
		return false
	}
	return true
}

// has takes the next word if it is this one.
func (l *line) has(this string) bool {
	return l.optional(func(word string) bool { return word == this })
}

// all takes what is left as it is.
func (l *line) all(what string) string {
	text := strings.TrimSpace(l.rest)
	l.rest = ""
	if text == "" {
		l.fail(fmt.Errorf("%s is missing", what))
	}
	return text
}

// pattern takes a regular expression between slashes, or a text that is looked for as
// it is.
func (l *line) pattern() *regexp.Regexp {
	text := l.all("a pattern")
	body, isPattern := strings.CutPrefix(text, "/")
	if isPattern && strings.HasSuffix(body, "/") {
		body = strings.TrimSuffix(body, "/")
		if strings.ContainsAny(body, "^$") {
			body = "(?m)" + body // lines are what a console has
		}
	} else {
		if strings.HasPrefix(text, `"`) {
			var err error
			if text, err = strconv.Unquote(text); err != nil {
				l.fail(errors.New("the quotes do not end where the line does"))
			}
		}
		body = regexp.QuoteMeta(text)
	}
	re, err := regexp.Compile(body)
	l.fail(err)
	return re
}

func (l *line) number(what string, least, most int) int {
	word := l.word(what)
	n, err := strconv.Atoi(word)
	if err != nil || n < least || n > most {
		l.fail(fmt.Errorf("%s: %q where a number from %d to %d belongs", what, word, least, most))
	}
	return n
}

func (l *line) duration() time.Duration {
	word := l.word("a time")
	d, err := time.ParseDuration(word)
	if err != nil || d <= 0 {
		l.fail(fmt.Errorf("%q is no time, such as 500ms, 10s or 2m", word))
	}
	return d
}

// percent takes a share such as 2%.
func (l *line) percent() float64 {
	word := l.word("a tolerance")
	number, ok := strings.CutSuffix(word, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || n < 0 || n > 100 {
		l.fail(fmt.Errorf("%q is no tolerance, such as 2%%", word))
	}
	return n
}

// maxMachine is how long a machine's name may be.
const maxMachine = 48

// MachineName makes a machine's name, which is a host name, of any text.
func MachineName(text string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, text)
	name = strings.Trim(name[:min(len(name), maxMachine)], "-")
	if name == "" {
		return "machine"
	}
	return name
}
