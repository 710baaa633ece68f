package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// control speaks QMP with QEMU, a JSON object a line:
// https://www.qemu.org/docs/master/interop/qmp-spec.html
type control struct {
	mu    sync.Mutex
	file  *os.File
	in    *json.Decoder
	ready bool
	gone  bool
}

func newControl(f *os.File) *control { return &control{file: f, in: json.NewDecoder(f)} }

func (c *control) close() {
	c.file.Close() // wakes who reads
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
}

// answerTime is how long QEMU may take to answer; it does so between translating
// blocks of code.
const answerTime = 5 * time.Second

// ask sends a command and returns its answer. Events that come before it are
// passed over.
func (c *control) ask(command string, arguments map[string]any) (json.RawMessage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil, os.ErrClosed
	}
	if err := c.file.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return nil, err
	}
	if !c.ready {
		if _, err := c.exchange("qmp_capabilities", nil); err != nil {
			c.gone = true
			return nil, err
		}
		c.ready = true
	}
	answer, err := c.exchange(command, arguments)
	var refused *refusal
	if err != nil && !errors.As(err, &refused) {
		c.gone = true // out of step: an answer could be taken for that of another command
	}
	return answer, err
}

// refusal is QEMU's answer to a command that it does not take.
type refusal struct {
	Class, Desc string
}

func (r *refusal) Error() string { return r.Desc }

func (c *control) exchange(command string, arguments map[string]any) (json.RawMessage, error) {
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if _, err := c.file.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("qmp: %w", err)
	}
	for {
		var answer struct {
			Return json.RawMessage
			Error  *refusal
		}
		if err := c.in.Decode(&answer); err != nil {
			return nil, fmt.Errorf("qmp: %w", err)
		}
		if answer.Error != nil {
			return nil, answer.Error
		}
		if answer.Return != nil {
			return answer.Return, nil
		}
	}
}

// The text screen of a VGA card: 25 rows of 80 cells, a character and its colours.
const (
	vgaText    = 0xB8000
	vgaColumns = 80
	vgaRows    = 25
)

// hexWord is one cell as the monitor's xp prints it.
var hexWord = regexp.MustCompile(`0x([0-9a-f]{2})([0-9a-f]{2})`)

// screen returns the text on the guest's screen, or "" if that is not to be had:
// graphics, or a machine that has ended.
func (m *Machine) screen() string {
	select {
	case <-m.done:
		return ""
	default:
	}
	answer, err := m.control.ask("human-monitor-command", map[string]any{
		"command-line": fmt.Sprintf("xp /%dhx %#x", vgaColumns*vgaRows, vgaText),
	})
	if err != nil {
		return ""
	}
	var dump string
	if json.Unmarshal(answer, &dump) != nil {
		return ""
	}
	return parseScreen(dump)
}

// parseScreen reads the monitor's dump of the screen's memory. Memory that is no
// text is told by bytes that no text has.
func parseScreen(dump string) string {
	var text strings.Builder
	column := 0
	for line := range strings.Lines(dump) {
		_, cells, _ := strings.Cut(line, ":")
		for _, cell := range hexWord.FindAllStringSubmatch(cells, -1) {
			var code byte
			if _, err := fmt.Sscanf(cell[2], "%02x", &code); err != nil {
				return ""
			}
			switch {
			case code == 0:
				code = ' '
			case code < ' ':
				code = '?'
			case code >= utf8.RuneSelf:
				code = '.'
			}
			text.WriteByte(code)
			if column++; column == vgaColumns {
				text.WriteByte('\n')
				column = 0
			}
		}
	}
	return lastLines(text.String(), vgaRows)
}
