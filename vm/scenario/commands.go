package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ingot/guest/wire"
	"ingot/vm"
)

// action is what a step does; m is nil for commands that are for no single machine.
type action func(ctx context.Context, p *play, m *machine) error

// A command of the language. docs/testing.md and `ingot test --list-commands` are made
// from these.
type command struct {
	name, usage, does string
	alone             bool // it is not for the machine of its line
	parse             func(l *line) (action, error)
}

// Entry is one line of the description of the language.
type Entry struct {
	Name  string `json:"name"`
	Usage string `json:"usage"`
	Does  string `json:"does"`
}

// commands is the language. It is filled by init because some of them read others.
var commands []command

func init() {
	commands = []command{
		{"start", "start [MACHINE...]", "start machines, all of them if none is named", true, parseStart},
		{"poweroff", "poweroff", "press the power button until the machine has switched itself off", false, plain(poweroff)},
		{"crash", "crash", "cut the machine's power", false, plain(crash)},
		{"reboot", "reboot", "have the guest restart, and wait until it has; its disk stays as it left it", false, plain(reboot)},
		{"wait", "wait [TIME] [not] CONDITION", "wait until a condition holds, at most --timeout or this time", false, parseWait},
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
		{"screenshot", "screenshot NAME.png", "keep a picture of the screen, in the folder of --results", false, parseScreenshot},
		{"compare", "compare NAME.png FILE [tolerance] SHARE%", "compare a screenshot with a stored one, whose path is relative to the script's; so many of its pixels may differ", false, parseCompare},
		{"copy", "copy in FILE FOLDER | copy out PATH [SIZE]", "copy a file or a folder's contents into a folder of the guest, or out to the folder of --results, where it may have SIZE at most (16GiB)", false, parseCopy},
		{"link", "link MACHINE [MACHINE] down|up|delay TIME|loss SHARE%", "cut, slow or restore a link of the network", true, parseLink},
		{"qmp", "qmp COMMAND [JSON]", "have QEMU execute a QMP command, whose answer is the output", false, parseQMP},
		{"sleep", "sleep TIME", "do nothing for so long", true, parseSleep},
		{"note", "note TEXT", "say something in the report", true, parseNote},
	}
}

// Commands describes the commands of the language.
func Commands() []Entry {
	var list []Entry
	for _, c := range commands {
		list = append(list, Entry{c.name, c.usage, c.does})
	}
	return list
}

// Conditions describes what can be waited for.
func Conditions() []Entry {
	var list []Entry
	for _, c := range conditions {
		list = append(list, Entry{c.name, c.usage, c.does})
	}
	return list
}

// Names are the names of the commands.
func Names() []string {
	var names []string
	for _, c := range Commands() {
		names = append(names, c.Name)
	}
	return names
}

// plain is a command without arguments.
func plain(do action) func(*line) (action, error) {
	return func(*line) (action, error) { return do, nil }
}

func parseStart(l *line) (action, error) {
	var names []string
	for strings.TrimSpace(l.rest) != "" {
		name, _ := l.word("")
		if nameKnown := (&parser{machines: l.machines}).known(name); nameKnown != nil {
			return nil, nameKnown
		}
		names = append(names, name)
	}
	if names == nil {
		names = l.machines
	}
	return func(ctx context.Context, p *play, _ *machine) error { return p.start(ctx, names) }, nil
}

func parseWait(l *line) (action, error) {
	limit := time.Duration(0)
	l.optional(func(word string) bool {
		d, err := time.ParseDuration(word)
		limit = d
		return err == nil && d > 0
	})
	c, err := l.condition()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *play, m *machine) error { return p.await(ctx, m, c, limit) }, nil
}

func parseEventually(l *line) (action, error) { return l.limited((*play).await) }

func parseNever(l *line) (action, error) { return l.limited((*play).never) }

// limited reads a duration and a condition, for a command that looks at it for so long.
func (l *line) limited(look func(*play, context.Context, *machine, *condition, time.Duration) error) (action, error) {
	limit, err := l.duration()
	if err != nil {
		return nil, err
	}
	c, err := l.condition()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *play, m *machine) error { return look(p, ctx, m, c, limit) }, nil
}

func parseCheck(l *line) (action, error) {
	c, err := l.condition()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *play, m *machine) error {
		ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, errLimit(p.Timeout))
		defer cancel()
		ok, found, err := c.check(ctx, p, m)
		switch {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("%s: it does not hold%s", c.text, found)
		}
		return nil
	}, nil
}

func parseShell(l *line) (action, error) {
	kind, err := l.word("agent, backdoor or console")
	if err != nil {
		return nil, err
	}
	if kind != byAgent && kind != byBackdoor && kind != byConsole {
		return nil, unknown("shell", kind, []string{byAgent, byBackdoor, byConsole})
	}
	return func(_ context.Context, _ *play, m *machine) error { m.shell = kind; return nil }, nil
}

