package guest

import (
	"bufio"
	"context"
	"os"
	"syscall"
	"time"

	"ingot/guest/network"
	"ingot/guest/wire"
)

// goOnline brings up what the command line asks for: an address, by ip=, and a server
// for those who log in by ssh, by ingot.ssh. That needs a network, so that ip=dhcp goes
// without saying then. A machine that has a place in a network of machines takes that.
func (s *system) goOnline() {
	keys := wire.SSHWord.All(s.cmdline)
	wanted := len(keys) > 0
	if s.join() {
		if wanted {
			s.serveSSH(keys)
		}
		return
	}
	word := s.cmdline.value(wire.IPWord)
	if word == "" && wanted {
		word = "dhcp"
	}
	if word == "" {
		return
	}
	settings, err := network.ParseSettings(word)
	if err != nil {
		s.say("no network: ip=: %v", err)
		return
	}
	switch {
	case settings.DHCP:
		args := []string{"dhcp", "-f"}
		if settings.Interface != "" {
			args = append(args, settings.Interface)
		}
		s.service(args)
	case !settings.Off:
		go s.setAddress(settings)
	}
	if wanted {
		s.serveSSH(keys)
	}
}

func (s *system) serveSSH(keys []string) {
	args := []string{"sshd"}
	for _, key := range keys {
		if key != "" {
			args = append(args, "--key="+key)
		}
	}
	s.service(args)
}

func (s *system) setAddress(settings network.Settings) {
	ctx, cancel := context.WithTimeout(context.Background(), netPatience)
	defer cancel()
	report := network.Options{
		Bound:  func(b network.Binding) { s.say("%s", b) },
		Failed: func(err error) { s.say("%v", err) },
	}
	if err := settings.Apply(ctx, report); err != nil {
		s.say("no network: %v", err)
	}
}

// restarts is how often a service is started again that ended by itself.
const restarts = 5

// service keeps an applet running, and says what it prints. What it repeats is said
// once: a cable that is not plugged in is no news.
func (s *system) service(argv []string) {
	out, in, err := os.Pipe()
	if err != nil {
		s.say("%s: %v", argv[0], err)
		return
	}
	go func() {
		last := ""
		for lines := bufio.NewScanner(out); lines.Scan(); last = lines.Text() {
			if lines.Text() != last {
				s.say("%s", lines.Text())
			}
		}
	}()
	go func() {
		defer in.Close()
		for range restarts {
			done, err := s.startApplet(argv, in)
			if err != nil {
				s.say("%s: %v", argv[0], err)
				return
			}
			if status := <-done; s.ending.Load() || status.ExitStatus() == 0 {
				return
			}
			time.Sleep(time.Second)
		}
	}()
}

func (s *system) startApplet(argv []string, out *os.File) (<-chan syscall.WaitStatus, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	return s.children.start(self(), argv, &syscall.ProcAttr{
		Dir: "/", Env: environment("console"), Files: []uintptr{null.Fd(), out.Fd(), out.Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
}
