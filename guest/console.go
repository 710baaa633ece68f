package guest

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// say writes a line to every console, and to the kernel's log for dmesg.
func (s *system) say(format string, args ...any) {
	line := fmt.Sprintf("ingot: "+format, args...)
	for _, name := range s.consoleNames() {
		_ = writeConsole(name, line+"\n") // an error could not be reported anywhere
	}
	if kmsg, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0); err == nil {
		// Level 7 goes to the log alone: the consoles have the line already.
		fmt.Fprintf(kmsg, "<7>%s\n", strings.ReplaceAll(line, "\n", " "))
		kmsg.Close()
	}
}

// consoleNames returns the existing consoles of the command line, or else the kernel's choice.
func (s *system) consoleNames() []string {
	chosen := s.cmdline.consoles()
	if len(chosen) == 0 {
		active, _ := os.ReadFile("/sys/class/tty/console/active")
		words := strings.Fields(string(active))
		chosen = parseCmdline("console=" + strings.Join(words, " console=")).consoles()
	}
	var names []string
	for _, name := range chosen {
		if _, err := os.Stat("/dev/" + name); err == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{"console"}
	}
	return names
}

// mainConsole is the last of them, as for the kernel.
func (s *system) mainConsole() string {
	names := s.consoleNames()
	return names[len(names)-1]
}

func writeConsole(name, text string) error {
	f, err := openConsole(name, os.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	// A line editor may have left the cursor anywhere, and the terminal raw.
	_, err = f.WriteString("\r" + text)
	return err
}

// openConsole opens a console, not as init's own terminal. A serial line that is not plugged
// in must not block.
func openConsole(name string, mode int) (*os.File, error) {
	fd, err := syscall.Open("/dev/"+name, mode|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/dev/" + name, Err: err}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/dev/"+name), nil
}

// environment is that of shells and scripts on a console.
func environment(console string) []string {
	terminal := "linux"
	if strings.HasPrefix(console, "ttyS") || strings.HasPrefix(console, "ttyAMA") || strings.HasPrefix(console, "hvc") {
		terminal = "vt220"
	}
	return []string{
		"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "TERM=" + terminal,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin:" + appletDir,
	}
}

// shell starts a shell on a console, as the leader of a session whose terminal
// the console is, so that Ctrl-C reaches what runs there.
func (s *system) shell(console string) (<-chan syscall.WaitStatus, error) {
	tty, err := openConsole(console, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	fd := tty.Fd()
	_, done, err := s.children.fork(self(), []string{"-sh"}, &syscall.ProcAttr{
		Dir: "/", Env: environment(console), Files: []uintptr{fd, fd, fd},
		Sys: &syscall.SysProcAttr{Setsid: true, Setctty: console != "console", Ctty: 0},
	})
	return done, err
}

// respawn keeps a shell on a console until the system ends.
func (s *system) respawn(console string) {
	for !s.ending.Load() {
		if err := writeConsole(console, s.banner()); err != nil {
			return // the command line names it, but it does not exist
		}
		_ = writeConsole(console, "ingot: ready on "+console+"\n")
		started := time.Now()
		done, err := s.shell(console)
		if err != nil {
			s.say("no shell on %s: %v", console, err)
			return
		}
		<-done
		if time.Since(started) < time.Second {
			time.Sleep(time.Second) // a console that hangs up at once
		}
	}
}

// banner is the text above the first prompt.
func (s *system) banner() string {
	text, err := os.ReadFile("/etc/motd")
	if err != nil || len(text) == 0 {
		return "\nWelcome. `help` lists the commands, `poweroff` ends the session.\n\n"
	}
	return "\n" + strings.TrimRight(string(text), "\n") + "\n\n"
}

// self is this binary, for as long as /proc is mounted.
func self() string {
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		return "/proc/self/exe"
	}
	return "/init"
}
