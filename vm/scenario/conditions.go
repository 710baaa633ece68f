package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ingot/vm"
)

// check says whether a condition holds; if it does not, found may say what there was
// instead. An error says that it cannot come to hold.
type check func(ctx context.Context, p *play, m *machine) (ok bool, found string, err error)

// condition is one that a script asks for.
type condition struct {
	check
	text string
	line *regexp.Regexp // of the console: that is waited for, not asked again and again
}

// conditions are what can be waited for.
var conditions []kind

// kind is a kind of condition.
type kind struct {
	name, usage, does string
	parse             func(l *line) (check, error)
}

func init() {
	conditions = []kind{
		{"line", "line PATTERN", "the console has shown this, since the last line that was waited for", nil},
		{"run", "run COMMAND", "a command in the guest ends with the status 0", parseRunCondition},
		{"file", "file PATH", "the guest has this file", func(l *line) (check, error) { return l.shellTest("-e") }},
		{"port", "port NUMBER", "something in the guest listens at this TCP port", parsePort},
		{"socket", "socket PATH", "something in the guest listens at this Unix socket", parseSocket},
		{"unit", "unit NAME", "a service runs: a unit of systemd's, a service of the Shepherd's or of runit's", parseUnit},
		{"fetch", "fetch PORT [PATH]", "the host gets a page from this port of the guest by HTTP, with the status 200", parseFetchCondition},
		{"text", "text PATTERN", "the screen shows this: read from a PC's text screen, or else by tesseract", parseText},
		{"screen", "screen FILE [tolerance] SHARE%", "the screen is like a stored picture, but for so many of its pixels", parseScreen},
		{"ended", "ended", "the machine has switched itself off", func(*line) (check, error) { return hasEnded, nil }},
	}
}

// condition reads a condition, with not before it if it is not to hold.
func (l *line) condition() (*condition, error) {
	c := &condition{text: strings.TrimSpace(l.rest)}
	negated := l.optional(func(word string) bool { return word == "not" })
	word, err := l.word("a condition")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, k := range conditions {
		names = append(names, k.name)
	}
	i := slices.Index(names, word)
	switch {
	case i < 0:
		return nil, unknown("condition", word, names)
	case word == "line":
		if c.line, err = l.pattern(); err != nil {
			return nil, err
		}
		c.check = hasLine(c.line)
	default:
		if c.check, err = conditions[i].parse(l); err != nil {
			return nil, fmt.Errorf("%w (%s)", err, conditions[i].usage)
		}
	}
	if negated {
		c.negate()
	}
	return c, nil
}

func (c *condition) negate() {
	of := c.check
	c.line = nil
	c.check = func(ctx context.Context, p *play, m *machine) (bool, string, error) {
		ok, _, err := of(ctx, p, m)
		return !ok, "", err
	}
}

// hasLine looks at what the console has shown already.
func hasLine(re *regexp.Regexp) check {
	return func(_ context.Context, _ *play, m *machine) (bool, string, error) {
		if err := m.started(); err != nil {
			return false, "", err
		}
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := m.vm.WaitFor(now, re.String())
		var f *vm.FailureError
		if errors.As(err, &f) && (f.Kind == vm.TimedOut || f.Kind == vm.PoweredOff) {
			return false, "", nil
		}
		return err == nil, "", err
	}
}

func parseRunCondition(l *line) (check, error) {
	text, err := l.all("a command")
	if err != nil {
		return nil, err
	}
	return succeeds(text), nil
}

// succeeds asks for the status 0.
func succeeds(command string) check {
	return func(ctx context.Context, _ *play, m *machine) (bool, string, error) {
		output, status, err := m.run(ctx, command)
		if err != nil {
			return false, "", err
		}
		m.said = said{output, status, true, m.shell == byConsole}
		return status == 0, fmt.Sprintf("; status %d%s", status, printed(output)), nil
	}
}

func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

func (l *line) shellTest(flag string) (check, error) {
	path, err := l.word("a path")
	if err != nil {
		return nil, err
	}
	return quiet("test " + flag + " " + quote(path)), nil
}

// quiet asks for the status 0 of a command whose output nobody wants to see.
func quiet(command string) check {
	return func(ctx context.Context, _ *play, m *machine) (bool, string, error) {
		_, status, err := m.run(ctx, command)
		return status == 0, "", err
	}
}

// The columns of /proc/net/tcp: the number, the local address and port, the remote ones,
// and the state, all hexadecimal; proc_pid_net(5).
const tcpListen = "0A"

// table runs a command that prints one, whose rows are whole also where it is printed on the
// console.
func (m *machine) table(ctx context.Context, command string) (string, error) {
	output, _, err := m.run(ctx, command)
	if m.shell == byConsole {
		output = vm.WithoutKernel(output)
	}
	return output, err
}

