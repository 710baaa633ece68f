package script

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"ingot/guest/wire"
	"ingot/internal/keyboard"
	"ingot/partition"
)

// A command of the language. docs/testing.md and `ingot test --list-commands` are made
// from these.
type command struct {
	name, usage, does string
	alone             bool // it is not for the machine of its line
	parse             func(l *line) (Action, error)
}

// Entry is one line of the description of the language.
type Entry struct {
	Name  string `json:"name"`
	Usage string `json:"usage"`
	Does  string `json:"does"`
}

// commands is the language.
var commands = []command{
	{"start", "start [MACHINE...]", "start machines, all of them if none is named", true, parseStart},
	{"poweroff", "poweroff", "press the power button until the machine has switched itself off", false, plain(PowerOff{})},
	{"crash", "crash", "cut the machine's power", false, plain(Crash{})},
	{"reboot", "reboot", "have the guest restart, and wait until it has; its disk stays as it left it", false, plain(Reboot{})},
	{"wait", "wait [TIME] [not] CONDITION", "wait until a condition holds, for this time at most, or for that of a step", false, parseWait},
	{"eventually", "eventually TIME [not] CONDITION", "the same, with a time that has to be given", false, parseEventually},
	{"never", "never TIME CONDITION", "watch for so long that a condition does not come to hold", false, parseNever},
	{"check", "check [not] CONDITION", "a condition holds now", false, parseCheck},
	{"shell", "shell agent|backdoor|console", "how commands get into the guest: ingot's agent (the default), a shell at the port " + wire.BackdoorPort + ", or the shell on the console", false, parseShell},
	{"run", "run COMMAND", "run a command in the guest's shell; its status has to be 0 unless the next line is a status", false, parseRun},
	{"status", "status NUMBER|nonzero", "what the command before it ended with, or the HTTP status of a fetch", false, parseStatus},
	{"output", "output [not] PATTERN", "what the command before it printed matches; what a fetch got, likewise", false, parseOutput},
	{"fetch", "fetch PORT [PATH]", "get a page from the guest's port, which is forwarded to the host, by HTTP; its status has to be 200 unless the next line is a status", false, parseFetch},
	{"send", "send TEXT", "type a line at the console", false, parseSend},
	{"key", "key KEY...", "press keys on the keyboard, by QEMU's names, those of one combination joined: ctrl-alt-f2 ret", false, parseKey},
	{"type", `type TEXT`, `type text on the keyboard; in double quotes, \n is Enter`, false, parseType},
	{"screenshot", "screenshot NAME.png", "keep a picture of the screen, in the results folder", false, parseScreenshot},
	{"compare", "compare NAME.png FILE [tolerance] SHARE%", "compare a screenshot with a stored one, whose path is relative to the script's; so many of its pixels may differ", false, parseCompare},
	{"copy", "copy in FILE FOLDER | copy out PATH [SIZE]", "copy a file or a folder's contents into a folder of the guest, or out to the results folder, where it may have SIZE at most (16GiB)", false, parseCopy},
	{"link", "link MACHINE [MACHINE] down|up|delay TIME|loss SHARE%", "cut, slow or restore a link of the network", true, parseLink},
	{"qmp", "qmp COMMAND [JSON]", "have QEMU execute a QMP command, whose answer is the output", false, parseQMP},
	{"sleep", "sleep TIME", "do nothing for so long", true, parseSleep},
	{"note", "note TEXT", "say something in the report", true, parseNote},
}

// Commands describes the commands of the language.
func Commands() []Entry {
	var list []Entry
	for _, c := range commands {
		list = append(list, Entry{c.name, c.usage, c.does})
	}
	return list
}

// plain is a command without arguments.
func plain(a Action) func(*line) (Action, error) {
	return func(*line) (Action, error) { return a, nil }
}

