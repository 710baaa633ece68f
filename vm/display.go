package vm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Display is how a machine's screen is seen. The zero value has a screen that nobody
// looks at, except through Machine.Screenshot; on a PC, where it costs nothing.
type Display struct {
	VNC    string // a Unix socket, mode 0600, for a VNC viewer
	Window bool   // a window of QEMU's
	Screen bool   // a screen also where it costs something: on all that is no PC
	None   bool   // no graphics card

	toolkit string // of windows
}

// toolkits are what QEMU has windows of, the first that it was built with. The package
// that brings both in Debian is qemu-system-gui.
var toolkits = []string{"gtk", "sdl", "cocoa"}

// findToolkit returns the one that a QEMU has.
func findToolkit(ctx context.Context, qemu string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, qemu, "-display", "help").Output()
	if err != nil {
		return "", fmt.Errorf("display: %s -display help: %w", qemu, err)
	}
	for _, kit := range toolkits {
		if slices.Contains(strings.Fields(string(out)), kit) {
			return kit, nil
		}
	}
	return "", fmt.Errorf("display: %s has no windows (Debian's package qemu-system-gui brings them); vnc is another way to see the screen", qemu)
}

func (d Display) check() error {
	switch {
	case d.None && (d.VNC != "" || d.Window || d.Screen):
		return errors.New("display: a machine without a graphics card has nothing to show")
	case d.VNC != "" && d.Window:
		return errors.New("display: either a window or VNC")
	}
	return nil
}

// hasGraphics reports whether there is a screen.
func (c *Config) hasGraphics() bool {
	d := c.Display
	return !d.None && c.machineName() != "microvm" && (c.Arch.platform().pc || d.Screen || d.Window || d.VNC != "")
}

func (l *line) addDisplay(c *Config) {
	switch {
	case c.Display.Window:
		kit := c.Display.toolkit
		if kit == "" { // for a command line that is only printed
			kit = toolkits[0]
		}
		l.add("-display", kit)
	case c.Display.VNC != "":
		// The viewers come in by Machine.admit.
		l.add("-display", "none", "-vnc", "none")
	default:
		l.add("-display", "none")
	}
	p := c.Arch.platform()
	switch {
	case !c.hasGraphics():
		l.add("-vga", "none")
		return
	case p.pc:
		l.add("-vga", "std")
	default:
		l.add(p.graphics...)
	}
	if p.pc && (c.Display.Window || c.Display.VNC != "") {
		l.add("-device", "qemu-xhci,id=pointer", "-device", "usb-tablet,bus=pointer.0") // a pointer that is where the viewer's is
	}
	l.pictureFD = l.inherit((*Machine).openPicture)
}

// maxPixels is far beyond what a guest's card shows.
const maxPixels = 1 << 26

// Screenshot returns what is on the screen.
func (m *Machine) Screenshot(ctx context.Context) (image.Image, error) {
	if m.picture == nil {
		return nil, errors.New("screenshot: the machine has no graphics")
	}
	m.pictureMu.Lock()
	defer m.pictureMu.Unlock()
	if _, err := m.QMP(ctx, "screendump", map[string]any{"filename": fmt.Sprintf("/proc/self/fd/%d", m.pictureFD)}); err != nil {
		return nil, fmt.Errorf("screenshot: %w", err)
	}
	picture, err := readPPM(bufio.NewReader(io.NewSectionReader(m.picture, 0, 1<<40)))
	if err != nil {
		return nil, fmt.Errorf("screenshot: %w", err)
	}
	return picture, nil
}

// readPPM reads a portable pixmap, 8 bits a colour: https://netpbm.sourceforge.net/doc/ppm.html
func readPPM(r *bufio.Reader) (image.Image, error) {
	var width, height, depth int
	if _, err := fmt.Fscanf(r, "P6\n%d %d\n%d", &width, &height, &depth); err != nil {
		return nil, fmt.Errorf("portable pixmap: %w", err)
	}
	if _, err := r.ReadByte(); err != nil {
		return nil, fmt.Errorf("portable pixmap: %w", err)
	}
	if width < 1 || height < 1 || width > maxPixels/height || depth != 255 {
		return nil, fmt.Errorf("portable pixmap of %d × %d pixels, depth %d", width, height, depth)
	}
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	row := make([]byte, 3*width)
	for y := range height {
		if _, err := io.ReadFull(r, row); err != nil {
			return nil, fmt.Errorf("portable pixmap, row %d of %d: %w", y, height, err)
		}
		for x := range width {
			picture.SetNRGBA(x, y, color.NRGBA{row[3*x], row[3*x+1], row[3*x+2], 0xFF})
		}
	}
	return picture, nil
}

// openPicture makes the file in memory that QEMU draws screenshots into.
func (m *Machine) openPicture() (*os.File, error) {
	f, err := memoryFile("screenshot", nil)
	if err == nil {
		m.picture, err = duplicate(f)
	}
	return f, err
}

// admit hands the connection of a VNC viewer to QEMU. QEMU would make the socket for
// everybody, and leave it behind when it is killed; so it is ours. A viewer that is not let
// in sees its connection closed.
func (m *Machine) admit(conn *net.UnixConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	file, err := conn.File()
	if err != nil {
		return err
	}
	defer file.Close()
	name := fmt.Sprintf("viewer%d", file.Fd()) // no two that come at once have the same
	if _, err := m.control.ask(ctx, "getfd", map[string]any{"fdname": name}, file); err != nil {
		return err
	}
	_, err = m.control.ask(ctx, "add_client", map[string]any{"protocol": "vnc", "fdname": name, "skipauth": true}, nil)
	return err
}