func parsePort(l *line) (check, error) {
	port, err := l.number("a port", 1, 65535)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ *play, m *machine) (bool, string, error) {
		table, err := m.table(ctx, "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null")
		if err != nil {
			return false, "", err
		}
		var open []string
		for row := range strings.Lines(table) {
			f := strings.Fields(row)
			if len(f) < 4 || f[3] != tcpListen {
				continue
			}
			n, err := strconv.ParseUint(f[1][strings.LastIndexByte(f[1], ':')+1:], 16, 16)
			if err == nil && int(n) == port {
				return true, "", nil
			}
			open = append(open, fmt.Sprint(n))
		}
		if open == nil {
			return false, "; nothing listens at any port", nil
		}
		return false, "; ports that something listens at: " + strings.Join(open, ", "), nil
	}, nil
}

// unixListening is the flag of /proc/net/unix of a socket that takes connections:
// __SO_ACCEPTCON.
const unixListening = "00010000"

func parseSocket(l *line) (check, error) {
	path, err := l.word("a path")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ *play, m *machine) (bool, string, error) {
		table, err := m.table(ctx, "cat /proc/net/unix")
		if err != nil {
			return false, "", err
		}
		for row := range strings.Lines(table) {
			if f := strings.Fields(row); len(f) >= 8 && f[3] == unixListening && f[7] == path {
				return true, "", nil
			}
		}
		return false, "", nil
	}, nil
}

// unitScript asks whichever keeper of services a system has.
const unitScript = `u=%s
if [ -d /run/systemd/system ]; then systemctl is-active "$u"
elif command -v herd >/dev/null 2>&1; then herd status "$u" | grep -q -i 'running'
elif command -v sv >/dev/null 2>&1; then sv status "$u" | grep -q '^run:'
else echo "the guest has neither systemd, the Shepherd nor runit"; exit 99; fi`

func parseUnit(l *line) (check, error) {
	name, err := l.word("a name")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ *play, m *machine) (bool, string, error) {
		output, status, err := m.run(ctx, "("+fmt.Sprintf(unitScript, quote(name))+")")
		if err == nil && status == 99 {
			err = errors.New(strings.TrimSpace(output))
		}
		return status == 0, printed(output), err
	}, nil
}

func parseFetchCondition(l *line) (check, error) {
	get, _, err := l.fetch()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ *play, m *machine) (bool, string, error) {
		if err := m.running(); err != nil {
			return false, "", err
		}
		body, status, err := get(ctx, m)
		if err != nil {
			return false, "; " + err.Error(), nil
		}
		m.said = said{output: body, status: status, any: true}
		return status == http.StatusOK, fmt.Sprintf("; status %d", status), nil
	}, nil
}

// maxPage is how much of a page is read.
const maxPage = 1 << 20

// fetchTime is how long one attempt may take.
const fetchTime = 20 * time.Second

// maxRedirects is how many redirections are followed.
const maxRedirects = 10

// fetch reads a port and a path, and returns what gets that page.
func (l *line) fetch() (get func(context.Context, *machine) (string, int, error), text string, err error) {
	port, err := l.number("a port", 1, 65535)
	if err != nil {
		return nil, "", err
	}
	path := "/"
	l.optional(func(word string) bool { path = "/" + strings.TrimPrefix(word, "/"); return true })
	l.port = port
	return func(ctx context.Context, m *machine) (string, int, error) {
		if err := m.running(); err != nil {
			return "", 0, err
		}
		for _, f := range m.vm.Forwards() {
			if f.GuestPort == port {
				return getPage(ctx, "http://"+f.Address()+path)
			}
		}
		return "", 0, fmt.Errorf("port %d of %s is not forwarded", port, m.name)
	}, fmt.Sprintf("%d %s", port, path), nil
}

func getPage(ctx context.Context, url string) (body string, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", 0, err
	}
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true}, // no proxy: the guest is near
		// A guest may send the host to its own pages, and to nobody else's: what the host
		// reaches is more than the guest does. Such an answer is taken as it is.
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			switch {
			case next.URL.Scheme != q.URL.Scheme || next.URL.Host != q.URL.Host:
				return http.ErrUseLastResponse
			case len(before) >= maxRedirects:
				return fmt.Errorf("stopped after %d redirects", maxRedirects)
			}
			return nil
		},
	}
	r, err := client.Do(q)
	if err != nil {
		return "", 0, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(io.LimitReader(r.Body, maxPage))
	return string(text), r.StatusCode, err
}

func hasEnded(_ context.Context, _ *play, m *machine) (bool, string, error) {
	if err := m.started(); err != nil {
		return false, "", err
	}
	select {
	case <-m.done:
		return true, m.how, nil
	default:
		return false, "", nil
	}
}
