package script

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ingot/guest/wire"
	"ingot/internal/keyboard"
	"ingot/partition"
)

// A command of the language, or a condition. docs/testing.md and `ingot test --list-commands`
// are made from these.
type command struct {
	name, usage, does string
	alone             bool              // it is not for the machine of its line
	parse             func(l *line) any // an action, or what a condition is of; what is wrong stays in l
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
	{"poweroff", "poweroff", "press the power button until the machine has switched itself off", false, always(PowerOff{})},
	{"crash", "crash", "cut the machine's power", false, always(Crash{})},
	{"reboot", "reboot", "have the guest restart, and wait until it has; its disk stays as it left it", false, always(Reboot{})},
	{"wait", "wait [TIME] [not] CONDITION", "wait until a condition holds, for this time at most, or for that of a step", false, parseWait},
	{"eventually", "eventually TIME [not] CONDITION", "the same, with a time that has to be given", false, func(l *line) any { return Wait{Limit: l.duration(), Condition: l.condition()} }},
	{"never", "never TIME CONDITION", "watch for so long that a condition does not come to hold", false, func(l *line) any { return Never{For: l.duration(), Condition: l.condition()} }},
	{"check", "check [not] CONDITION", "a condition holds now", false, func(l *line) any { return Check{l.condition()} }},
	{"shell", "shell agent|backdoor|console", "how commands get into the guest: ingot's agent (the default), a shell at the port " + wire.BackdoorPort + ", or the shell on the console", false, parseShell},
	{"run", "run COMMAND", "run a command in the guest's shell; its status has to be 0 unless the next line is a status", false, func(l *line) any { return Run{l.all("a command")} }},
	{"status", "status NUMBER|nonzero", "what the command before it ended with, or the HTTP status of a fetch", false, parseStatus},
	{"output", "output [not] PATTERN", "what the command before it printed matches; what a fetch got, likewise", false, func(l *line) any { return Output{Not: l.has("not"), Pattern: l.pattern()} }},
	{"fetch", "fetch PORT [PATH]", "get a page from the guest's port, which is forwarded to the host, by HTTP; its status has to be 200 unless the next line is a status", false, parseFetch},
	{"send", "send TEXT", "type a line at the console", false, func(l *line) any { return Send{l.all("a line")} }},
	{"key", "key KEY...", "press keys on the keyboard, by QEMU's names, those of one combination joined: ctrl-alt-f2 ret", false, parseKey},
	{"type", `type TEXT`, `type text on the keyboard; in double quotes, \n is Enter`, false, parseType},
	{"screenshot", "screenshot NAME.png", "keep a picture of the screen, in the results folder", false, func(l *line) any { return Screenshot{l.picture()} }},
	{"compare", "compare NAME.png FILE [tolerance] SHARE%", "compare a screenshot with a stored one, whose path is relative to the script's; so many of its pixels may differ", false, func(l *line) any { return Compare{l.picture(), l.likeness()} }},
	{"copy", "copy in FILE FOLDER | copy out PATH [SIZE]", "copy a file or a folder's contents into a folder of the guest, or out to the results folder, where it may have SIZE at most (16GiB)", false, parseCopy},
	{"link", "link MACHINE [MACHINE] down|up|delay TIME|loss SHARE%", "cut, slow or restore a link of the network", true, parseLink},
	{"qmp", "qmp COMMAND [JSON]", "have QEMU execute a QMP command, whose answer is the output", false, parseQMP},
	{"sleep", "sleep TIME", "do nothing for so long", true, func(l *line) any { return Sleep{l.duration()} }},
	{"note", "note TEXT", "say something in the report", true, func(l *line) any { return Note{l.all("a text")} }},
}

// Commands describes the commands of the language.
func Commands() []Entry { return entries(commands) }

func entries(commands []command) (list []Entry) {
	for _, c := range commands {
		list = append(list, Entry{c.name, c.usage, c.does})
	}
	return list
}

// find returns the command or condition of a name.
func find(what, name string, in []command) (command, error) {
	var names []string
	for _, c := range in {
		if c.name == name {
			return c, nil
		}
		names = append(names, c.name)
	}
	return command{}, unknown(what, name, names)
}

// always is the parser of a command without arguments.
func always(a any) func(*line) any { return func(*line) any { return a } }

func parseStart(l *line) any {
	var names []string
	for l.err == nil && !l.ended() {
		names = append(names, l.machine())
	}
	if names == nil {
		names = l.machines
	}
	return Start{names}
}

func parseWait(l *line) any {
	var w Wait
	l.optional(func(word string) bool {
		limit, err := time.ParseDuration(word)
		w.Limit = limit
		return err == nil && limit > 0
	})
	w.Condition = l.condition()
	return w
}

func parseShell(l *line) any {
	ways := []string{string(ByAgent), string(ByBackdoor), string(ByConsole)}
	way := l.word("agent, backdoor or console")
	if !slices.Contains(ways, way) {
		l.fail(unknown("shell", way, ways))
	}
	return Shell{Way(way)}
}

func parseStatus(l *line) any {
	if l.has("nonzero") {
		return Status{Nonzero: true}
	}
	return Status{Is: l.number("the status", 0, 999)}
}

func parseFetch(l *line) any {
	l.port = l.number("a port", 1, 65535)
	f := Fetch{l.port, "/"}
	l.optional(func(word string) bool { f.Path = "/" + strings.TrimPrefix(word, "/"); return true })
	return f
}

func parseKey(l *line) any {
	var p Press
	for _, keys := range strings.Fields(l.all("a key")) {
		stroke, err := keyboard.Parse(keys)
		l.fail(err)
		p.Strokes = append(p.Strokes, stroke)
	}
	return p
}

func parseType(l *line) any {
	text := l.word("a text")
	if !l.ended() {
		text += " " + l.all("")
	}
	strokes, err := keyboard.Text(text)
	l.fail(err)
	return Press{strokes}
}

// picture reads the name of a screenshot, which stays in the folder of results.
func (l *line) picture() string {
	name := l.word("a name")
	if filepath.Ext(name) != ".png" || filepath.Base(name) != name || name == ".png" {
		l.fail(fmt.Errorf("%q is no name of a picture, such as login.png", name))
	}
	return name
}

// likeness reads FILE [tolerance] SHARE%.
func (l *line) likeness() Likeness {
	file := l.word("a stored picture")
	l.has("tolerance")
	return Likeness{file, l.percent()}
}

func parseCopy(l *line) any {
	way, from := l.word("in or out"), l.word("what is copied")
	switch way {
	case "in":
		return CopyIn{from, l.word("the folder in the guest")}
	case "out":
		c := CopyOut{From: from}
		l.optional(func(word string) bool {
			limit, err := partition.ParseBytes(word)
			c.Limit = limit
			return err == nil && limit > 0
		})
		return c
	}
	l.fail(unknown("way", way, []string{"in", "out"}))
	return nil
}

func parseLink(l *line) any {
	link := Link{A: l.machine()}
	l.optional(func(word string) bool {
		if !slices.Contains(l.machines, word) {
			return false
		}
		link.B = word
		return true
	})
	link.To = strings.Fields(l.all("down, up, delay TIME or loss SHARE%"))
	return link
}

func parseQMP(l *line) any {
	q := QMP{Command: l.word("a command")}
	if l.ended() {
		return q
	}
	text := l.all("")
	if err := json.Unmarshal([]byte(text), &q.Arguments); err != nil {
		l.fail(fmt.Errorf("%s is not JSON: %w", text, err))
	}
	return q
}
