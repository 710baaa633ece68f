package vm

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// FuzzConsole has a guest print anything: what errors show of it is of bounded length and
// moves no cursor, and a sign of failure is part of it.
func FuzzConsole(f *testing.F) {
	for _, s := range []string{
		"[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n---[ end\r\n",
		"ALERT!  UUID=x does not exist.  Dropping to a shell!\n(initramfs) ", "\x1b[2Jerror: file `/boot/x' not found.\r\ngrub rescue> ",
		"in[    1.000000] a\r\nit[   12.000000][    T1] \r\n: <6>[    2.000000] b", "error: no such device: 1.\nerror: no such disk.\n", "BdsDxe: failed to load Boot0001 \"x\": Access Denied\r\n\x1b(B\x1b[0;37;40mUEFI Interactive Shell",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<14 {
			return
		}
		c := newConsole()
		c.collect(strings.NewReader(text))
		if got := c.all(); got != text {
			t.Errorf("%d bytes of %d are kept", len(got), len(text))
		}
		for _, fatalOnly := range []bool{false, true} {
			shown := plain(text)
			if r := withoutKernel(shown); r != nil {
				shown += "\n" + r.text
			}
			if e := findFailure(plain(text), fatalOnly); e != nil && !strings.Contains(shown, e.Line) {
				t.Errorf("line %q is not in the text", e.Line)
			}
		}
		_ = findScreenFailure(text)
		if match, start, end, ok := find(regexp.MustCompile(`(?s)i.t: `), text); ok && (start < 0 || end > len(text) || end-start < len(match) || text[start] != match[0] || text[end-1] != ' ') {
			t.Errorf("%q is at %d to %d of %q", match, start, end, text)
		}
		tail := lastLines(text, tailLines)
		if n := strings.Count(tail, "\n"); n >= tailLines {
			t.Errorf("%d lines are the last", n+1)
		}
		if strings.ContainsRune(plain(text), '\r') {
			t.Error("a carriage return stays")
		}
	})
}

// FuzzControl has QEMU say anything to one who waits for the answer to a command.
func FuzzControl(f *testing.F) {
	f.Add([]byte(`{"return": {}, "id": 1}`))
	f.Add([]byte(`{"event": "SHUTDOWN", "data": {"reason": "guest-panic"}} {"error": {"class": "GenericError", "desc": "no"}, "id": 1}`))
	f.Add([]byte(`{"QMP": {}}{"event": "STOP"}{"id": 1}{"id": 1}{"id": 2}`))
	f.Fuzz(func(t *testing.T, said []byte) {
		c := &control{waiting: map[int]chan reply{}}
		_, answer, err := c.expect()
		if err != nil {
			t.Fatal(err)
		}
		c.hear(bytes.NewReader(said))
		select {
		case r := <-answer:
			if r.ID != 1 || len(c.waiting) > 0 {
				t.Errorf("the answer to command 1 is %+v", r)
			}
		default:
			if len(c.waiting) != 1 {
				t.Error("nobody waits any more, and there is no answer")
			}
		}
		c.shutdown()
	})
}

// FuzzMemory reads the monitor's list of the guest's memory.
func FuzzMemory(f *testing.F) {
	f.Add("  0000000000000000-000000001fffffff (prio 0, ram): memory KVM\n    00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios\n")
	f.Add("0000000100000000-000000013fffffff (prio 0, ram): memory @00000000c0000000 KVM\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := &Memory{banks: parseBanks(text)}
		for _, b := range r.banks {
			if b.first < 0 || b.last < 0 || b.offset < 0 {
				t.Errorf("bank %+v", b)
			}
		}
	})
}

// FuzzScreen reads the monitor's dump of a text screen.
func FuzzScreen(f *testing.F) {
	f.Add("00000000000b8000: 0x0741 0x0742 0x0700\n00000000000b8006: 0x07ff 0x0701\n")
	f.Add(strings.Repeat(fmt.Sprintf("b8000:%s\n", strings.Repeat(" 0x0720", 8)), 30))
	f.Add("b8000: 0x077f 0x071b")
	control := regexp.MustCompile(`[^ -~\n]`)
	f.Fuzz(func(t *testing.T, dump string) {
		if s := parseScreen(dump); control.MatchString(s) || strings.Count(s, "\n") >= vgaRows {
			t.Errorf("the screen shows %q", s)
		}
	})
}

// FuzzPixmap reads screenshots as QEMU writes them.
func FuzzPixmap(f *testing.F) {
	f.Add([]byte("P6\n2 1\n255\nabcdef"))
	f.Add([]byte("P6\n1 2\n255\nabcde"))
	f.Add([]byte("P6\n99999 1\n255\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		picture, err := readPPM(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		if size := picture.Bounds().Size(); 3*size.X*size.Y > len(data) {
			t.Errorf("%d bytes are %d × %d pixels", len(data), size.X, size.Y)
		}
	})
}
