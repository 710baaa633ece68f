package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ingot/internal/shellwords"
	"ingot/recipes/script"
	"ingot/vm"
)

// holds reports whether a condition holds; if it does not, found may say what there was
// instead. An error says that it cannot come to hold.
func (p *play) holds(ctx context.Context, m *machine, c script.Condition) (ok bool, found string, err error) {
	switch of := c.Of.(type) {
	case script.Line:
		ok, err = m.hasShown(of.Pattern)
	case script.Run:
		ok, found, err = m.succeeds(ctx, of.Command)
	case script.File:
		var status int
		_, status, err = m.run(ctx, "test -e "+shellwords.Quote([]string{of.Path}))
		ok = status == 0
	case script.Port:
		ok, found, err = m.listensAt(ctx, of.Number)
	case script.Socket:
		ok, err = m.listensAtSocket(ctx, of.Path)
	case script.Unit:
		ok, found, err = m.unitRuns(ctx, of.Name)
	case script.Fetch:
		ok, found, err = m.fetches(ctx, of)
	case script.Text:
		ok, found, err = m.showsText(ctx, of.Pattern)
	case script.Screen:
		ok, found, err = p.looksLike(ctx, m, of.Likeness)
	case script.Ended:
		ok, found, err = m.hasEnded()
	default:
		err = fmt.Errorf("%T: %w", of, errUnknown)
	}
	if c.Not {
		return !ok, "", err
	}
	return ok, found, err
}

// awaited returns the pattern of a line of the console that is waited for, not looked for
// again and again; nil for other conditions.
func awaited(c script.Condition) *regexp.Regexp {
	if line, ok := c.Of.(script.Line); ok && !c.Not {
		return line.Pattern
	}
	return nil
}

// hasShown looks at what the console has shown already.
func (m *machine) hasShown(re *regexp.Regexp) (bool, error) {
	if err := m.started(); err != nil {
		return false, err
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := m.VM.WaitFor(now, re.String())
	var f *vm.FailureError
	if errors.As(err, &f) && (f.Kind == vm.TimedOut || f.Kind == vm.PoweredOff) {
		return false, nil
	}
	return err == nil, err
}

// succeeds runs a command that has to end with the status 0.
func (m *machine) succeeds(ctx context.Context, command string) (bool, string, error) {
	output, status, err := m.run(ctx, command)
	if err != nil {
		return false, "", err
	}
	m.say(output, status)
	return status == 0, fmt.Sprintf("; status %d%s", status, printed(output)), nil
}

// The columns of /proc/net/tcp: the number, the local address and port, the remote ones,
// and the state, all hexadecimal; proc_pid_net(5).
const tcpListen = "0A"

// table runs a command that prints one, whose rows are whole also where it is printed on the
// console.
func (m *machine) table(ctx context.Context, command string) (string, error) {
	output, _, err := m.run(ctx, command)
	if m.shell == script.ByConsole {
		output = vm.WithoutKernel(output)
	}
	return output, err
}

func (m *machine) listensAt(ctx context.Context, port int) (bool, string, error) {
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
}

// unixListening is the flag of /proc/net/unix of a socket that takes connections:
// __SO_ACCEPTCON.
const unixListening = "00010000"

func (m *machine) listensAtSocket(ctx context.Context, path string) (bool, error) {
	table, err := m.table(ctx, "cat /proc/net/unix")
	if err != nil {
		return false, err
	}
	for row := range strings.Lines(table) {
		if f := strings.Fields(row); len(f) >= 8 && f[3] == unixListening && f[7] == path {
			return true, nil
		}
	}
	return false, nil
}

// unitScript asks the service manager that a system has.
const unitScript = `u=%s
if [ -d /run/systemd/system ]; then systemctl is-active "$u"
elif command -v herd >/dev/null 2>&1; then herd status "$u" | grep -q -i 'running'
elif command -v sv >/dev/null 2>&1; then sv status "$u" | grep -q '^run:'
else echo "the guest has neither systemd, the Shepherd nor runit"; exit 99; fi`

func (m *machine) unitRuns(ctx context.Context, name string) (bool, string, error) {
	output, status, err := m.run(ctx, "("+fmt.Sprintf(unitScript, shellwords.Quote([]string{name}))+")")
	if err == nil && status == 99 {
		err = errors.New(strings.TrimSpace(output))
	}
	return status == 0, printed(output), err
}

func (m *machine) fetches(ctx context.Context, f script.Fetch) (bool, string, error) {
	if err := m.running(); err != nil {
		return false, "", err
	}
	body, status, err := m.fetch(ctx, f)
	if err != nil {
		return false, "; " + err.Error(), nil
	}
	m.said = said{output: body, status: status, any: true}
	return status == http.StatusOK, fmt.Sprintf("; status %d", status), nil
}

// maxPage is how much of a page is read.
const maxPage = 1 << 20

// fetchTime is how long one attempt may take.
const fetchTime = 20 * time.Second

// maxRedirects is how many redirections are followed.
const maxRedirects = 10

// fetch gets a page of the machine's.
func (m *machine) fetch(ctx context.Context, f script.Fetch) (body string, status int, err error) {
	if err := m.running(); err != nil {
		return "", 0, err
	}
	for _, to := range m.VM.Forwards() {
		if to.GuestPort == f.Port {
			return getPage(ctx, "http://"+to.Address()+f.Path)
		}
	}
	return "", 0, fmt.Errorf("port %d of %s is not forwarded", f.Port, m.name)
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

func (m *machine) hasEnded() (bool, string, error) {
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
