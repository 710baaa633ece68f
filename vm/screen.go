package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// The text screen of a VGA card: 25 rows of 80 cells, a character and its colours.
const (
	vgaText    = 0xB8000
	vgaColumns = 80
	vgaRows    = 25
)

// hexWord is one cell as the monitor's xp prints it.
var hexWord = regexp.MustCompile(`0x([0-9a-f]{2})([0-9a-f]{2})`)

// answerTime is how long QEMU may take to answer; it does so between translating
// blocks of code.
const answerTime = 5 * time.Second

// screen returns the text on the guest's screen, or "" if that is not to be had:
// graphics, or a machine that has ended.
func (m *Machine) screen() string {
	if !m.vga {
		return ""
	}
	select {
	case <-m.done:
		return ""
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	answer, err := m.control.ask(ctx, "human-monitor-command", map[string]any{
		"command-line": fmt.Sprintf("xp /%dhx %#x", vgaColumns*vgaRows, vgaText),
	}, nil)
	if err != nil {
		return ""
	}
	var dump string
	if json.Unmarshal(answer, &dump) != nil {
		return ""
	}
	return parseScreen(dump)
}

// The size in pixels of a text screen: characters of 9 by 16.
const (
	textWidth  = vgaColumns * 9
	textHeight = vgaRows * 16
)

// ScreenText returns what a PC's text screen shows. isText is false where the screen is
// in a graphics mode, or the machine is no PC.
func (m *Machine) ScreenText(ctx context.Context) (text string, isText bool, err error) {
	picture, err := m.Screenshot(ctx)
	if err != nil {
		return "", false, err
	}
	if size := picture.Bounds().Size(); !m.vga || size.X != textWidth || size.Y != textHeight {
		return "", false, nil
	}
	return m.screen(), true, nil
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