func parseRun(l *line) (action, error) {
	text, err := l.all("a command")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *play, m *machine) error {
		ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, errLimit(p.Timeout))
		defer cancel()
		output, status, err := m.run(ctx, text)
		if err != nil {
			return err
		}
		m.said = said{output, status, true, m.shell == byConsole}
		if status != 0 && !p.step.asked {
			return fmt.Errorf("run %s: status %d; want 0%s", text, status, printed(output))
		}
		return nil
	}, nil
}

// printed shows what a command printed, in an error.
func printed(output string) string {
	if output = strings.TrimRight(output, "\n"); output == "" {
		return "; it printed nothing"
	}
	const most = 2000
	if len(output) > most {
		output = "…" + output[len(output)-most:]
	}
	return "; it printed\n  " + strings.ReplaceAll(output, "\n", "\n  ")
}

func parseStatus(l *line) (action, error) {
	if l.optional(func(word string) bool { return word == "nonzero" }) {
		return statusIs("other than 0", func(s int) bool { return s != 0 }), nil
	}
	want, err := l.number("the status", 0, 999)
	if err != nil {
		return nil, err
	}
	return statusIs(fmt.Sprint(want), func(s int) bool { return s == want }), nil
}

func statusIs(want string, ok func(int) bool) action {
	return func(_ context.Context, _ *play, m *machine) error {
		switch {
		case !m.said.any:
			return errors.New("nothing was run or fetched before")
		case !ok(m.said.status):
			return fmt.Errorf("status %d; want %s%s", m.said.status, want, printed(m.said.output))
		}
		return nil
	}
}

func parseOutput(l *line) (action, error) {
	unwanted := l.optional(func(word string) bool { return word == "not" })
	re, err := l.pattern()
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, _ *play, m *machine) error {
		switch {
		case !m.said.any:
			return errors.New("nothing was run or fetched before")
		case m.said.matches(re) && unwanted:
			return fmt.Errorf("the output matches %s, and should not%s", re, printed(m.said.output))
		case m.said.matches(re) == unwanted:
			return fmt.Errorf("the output does not match %s%s", re, printed(m.said.output))
		}
		return nil
	}, nil
}

func parseFetch(l *line) (action, error) {
	get, text, err := l.fetch()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *play, m *machine) error {
		ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, errLimit(p.Timeout))
		defer cancel()
		body, status, err := get(ctx, m)
		if err != nil {
			return err
		}
		m.said = said{output: body, status: status, any: true}
		if status != 200 && !p.step.asked {
			return fmt.Errorf("fetch %s: status %d; want 200%s", text, status, printed(body))
		}
		return nil
	}, nil
}

func parseSend(l *line) (action, error) {
	text, err := l.all("a line")
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, _ *play, m *machine) error {
		if err := m.running(); err != nil {
			return err
		}
		return m.vm.Send(text)
	}, nil
}

func parseKey(l *line) (action, error) {
	text, err := l.all("a key")
	if err != nil {
		return nil, err
	}
	keys := strings.Fields(text)
	if err := vm.CheckKeys(keys...); err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ *play, m *machine) error {
		if err := m.running(); err != nil {
			return err
		}
		return m.vm.SendKeys(ctx, keys...)
	}, nil
}

func parseType(l *line) (action, error) {
	text, err := l.word("a text")
	if err != nil {
		return nil, err
	}
	if rest, err := l.all(""); err == nil {
		text += " " + rest
	}
	if err := vm.CheckText(text); err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ *play, m *machine) error {
		if err := m.running(); err != nil {
			return err
		}
		return m.vm.Type(ctx, text)
	}, nil
}

func parseLink(l *line) (action, error) {
	a, err := l.word("a machine")
	if err != nil {
		return nil, err
	}
	known := &parser{machines: l.machines}
	if err := known.known(a); err != nil {
		return nil, err
	}
	b := ""
	l.optional(func(word string) bool {
		if known.known(word) != nil {
			return false
		}
		b = word
		return true
	})
	text, err := l.all("down, up, delay TIME or loss SHARE%")
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, p *play, _ *machine) error {
		if p.Link == nil {
			return errors.New("link: the machines have no network")
		}
		return p.Link(a, b, strings.Fields(text)...)
	}, nil
}

func parseQMP(l *line) (action, error) {
	name, err := l.word("a command")
	if err != nil {
		return nil, err
	}
	var arguments any
	if text, err := l.all(""); err == nil {
		if err := json.Unmarshal([]byte(text), &arguments); err != nil {
			return nil, fmt.Errorf("%s is not JSON: %w", text, err)
		}
	}
	return func(ctx context.Context, _ *play, m *machine) error {
		if err := m.running(); err != nil {
			return err
		}
		answer, err := m.vm.QMP(ctx, name, arguments)
		m.said = said{output: string(answer), any: true}
		return err
	}, nil
}

func parseSleep(l *line) (action, error) {
	d, err := l.duration()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ *play, _ *machine) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, nil
}

func parseNote(l *line) (action, error) {
	text, err := l.all("a text")
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, p *play, _ *machine) error { p.note(text); return nil }, nil
}
