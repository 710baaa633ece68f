package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"ingot/internal/lazy"
)

// Memory is a guest's, as the host sees it while the guest runs. Offsets are addresses
// as the guest's processors have them, without paging.
type Memory struct {
	file  *os.File
	banks []bank
	size  int64
}

var _ io.ReaderAt = (*Memory)(nil)

// A bank is a run of addresses that lies in the file in one piece.
type bank struct{ first, last, offset int64 }

// openMemory makes the guest's memory: a file without a name, which it shares with us.
func (m *Machine) openMemory(size int64) (*os.File, error) {
	f, err := memoryFile("memory", nil)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		return f, fmt.Errorf("memory of %d bytes: %w", size, err)
	}
	m.memory, err = duplicate(f)
	return f, err
}

// Memory returns the memory of a machine whose Config has OpenMemory. It can be read
// until it is closed, also from several goroutines, and also when the machine has ended.
func (m *Machine) Memory(ctx context.Context) (*Memory, error) {
	if m.memory == nil {
		return nil, errors.New("the machine was started without OpenMemory")
	}
	answer, err := m.QMP(ctx, "human-monitor-command", map[string]any{"command-line": "info mtree -f"})
	if err != nil {
		return nil, err
	}
	var text string
	if err := json.Unmarshal(answer, &text); err != nil {
		return nil, err
	}
	banks := parseBanks(text)
	if len(banks) == 0 {
		return nil, errors.New("QEMU does not tell where the guest's memory lies")
	}
	f, err := duplicate(m.memory)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Memory{f, banks, info.Size()}, nil
}

// Size is how many bytes the guest's memory has. Its addresses go further: they have gaps.
func (r *Memory) Size() int64 { return r.size }

// bankLine is one of QEMU's monitor: its first address, its last, and where it begins in
// the file, if not at the start.
var bankLine = lazy.Regexp(`(?m)^ *([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?[0-9]+, ram\): memory(?: @([0-9a-f]{16}))?(?: KVM)?\r?$`)

// parseBanks reads the monitor's list of what lies where. Several views of it, such as
// devices have, repeat the same.
func parseBanks(text string) (banks []bank) {
	for _, match := range bankLine().FindAllStringSubmatch(text, -1) {
		var n [3]int64
		ok := true
		for i, word := range match[1:] {
			if word == "" {
				continue
			}
			v, err := strconv.ParseInt(word, 16, 64)
			n[i], ok = v, ok && err == nil
		}
		if b := (bank{n[0], n[1], n[2]}); ok && !slices.Contains(banks, b) {
			banks = append(banks, b)
		}
	}
	return banks
}

// ReadAt reads from addresses of the guest.
func (r *Memory) ReadAt(p []byte, address int64) (int, error) {
	for _, b := range r.banks {
		if address < b.first || address > b.last {
			continue
		}
		n := min(int64(len(p)), b.last-address+1)
		done, err := r.file.ReadAt(p[:n], address-b.first+b.offset)
		if err != nil || n == int64(len(p)) {
			return done, err
		}
		more, err := r.ReadAt(p[n:], address+n)
		return done + more, err
	}
	return 0, fmt.Errorf("address %#x of the guest is none of its memory", address)
}

// Close gives the memory back. The guest keeps its own.
func (r *Memory) Close() error { return r.file.Close() }

// sharing is the part of the command line that has the memory in a file.
func (l *line) sharing(c *Config, bytes int64, size string) string {
	if !c.OpenMemory {
		return "memory-backend-memfd,id=memory,share=on,size=" + size
	}
	path := l.path(func(m *Machine) (*os.File, error) { return m.openMemory(bytes &^ (1<<20 - 1)) })
	return fmt.Sprintf("memory-backend-file,id=memory,share=on,mem-path=%s,size=%s", path, size)
}
