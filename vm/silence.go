package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ingot/internal/lazy"
)

// stillTime is how long a machine shows nothing new and reads no disk until it counts as
// one that has given up, where something points to that. GRUB takes less to get over an
// error of its own, and a boot sector reads what it starts at once. Tests make it shorter.
var stillTime = 30 * time.Second

// stillness is since when a machine that is waited for has shown nothing new.
type stillness struct {
	since   time.Time
	seen    activity
	delayed time.Duration // until then, as [Machine.delayed] returns it
}

// activity is what shows that a machine does something.
type activity struct {
	printed int // on the console
	screen  string
	disks   int64 // what was read from disks and written there
}

// longer reports whether nothing has happened for stillTime, without the time for which QEMU had
// no processor of the host: a busy host makes a guest slow, and not still.
func (s *stillness) longer(now activity, delayed time.Duration) bool {
	if s.since.IsZero() || now != s.seen {
		*s = stillness{time.Now(), now, delayed}
	}
	return time.Since(s.since)-max(delayed-s.delayed, 0) >= stillTime
}

// silentFailure looks for signs that do not reach the console. waiting is a failure on the
// console that the guest may get over, or nil.
func (m *Machine) silentFailure(still *stillness, waiting *FailureError) *FailureError {
	if e := findScreenFailure(plain(m.firmware.all())); e != nil && !e.Passing {
		return e
	} else if e != nil && waiting == nil {
		waiting = e
	}
	// A kernel, which scrolls through all of the memory, has its say on the console, too,
	// unless it has none there.
	dump, silent := vgaRows, strings.TrimSpace(plain(m.console.all())) == ""
	if silent {
		dump = vgaMemory / (2 * vgaColumns)
	}
	rows := m.textMemory(dump)
	screen := lastLines(strings.Join(rows, "\n"), len(rows))
	if e := findScreenFailure(unindented(screen)); e != nil && !e.Passing {
		return e
	} else if e != nil && waiting == nil {
		waiting = e
	}
	hands := silent && m.handedOver(screen)
	if hands && m.emptyBootSector() {
		return &FailureError{Kind: NoBoot, Name: "the firmware has started a boot sector without a program, such as that of a disk for UEFI", Line: handOver}
	}
	if hands && waiting == nil {
		name, line := "what the firmware has started shows nothing", handOver
		if firstStage := bootMessage().FindStringSubmatch(screen); firstStage != nil && firstStage[1] != "" {
			name, line = "GRUB's first stage has started nothing", firstStage[1]
		}
		waiting = &FailureError{Kind: NoBoot, Name: fmt.Sprintf("%s, and no disk was read for %v", name, stillTime), Line: line}
	}
	if waiting == nil {
		*still = stillness{}
		return nil
	}
	m.console.mu.Lock()
	printed := m.console.dropped + len(m.console.text)
	m.console.mu.Unlock()
	if still.longer(activity{printed, screen, m.diskRequests()}, m.delayed()) {
		return waiting
	}
	return nil
}

// unindented takes from lines what lastLines has put before them.
func unindented(lines string) string {
	return strings.ReplaceAll("\n"+lines, "\n  ", "\n")
}

// handOver is what SeaBIOS tells last, before it jumps to a boot sector; of a kernel that
// QEMU has put into memory, it names another place.
const handOver = "Booting from 0000:7c00"

// bootMessage is the last that it shows on the screen then, and the little that the first
// stage of GRUB shows below before it starts the second: of a disk whose second stage was
// overwritten there is nothing more.
var bootMessage = lazy.Regexp(`(?:^|\n) *Booting from [^\n]*(?:\s+(GRUB(?: loading\.*)?)\s*)?$`)

// handedOver reports whether a BIOS has started a boot sector from which nothing has been heard
// but for the name of GRUB.
func (m *Machine) handedOver(screen string) bool {
	log := strings.TrimRight(plain(m.firmware.all()), "\n ")
	return strings.HasSuffix(log, handOver) && strings.TrimSpace(plain(m.console.all())) == "" && (screen == "" || bootMessage().MatchString(screen))
}

// Where a BIOS puts a boot sector, and how much of it may be a program: behind that, a
// partition table may follow.
const (
	bootSector = 0x7C00
	bootCode   = 440
)

// emptyBootSector reports whether there is no program where a BIOS has put one.
func (m *Machine) emptyBootSector() bool {
	words := hexWord().FindAllString(m.dump(fmt.Sprintf("xp /%dhx %#x", bootCode/2, bootSector)), -1)
	for _, w := range words {
		if w != "0x0000" {
			return false
		}
	}
	return len(words) == bootCode/2
}

// query asks QEMU something whose answer, if there is one, is decoded into a variable.
func (m *Machine) query(command string, arguments, answer any) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	if text, err := m.control.ask(ctx, command, arguments, nil); err == nil {
		_ = json.Unmarshal(text, answer)
	}
}

// dump asks QEMU's monitor, and returns "" where it does not answer.
func (m *Machine) dump(command string) (text string) {
	m.query("human-monitor-command", map[string]any{"command-line": command}, &text)
	return text
}

// diskRequests returns how often a disk was read or written.
func (m *Machine) diskRequests() (n int64) {
	var disks []struct {
		Stats struct {
			Reads  int64 `json:"rd_operations"`
			Writes int64 `json:"wr_operations"`
		}
	}
	m.query("query-blockstats", nil, &disks)
	for _, d := range disks {
		n += d.Stats.Reads + d.Stats.Writes
	}
	return n
}

// delayed returns for how long one of QEMU's threads was ready to run, and had no processor:
// the largest second number of /proc/PID/task/*/schedstat, in nanoseconds (Linux's
// Documentation/scheduler/sched-stats.rst). It is 0 where the kernel does not count.
func (m *Machine) delayed() (most time.Duration) {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", m.PID())) // the pattern is right
	for _, name := range names {
		text, err := os.ReadFile(name)
		if fields := strings.Fields(string(text)); err == nil && len(fields) >= 2 {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			most = max(most, time.Duration(n))
		}
	}
	return most
}
