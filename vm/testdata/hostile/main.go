// Command hostile is the init of a guest that attacks its host: an agent that agrees to all
// that it is asked for, and whose files are none that a guest has. The attack is the last
// part of the path that the host wants copied, or the name of the last command that it had
// run, for what lies in /tmp/xchg or /tmp/shared.
package main

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ingot/bootloader/initramfs"
	"ingot/guest/wire"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "hostile: not process 1")
		os.Exit(2)
	}
	fmt.Println("hostile:", serve())
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// serve is what package guest does as a helper, as briefly as possible.
func serve() error {
	for dir, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs"} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), unix.Mount(kind, dir, kind, 0, "")); err != nil {
			return err
		}
	}
	list, _ := os.ReadFile(initramfs.ModulesFile) // a kernel may have all built in
	for file := range strings.Lines(string(list)) {
		if f, err := os.Open(strings.TrimSuffix(file, "\n")); err == nil {
			unix.FinitModule(int(f.Fd()), "", 0) // its device may be missing
			f.Close()
		}
	}
	line, err := open()
	if err != nil {
		return err
	}
	s, err := wire.Serve(line, wire.Hello{Beat: 1000}, handle, func() { unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) })
	if err != nil {
		return err
	}
	<-s.Done()
	return s.Err()
}

