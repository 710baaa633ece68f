package guest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"ingot/guest/network"
	"ingot/guest/wire"
)

// goOnline brings up what the command line asks for: an address, by ip=, and an ssh server,
// by ingot.ssh, whose default is ip=dhcp. A machine that has a place in a network of machines
// takes that instead of ip=.
func (s *system) goOnline() {
	keys := wire.SSHWord.All(s.cmdline)
	if !s.join() {
		word := s.cmdline.value(wire.IPWord)
		if word == "" && len(keys) > 0 {
			word = "dhcp"
		}
		go s.setAddress(word)
	}
	if len(keys) > 0 {
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

// setAddress sets a fixed address, or starts a DHCP client, which stays.
func (s *system) setAddress(word string) {
	settings, err := network.ParseSettings(word)
	switch {
	case word == "":
		return
	case err == nil && settings.DHCP:
		s.service(strings.Fields("dhcp -f " + settings.Interface))
		return
	}
	err = s.applyIP(word, network.Options{
		Bound:  func(b network.Binding) { s.say("%s", b) },
		Failed: func(err error) { s.say("%v", err) },
	})
	if err != nil {
		s.say("no network: %v", err)
	}
}

// netPatience is how long the network may take to come up.
const netPatience = 60 * time.Second

// applyIP brings the network up as a value of ip= has it.
func (s *system) applyIP(word string, o network.Options) error {
	settings, err := network.ParseSettings(word)
	if err != nil {
		return fmt.Errorf("ip=: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), netPatience)
	defer cancel()
	return settings.Apply(ctx, o)
}

// restarts is how often a service that has ended is started again.
const restarts = 5

// service keeps an applet running, and prints its output on the consoles, without repeated
// lines.
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
	return s.children.start(self(), argv, environment("console"), null, out, out)
}
