package files

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// A Run is a piece of a file that lies in memory without a gap. In a tar stream it is
// two numbers of 64 bits, little-endian, in place of the contents, whose size is in the
// record [memoryRecord].
type Run struct{ Address, Length int64 }

// HoleAddress is that of a run which lies nowhere: it is all zeros.
const HoleAddress = -1

// Locate returns where the contents of an open file lie, in their order, and keeps them there.
// Nil means that they have to be sent.
type Locate func(f *os.File, size int64) []Run

// A MemoryError says that the sender's memory could not be read. Without it, the files
// can still be had.
type MemoryError struct{ Err error }

func (e *MemoryError) Error() string { return "memory of the guest: " + e.Err.Error() }
func (e *MemoryError) Unwrap() error { return e.Err }

const (
	memoryRecord = "INGOT.memory"
	runSize      = 16

	// leastLocated is the size of a file from which on this is faster than sending it.
	leastLocated = 256 << 10
	// leastRun is the smallest page that a guest can have. Only a file's last run may have
	// less: each byte between two holes would take a block of the host's disk.
	leastRun = 4 << 10
)

// packRuns writes where a file lies in place of its contents, if it can be located.
func (p *packer) packRuns(f *os.File, h *tar.Header) (done bool, err error) {
	runs := p.locate(f, h.Size)
	if runs == nil {
		return false, nil
	}
	if h.PAXRecords == nil {
		h.PAXRecords = map[string]string{}
	}
	h.PAXRecords[memoryRecord] = strconv.FormatInt(h.Size, 10)
	h.Size = int64(len(runs)) * runSize
	if err := p.tar.WriteHeader(h); err != nil {
		return false, fmt.Errorf("%s: %w", h.Name, err)
	}
	buf := make([]byte, 0, h.Size)
	for _, r := range runs {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(r.Address))
		buf = binary.LittleEndian.AppendUint64(buf, uint64(r.Length))
	}
	_, err = p.tar.Write(buf)
	return true, err
}

// collect fills a file from the sender's memory.
func (u *unpacker) collect(f *os.File, name, size string, in io.Reader) error {
	left, err := strconv.ParseInt(size, 10, 64)
	if err != nil || left < 0 {
		return fmt.Errorf("tar stream: %.200q: size %.40q", name, size)
	}
	if u.options.Memory == nil {
		return fmt.Errorf("tar stream: %.200q was left in memory, without being asked", name)
	}
	if err := f.Truncate(left); err != nil {
		return err
	}
	var at int64
	crumb := false // the run before was less than a page
	for {
		var word [runSize]byte
		if _, err := io.ReadFull(in, word[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		r := Run{int64(binary.LittleEndian.Uint64(word[:])), int64(binary.LittleEndian.Uint64(word[8:]))}
		if r.Length <= 0 || r.Length > left || r.Address < HoleAddress {
			return fmt.Errorf("tar stream: %.200q: a run of %d bytes at %#x, where %d bytes are left", name, r.Length, r.Address, left)
		}
		if r.Address != HoleAddress {
			if err := u.budget.spendMemory(name, r.Length, u.options.Memory.Size()); err != nil {
				return err
			}
			if crumb {
				return fmt.Errorf("tar stream: %.200q: a run of less than %d bytes is not the last", name, leastRun)
			}
			crumb = r.Length < leastRun
			if err := u.read(f, at, r); err != nil {
				return fmt.Errorf("%.200q: %w", name, err)
			}
		}
		at, left = at+r.Length, left-r.Length
	}
	if left > 0 {
		return fmt.Errorf("tar stream: %.200q: of %d bytes, %d lie nowhere", name, at+left, left)
	}
	return nil
}

// read copies one run.
func (u *unpacker) read(f *os.File, at int64, r Run) error {
	for r.Length > 0 {
		p := u.buffer[:min(r.Length, int64(len(u.buffer)))]
		if _, err := u.options.Memory.ReadAt(p, r.Address); err != nil {
			return &MemoryError{err}
		}
		if _, err := f.WriteAt(p, at); err != nil {
			return err
		}
		n := int64(len(p))
		at, r.Address, r.Length = at+n, r.Address+n, r.Length-n
	}
	return nil
}
