package scenario

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKeep has a guest's files lie where a test puts its own: links to files of the host,
// and a pipe that nobody writes to.
func TestKeep(t *testing.T) {
	above := t.TempDir()
	dir, secret := filepath.Join(above, "test"), filepath.Join(above, "secret")
	for _, err := range []error{
		os.Mkdir(dir, 0o755), os.WriteFile(secret, []byte("secret"), 0o600),
		os.Symlink(secret, filepath.Join(dir, "console-web.txt")), os.Symlink("../secret", filepath.Join(dir, "screen.png")),
		os.Symlink("../secret", filepath.Join(dir, "linked.png")), unix.Mkfifo(filepath.Join(dir, "pipe.png"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stopped := errors.New("no machine")
	p := &play{folder: dir, machines: map[string]*machine{}, Player: Player{Start: func(_ context.Context, _ string, console io.Writer) (*Machine, error) {
		_, err := io.WriteString(console, "what the guest prints")
		return nil, errors.Join(err, stopped)
	}}}
	if err := p.startOne(t.Context(), p.machine("web")); !errors.Is(err, stopped) {
		t.Fatal(err)
	}
	if err := p.writePNG("screen.png", image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(secret); string(text) != "secret" || err != nil {
		t.Errorf("the file that the links lead to holds %q, %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "console-web.txt")); string(text) != "what the guest prints" || err != nil {
		t.Errorf("the console's file holds %q, %v", text, err)
	}
	for name, want := range map[string]string{"screen.png": "", "linked.png": "too many levels of symbolic links", "pipe.png": "no regular file"} {
		f, err := p.open(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("open %s = %v; want %q", name, err, want)
		}
		if err == nil {
			if _, err := readPNG(f); err != nil {
				t.Error(err)
			}
			f.Close()
		}
	}
}

// TestPictureOfManyPixels has a picture say that it is larger than any screen.
func TestPictureOfManyPixels(t *testing.T) {
	// A signature and a header of 65,536 by 65,536 pixels, with its checksum: PNG, section 11.2.1.
	chunk := []byte("IHDR\x00\x01\x00\x00\x00\x01\x00\x00\x08\x02\x00\x00\x00")
	text := binary.BigEndian.AppendUint32(append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...), crc32.ChecksumIEEE(chunk))
	name := filepath.Join(t.TempDir(), "large.png")
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := stored(name); err == nil || !strings.Contains(err.Error(), "65536 by 65536 pixels") {
		t.Errorf("stored = %v; want its size to be refused", err)
	}
}

// TestConsoleWithoutEnd has a guest print without end.
func TestConsoleWithoutEnd(t *testing.T) {
	var file counter
	c := &console{file: &file}
	p := bytes.Repeat([]byte("console\n"), 1<<17)
	for range maxConsole/len(p) + 20 {
		if n, err := c.Write(p); n != len(p) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if over := file.n - maxConsole; over < 0 || over > 200 || !strings.Contains(string(file.last), "the rest is left out") {
		t.Errorf("the file has %d bytes more than %d, and ends in %q", over, maxConsole, file.last)
	}
	if n := len(c.last()); n != maxConsoleText || cap(c.text) > 4*maxConsoleText {
		t.Errorf("%d bytes are kept, in %d; want %d", n, cap(c.text), maxConsoleText)
	}
}

type counter struct {
	n    int
	last []byte
}

func (c *counter) Write(p []byte) (int, error) {
	if c.n += len(p); len(p) > 0 {
		c.last = bytes.Clone(p[max(0, len(p)-100):])
	}
	return len(p), nil
}
