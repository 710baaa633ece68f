package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"ingot/recipes/script"
	"ingot/vm"
)

func (p *play) screenshot(ctx context.Context, m *machine, name string) error {
	picture, err := m.screenshot(ctx)
	if err != nil {
		return err
	}
	return p.writePNG(name, picture)
}

func (m *machine) screenshot(ctx context.Context) (image.Image, error) {
	if err := m.running(); err != nil {
		return nil, err
	}
	picture, err := m.VM.Screenshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	return picture, nil
}

func (p *play) writePNG(name string, picture image.Image) error {
	f, err := p.create(name)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, picture), f.Close())
}

// stored reads a picture that belongs to the test.
func stored(path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readPNG(f)
}

// maxPixels is twice of what a screen of 7680 by 4320 has: a small file may say that it
// is a picture of four thousand million.
const maxPixels = 64 << 20

func readPNG(f *os.File) (image.Image, error) {
	size, err := png.DecodeConfig(f)
	if err == nil && (size.Width > maxPixels || size.Height > maxPixels/max(size.Width, 1)) {
		err = fmt.Errorf("a picture of %d by %d pixels; the limit is %d in all", size.Width, size.Height, maxPixels)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	var picture image.Image
	if err == nil {
		picture, err = png.Decode(f)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return picture, nil
}

// compare compares a screenshot that the test has taken.
func (p *play) compare(c script.Compare) error {
	f, err := p.open(c.Name)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the test has taken no screenshot %s", c.Name)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := readPNG(f)
	if err != nil {
		return err
	}
	want, err := stored(p.beside(c.File))
	if err != nil {
		return err
	}
	return like(got, want, c.Name, c.Likeness)
}

func (p *play) looksLike(ctx context.Context, m *machine, to script.Likeness) (bool, string, error) {
	want, err := stored(p.beside(to.File))
	if err != nil {
		return false, "", err
	}
	got, err := m.screenshot(ctx)
	if err != nil {
		return false, "", err
	}
	if err := like(got, want, "the screen", to); err != nil {
		return false, "; " + err.Error(), nil
	}
	return true, "", nil
}

// visible is by how much of 255 a colour has to differ for a person to see it: a fade, or
// another rounding of a palette, does not count.
const visible = 24

// like returns how two pictures differ, or nil.
func like(got, want image.Image, name string, to script.Likeness) error {
	if got.Bounds().Size() != want.Bounds().Size() {
		return fmt.Errorf("%s has %v pixels, and %s %v", name, got.Bounds().Size(), to.File, want.Bounds().Size())
	}
	if d := Difference(got, want); d > to.Percent {
		return fmt.Errorf("%.2f%% of the pixels of %s differ from %s; at most %g%% may", d, name, to.File, to.Percent)
	}
	return nil
}

// Difference returns how many of the pixels of two pictures of one size differ visibly,
// in percent.
func Difference(a, b image.Image) float64 {
	size := a.Bounds().Size()
	n := 0
	for y := range size.Y {
		for x := range size.X {
			p := color.NRGBAModel.Convert(a.At(a.Bounds().Min.X+x, a.Bounds().Min.Y+y)).(color.NRGBA)
			q := color.NRGBAModel.Convert(b.At(b.Bounds().Min.X+x, b.Bounds().Min.Y+y)).(color.NRGBA)
			if apart(p.R, q.R) || apart(p.G, q.G) || apart(p.B, q.B) {
				n++
			}
		}
	}
	return 100 * float64(n) / float64(max(1, size.X*size.Y))
}

func apart(a, b uint8) bool { return max(a, b)-min(a, b) >= visible }

func (m *machine) showsText(ctx context.Context, re *regexp.Regexp) (bool, string, error) {
	text, err := m.screenText(ctx)
	switch {
	case errors.Is(err, errGraphics): // it may show text yet: a BIOS has graphics for a moment
		return false, "; " + err.Error(), nil
	case err != nil:
		return false, "", err
	}
	return vm.Shows(text, re), "; the screen shows\n" + text, nil
}

// errGraphics says that the program that reads screens is missing.
var errGraphics = errors.New("the screen shows graphics, which tesseract reads, and that is not installed (Debian's package tesseract-ocr)")

// CheckScreen returns why a machine has no screen that the condition text could read, or nil.
// graphics says that its firmware has no other screen.
func CheckScreen(arch vm.Arch, graphics bool) error {
	if !arch.HasScreen() {
		return fmt.Errorf("text: a machine of the architecture %s has no screen; the condition line looks at its console", arch)
	}
	if _, err := exec.LookPath("tesseract"); err != nil && graphics {
		return errors.New("text: with UEFI the screen shows graphics, which tesseract reads, and that is not installed (Debian's package tesseract-ocr); the condition line looks at the console, and a BIOS has a text screen")
	}
	return nil
}

// screenText reads the screen: a text screen from the card's memory, anything else by
// tesseract.
func (m *machine) screenText(ctx context.Context) (string, error) {
	if err := m.running(); err != nil {
		return "", err
	}
	text, isText, err := m.VM.ScreenText(ctx)
	if err != nil || isText {
		return text, err
	}
	picture, err := m.screenshot(ctx)
	if err != nil {
		return "", err
	}
	tesseract, err := exec.LookPath("tesseract")
	if err != nil {
		return "", errGraphics
	}
	var in, out, complaint bytes.Buffer
	if err := png.Encode(&in, picture); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, tesseract, "stdin", "stdout", "--psm", "6")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("tesseract: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}