// open opens the agent's port.
func open() (*port, error) {
	for range 1000 {
		names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, file := range names {
			if text, _ := os.ReadFile(file); strings.TrimSpace(string(text)) == wire.AgentPort {
				f, err := os.OpenFile("/dev/"+filepath.Base(filepath.Dir(file)), os.O_RDWR, 0)
				return &port{f}, err
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, errors.New("no port")
}

// port is one whose reads wait also before the host has opened its end.
type port struct{ *os.File }

func (p *port) Read(b []byte) (int, error) {
	for {
		n, err := p.File.Read(b)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

var (
	mu   sync.Mutex
	last string // command
)

func handle(t *wire.Stream, r wire.Request) {
	switch {
	case r.Exec != nil && len(r.Exec.Argv) > 0:
		mu.Lock()
		last = string(r.Exec.Argv[0])
		mu.Unlock()
		if last == "qcow2" {
			if err := turnDisks(); err != nil {
				t.Exit(wire.Result{Status: 125, Failed: err.Error()})
				return
			}
		}
		t.Writer(wire.Stdout).Close()
		t.Writer(wire.Stderr).Close()
	case r.Put != nil:
		io.Copy(io.Discard, t.Reader(wire.Stdin))
	case r.Modules != nil:
		<-t.Finished()
		return
	case r.Get != nil:
		name := path.Base(string(r.Get.Path))
		if name == "xchg" || name == "shared" {
			mu.Lock()
			name = last
			mu.Unlock()
		}
		out := t.Writer(wire.Stdout)
		w := &stream{tar.NewWriter(out), out}
		attack := attacks[name]
		if attack == nil {
			t.Exit(wire.Result{Status: 125, Failed: "no attack is called " + name})
			return
		}
		if attack(w); name != "privileged" {
			<-t.Finished() // it never tells that it has come to its end
			return
		}
		w.tar.Close()
		out.Close()
	}
	t.Exit(wire.Result{})
}

// turnDisks makes each disk what lies in its second half: a qcow2 that leads to files of the
// host. What was there becomes zeros.
func turnDisks() error {
	disks, _ := filepath.Glob("/dev/vd?")
	if len(disks) == 0 {
		return errors.New("there is no disk")
	}
	for _, name := range disks {
		disk, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer disk.Close()
		size, err := disk.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		half := make([]byte, size/2)
		if _, err := disk.ReadAt(half, size/2); err != nil {
			return err
		}
		_, err = disk.WriteAt(half, 0)
		clear(half)
		_, err2 := disk.WriteAt(half, size/2)
		if err := errors.Join(err, err2, disk.Sync()); err != nil {
			return err
		}
	}
	return nil
}

// stream is a stream of entries, whose errors are those of a host that takes no more.
type stream struct {
	tar *tar.Writer
	out io.WriteCloser
}

func (s *stream) add(typ byte, name string, mode int64, link string, records map[string]string, body []byte) error {
	h := &tar.Header{Typeflag: typ, Name: name, Mode: mode, Linkname: link, Size: int64(len(body)), Format: tar.FormatPAX, PAXRecords: records}
	if typ == tar.TypeChar {
		h.Devmajor, h.Devminor = 1, 3
	}
	if err := s.tar.WriteHeader(h); err != nil {
		return err
	}
	if _, err := s.tar.Write(body); err != nil {
		return err
	}
	return s.tar.Flush()
}

// The names of records are those of package wire.
const (
	attribute = "SCHILY.xattr."
	memory    = "INGOT.memory"
)

var attacks = map[string]func(*stream){
	// A folder's mode is set when its name has become that of a link to a file of the host's.
	"mode": func(s *stream) {
		s.add(tar.TypeDir, "d", 0o4777, "", nil, nil)
		s.add(tar.TypeSymlink, "d", 0o777, "../secret", nil, nil)
		s.tar.Close()
		s.out.Close()
	},
	// A folder is made by way of a link that then leads to a pipe, of the host's or its own.
	"pipe": func(s *stream) {
		s.add(tar.TypeFifo, "own", 0o644, "", nil, nil)
		s.add(tar.TypeDir, "x", 0o755, "", nil, nil)
		s.add(tar.TypeSymlink, "d", 0o777, "x", nil, nil)
		s.add(tar.TypeDir, "d/e", 0o755, "", nil, nil)
		s.add(tar.TypeSymlink, "d", 0o777, "pipe", nil, nil)
		s.tar.Close()
		s.out.Close()
	},
	// The same megabytes of memory come as file after file.
	"memory": func(s *stream) {
		const address, length = 16 << 20, 32 << 20
		run := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, address), length)
		for i := range 1000 {
			if s.add(tar.TypeReg, fmt.Sprint(i), 0o644, "", map[string]string{memory: strconv.Itoa(length)}, run) != nil {
				return
			}
		}
		s.tar.Close()
		s.out.Close()
	},
	// Each byte of memory comes with a hole behind it, so that it takes a block of the host's
	// disk: 16 GiB by 128 MiB of stream.
	"crumbs": func(s *stream) {
		const address, crumbs, apart = 16 << 20, 4 << 20, 4 << 10
		s.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "crumbs", Mode: 0o644, Size: crumbs * 32, Format: tar.FormatPAX, PAXRecords: map[string]string{memory: strconv.Itoa(crumbs * apart)}})
		for i := range uint64(crumbs) {
			var runs []byte
			for _, word := range []uint64{address + i, 1, ^uint64(0), apart - 1} {
				runs = binary.LittleEndian.AppendUint64(runs, word)
			}
			if _, err := s.tar.Write(runs); err != nil {
				return
			}
		}
	},
	// Folders within each other, each with an attribute of nearly a megabyte.
	"deep": func(s *stream) {
		records := map[string]string{attribute + "user.x": strings.Repeat("v", 900_000)}
		for i := range 500 {
			if s.add(tar.TypeDir, strings.Repeat("d/", i)+"d", 0o755, "", records, nil) != nil {
				return
			}
		}
	},
	// Files without end.
	"files": func(s *stream) {
		for i := 0; s.add(tar.TypeReg, fmt.Sprint(i), 0o644, "", nil, nil) == nil; i++ {
		}
	},
	// One file that is too large, and nothing of it.
	"large": func(s *stream) {
		s.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "large\x1b[31m", Mode: 0o644, Size: 1 << 40, Format: tar.FormatPAX})
	},
	// Bytes without end behind the stream's end.
	"endless": func(s *stream) {
		s.add(tar.TypeReg, "file", 0o644, "", nil, []byte("x"))
		s.tar.Close()
		for p := make([]byte, 1<<16); ; {
			if _, err := s.out.Write(p); err != nil {
				return
			}
		}
	},
	// Nothing at all but a word on the console.
	"silent": func(s *stream) { fmt.Println("hostile: silent") },
	// What only root can make, to one who may be root. This stream ends.
	"privileged": func(s *stream) {
		s.add(tar.TypeChar, "null", 0o666, "", nil, nil)
		s.add(tar.TypeFifo, "fifo", 0o666, "", nil, nil)
		s.add(tar.TypeReg, "program", 0o6755, "", map[string]string{attribute + "security.capability": "x", attribute + "trusted.x": "y"}, []byte("program"))
	},
}
