package vm

import (
	"context"
	"fmt"
	"image"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ingot/internal/lazy"
)

// The text screen of a VGA card: 25 rows of 80 cells, a character and its colours.
const (
	vgaText    = 0xB8000
	vgaColumns = 80
	vgaRows    = 25
	vgaMemory  = 32 << 10 // bytes, of which the screen shows a part
)

// hexWord is one cell as the monitor's xp prints it.
var hexWord = lazy.Regexp(`0x([0-9a-f]{2})([0-9a-f]{2})`)

// answerTime is how long QEMU may take to answer; it does so between translating
// blocks of code.
const answerTime = 5 * time.Second

// screen returns the text on the guest's screen, or "" if that is not to be had:
// graphics, or a machine that has ended.
func (m *Machine) screen() string {
	if m.over() {
		return ""
	}
	return lastLines(strings.Join(m.textMemory(vgaRows), "\n"), vgaRows)
}

// textMemory returns the first rows of the memory of a text screen.
func (m *Machine) textMemory(rows int) []string {
	if !m.vga {
		return nil
	}
	return parseText(m.dump(fmt.Sprintf("xp /%dhx %#x", vgaColumns*rows, vgaText)))
}

// The size in pixels of a text screen: characters of 9 by 16.
const (
	textWidth  = vgaColumns * 9
	textHeight = vgaRows * 16
)

// ScreenText returns what a PC's text screen shows, its rows that are not empty. isText is false where the screen is
// in a graphics mode, or the machine is no PC.
func (m *Machine) ScreenText(ctx context.Context) (text string, isText bool, err error) {
	picture, err := m.Screenshot(ctx)
	if err != nil {
		return "", false, err
	}
	if size := picture.Bounds().Size(); !m.vga || size.X != textWidth || size.Y != textHeight {
		return "", false, nil
	}
	memory := m.textMemory(vgaMemory / (2 * vgaColumns))
	if len(memory) < vgaRows {
		return "", false, nil
	}
	from := shownFrom(memory, picture)
	return screenRows(memory[from : from+vgaRows]), true, nil
}

// screenRows returns what rows show, those that are empty left out.
func screenRows(rows []string) string {
	var lines []string
	for _, row := range rows {
		if row = strings.TrimRight(row, " "); row != "" {
			lines = append(lines, row)
		}
	}
	return strings.Join(lines, "\n")
}

// Shows reports whether a text screen shows what a regular expression matches: as it stands,
// or with the rows put together that a long line was broken into and without the messages
// of the kernel.
func Shows(screen string, re *regexp.Regexp) bool {
	if re.MatchString(screen) {
		return true
	}
	var text strings.Builder
	for line := range strings.Lines(screen) {
		if len(strings.TrimSuffix(line, "\n")) == vgaColumns {
			line = strings.TrimSuffix(line, "\n")
		}
		text.WriteString(line)
	}
	_, _, _, ok := find(re, text.String())
	return ok
}

// shownFrom returns the row of the memory that stands at the top of the screen. A card
// scrolls by starting to read further on, and does not tell from where; so it is where
// the picture is empty just where the memory is.
func shownFrom(memory []string, picture image.Image) int {
	best, most := 0, -1
	for from := 0; from+vgaRows <= len(memory); from++ {
		alike := 0
		for y := range vgaRows {
			for x := range vgaColumns {
				if (memory[from+y][x] == ' ') == emptyCell(picture, x, y) {
					alike++
				}
			}
		}
		if alike > most {
			best, most = from, alike
		}
	}
	return best
}

// emptyCell reports whether a cell has one colour alone.
func emptyCell(picture image.Image, column, row int) bool {
	width, height := textWidth/vgaColumns, textHeight/vgaRows
	at := picture.Bounds().Min.Add(image.Pt(column*width, row*height))
	first := picture.At(at.X, at.Y)
	for y := range height {
		for x := range width {
			if picture.At(at.X+x, at.Y+y) != first {
				return false
			}
		}
	}
	return true
}

// parseText reads the monitor's dump of the screen's memory, row by row. Memory that is
// no text is told by bytes that no text has.
func parseText(dump string) []string {
	var rows []string
	var row strings.Builder
	for line := range strings.Lines(dump) {
		_, cells, _ := strings.Cut(line, ":")
		for _, cell := range hexWord().FindAllStringSubmatch(cells, -1) {
			code, err := strconv.ParseUint(cell[2], 16, 8)
			if err != nil {
				return nil
			}
			switch {
			case code == 0:
				code = ' '
			case code < ' ' || code == 0x7f:
				code = '?'
			case code >= utf8.RuneSelf:
				code = '.'
			}
			row.WriteByte(byte(code))
			if row.Len() == vgaColumns {
				rows = append(rows, row.String())
				row.Reset()
			}
		}
	}
	if row.Len() > 0 {
		rows = append(rows, row.String())
	}
	return rows
}