func parseStart(l *line) (Action, error) {
	var names []string
	for strings.TrimSpace(l.rest) != "" {
		name, _ := l.word("")
		if err := l.known(name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if names == nil {
		names = l.machines
	}
	return Start{names}, nil
}

func parseWait(l *line) (Action, error) {
	limit := time.Duration(0)
	l.optional(func(word string) bool {
		d, err := time.ParseDuration(word)
		limit = d
		return err == nil && d > 0
	})
	c, err := l.condition()
	return Wait{c, limit}, err
}

func parseEventually(l *line) (Action, error) {
	limit, c, err := l.limited()
	return Wait{c, limit}, err
}

func parseNever(l *line) (Action, error) {
	limit, c, err := l.limited()
	return Never{c, limit}, err
}

// limited reads a duration and a condition, for a command that looks at it for so long.
func (l *line) limited() (time.Duration, Condition, error) {
	limit, err := l.duration()
	if err != nil {
		return 0, Condition{}, err
	}
	c, err := l.condition()
	return limit, c, err
}

func parseCheck(l *line) (Action, error) {
	c, err := l.condition()
	return Check{c}, err
}

func parseShell(l *line) (Action, error) {
	way, err := l.word("agent, backdoor or console")
	if err != nil {
		return nil, err
	}
	switch way := Way(way); way {
	case ByAgent, ByBackdoor, ByConsole:
		return Shell{way}, nil
	}
	return nil, unknown("shell", way, []string{string(ByAgent), string(ByBackdoor), string(ByConsole)})
}

func parseRun(l *line) (Action, error) {
	text, err := l.all("a command")
	return Run{text}, err
}

func parseStatus(l *line) (Action, error) {
	if l.optional(func(word string) bool { return word == "nonzero" }) {
		return Status{Nonzero: true}, nil
	}
	want, err := l.number("the status", 0, 999)
	return Status{Is: want}, err
}

func parseOutput(l *line) (Action, error) {
	unwanted := l.optional(func(word string) bool { return word == "not" })
	re, err := l.pattern()
	return Output{unwanted, re}, err
}

func parseFetch(l *line) (Action, error) {
	f, err := l.fetch()
	return f, err
}

// fetch reads a port and a path.
func (l *line) fetch() (Fetch, error) {
	port, err := l.number("a port", 1, 65535)
	if err != nil {
		return Fetch{}, err
	}
	path := "/"
	l.optional(func(word string) bool { path = "/" + strings.TrimPrefix(word, "/"); return true })
	l.port = port
	return Fetch{port, path}, nil
}

func parseSend(l *line) (Action, error) {
	text, err := l.all("a line")
	return Send{text}, err
}

func parseKey(l *line) (Action, error) {
	text, err := l.all("a key")
	if err != nil {
		return nil, err
	}
	var p Press
	for _, keys := range strings.Fields(text) {
		stroke, err := keyboard.Parse(keys)
		if err != nil {
			return nil, err
		}
		p.Strokes = append(p.Strokes, stroke)
	}
	return p, nil
}

func parseType(l *line) (Action, error) {
	text, err := l.word("a text")
	if err != nil {
		return nil, err
	}
	if rest, err := l.all(""); err == nil {
		text += " " + rest
	}
	strokes, err := keyboard.Text(text)
	return Press{strokes}, err
}

func parseScreenshot(l *line) (Action, error) {
	name, err := l.picture()
	return Screenshot{name}, err
}

// picture reads the name of a screenshot, which stays in the folder of results.
func (l *line) picture() (string, error) {
	name, err := l.word("a name")
	if err != nil {
		return "", err
	}
	if filepath.Ext(name) != ".png" || filepath.Base(name) != name || name == ".png" {
		return "", fmt.Errorf("%q is no name of a picture, such as login.png", name)
	}
	return name, nil
}

func parseCompare(l *line) (Action, error) {
	name, err := l.picture()
	if err != nil {
		return nil, err
	}
	like, err := l.likeness()
	return Compare{name, like}, err
}

// likeness reads FILE [tolerance] SHARE%.
func (l *line) likeness() (like Likeness, err error) {
	if like.File, err = l.word("a stored picture"); err != nil {
		return like, err
	}
	l.optional(func(word string) bool { return word == "tolerance" })
	like.Percent, err = l.percent()
	return like, err
}

func parseCopy(l *line) (Action, error) {
	way, err := l.word("in or out")
	if err != nil {
		return nil, err
	}
	from, err := l.word("what is copied")
	if err != nil {
		return nil, err
	}
	switch way {
	case "out":
		limit := int64(0)
		l.optional(func(word string) bool {
			n, err := partition.ParseBytes(word)
			limit = n
			return err == nil && n > 0
		})
		return CopyOut{from, limit}, nil
	case "in":
		to, err := l.word("the folder in the guest")
		return CopyIn{from, to}, err
	}
	return nil, unknown("way", way, []string{"in", "out"})
}

func parseLink(l *line) (Action, error) {
	a, err := l.word("a machine")
	if err != nil {
		return nil, err
	}
	if err := l.known(a); err != nil {
		return nil, err
	}
	b := ""
	l.optional(func(word string) bool {
		if l.known(word) != nil {
			return false
		}
		b = word
		return true
	})
	text, err := l.all("down, up, delay TIME or loss SHARE%")
	return Link{a, b, strings.Fields(text)}, err
}

func parseQMP(l *line) (Action, error) {
	name, err := l.word("a command")
	if err != nil {
		return nil, err
	}
	q := QMP{Command: name}
	if text, err := l.all(""); err == nil {
		if err := json.Unmarshal([]byte(text), &q.Arguments); err != nil {
			return nil, fmt.Errorf("%s is not JSON: %w", text, err)
		}
	}
	return q, nil
}

func parseSleep(l *line) (Action, error) {
	d, err := l.duration()
	return Sleep{d}, err
}

func parseNote(l *line) (Action, error) {
	text, err := l.all("a text")
	return Note{text}, err
}
