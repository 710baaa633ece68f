package run

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ingot/guest/wire"
	"ingot/vm"
)

// ParseForward reads a port forward in the short forms of the models:
//
//	8080:80                      port 8080 of this machine's loopback to port 80 of the guest
//	:8080-:80                    the same
//	127.0.0.1:8080:80
//	udp:127.0.0.1:5353-10.0.2.15:53
func ParseForward(text string) (vm.Forward, error) {
	f, err := parseForward(text)
	if err != nil {
		return f, wrong(OptionForward, text, "%w; it is written [tcp:|udp:][ADDRESS:]PORT:GUESTPORT, as in tcp:127.0.0.1:8080:80", err)
	}
	return f, nil
}

// fromGuest stands before a forward of the other direction.
const fromGuest = "guest:"

// AddForward adds a forward: one to the guest, as [ParseForward] reads it, or one from
// the guest, as [ParseService] does, which begins with "guest:".
func (o *Options) AddForward(text string) error {
	if strings.HasPrefix(text, fromGuest) {
		s, err := ParseService(text)
		o.Services = append(o.Services, s)
		return err
	}
	f, err := ParseForward(text)
	o.Forwards = append(o.Forwards, f)
	return err
}

// ParseService reads an address of the guest's network and what answers there, a port
// of this machine, on its loopback device if no address is given:
//
//	guest:10.0.2.100:80-8080
//	guest:tcp:10.0.2.100:80-127.0.0.1:8080
func ParseService(text string) (vm.Service, error) {
	s, err := parseService(strings.TrimPrefix(text, fromGuest))
	if err != nil {
		return s, wrong(OptionForward, text, "%w; it is written guest:10.0.2.N:GUESTPORT-[ADDRESS:]PORT, as in guest:10.0.2.100:80-127.0.0.1:8080", err)
	}
	return s, nil
}

func parseService(text string) (s vm.Service, err error) {
	if strings.HasPrefix(text, "udp:") {
		return s, errors.New("from the guest there is TCP alone")
	}
	guest, host, dash := strings.Cut(strings.TrimPrefix(text, "tcp:"), "-")
	if !dash {
		return s, errors.New("there is no - between the guest's address and this machine's")
	}
	if s.GuestAddr, s.GuestPort, err = addressAndPort(guest); err != nil {
		return s, fmt.Errorf("port that the guest connects to: %w", err)
	}
	if s.HostAddr, s.HostPort, err = addressAndPort(host); err != nil {
		return s, fmt.Errorf("port of the host: %w", err)
	}
	return s, s.Check()
}

func parseForward(text string) (f vm.Forward, err error) {
	f.Proto = "tcp"
	rest := text
	for _, proto := range []string{"tcp", "udp"} {
		if after, ok := strings.CutPrefix(text, proto+":"); ok {
			f.Proto, rest = proto, after
		}
	}
	host, guest, dash := strings.Cut(rest, "-")
	if !dash {
		i := strings.LastIndexByte(rest, ':')
		if i < 0 {
			return f, errors.New("there is only one port")
		}
		host, guest = rest[:i], rest[i+1:]
	}
	if f.HostAddr, f.HostPort, err = addressAndPort(host); err != nil {
		return f, fmt.Errorf("port of the host: %w", err)
	}
	if f.GuestAddr, f.GuestPort, err = addressAndPort(guest); err != nil {
		return f, fmt.Errorf("port of the guest: %w", err)
	}
	return f, nil
}

func addressAndPort(text string) (address string, port int, err error) {
	number := text
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		address, number = text[:i], text[i+1:]
	}
	if strings.ContainsRune(address, ':') {
		return "", 0, fmt.Errorf("%q is not an IPv4 address", address)
	}
	port, err = strconv.Atoi(number)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not a port: 1 to 65535", number)
	}
	return address, port, nil
}

// describe writes a forward as it is read.
func describe(f vm.Forward) string {
	return fmt.Sprintf("%s:%s:%d-%s:%d", f.Proto, cmp.Or(f.HostAddr, "127.0.0.1"), f.HostPort, f.GuestAddr, f.GuestPort)
}

// describeService writes a service as it is read.
func describeService(s vm.Service) string {
	return fmt.Sprintf("%s%s:%d-%s:%d", fromGuest, s.GuestAddr, s.GuestPort, cmp.Or(s.HostAddr, "127.0.0.1"), s.HostPort)
}

// ParseShare reads a shared folder: [NAME:]PATH, with ",ro" or the models' ",readonly=on"
// behind it for one that the guest cannot write to. Default of NAME: [wire.SharedTag]. What
// stands before a colon is no NAME if it holds a slash.
func ParseShare(text string) (vm.Share, error) {
	name, dir, ok := strings.Cut(text, ":")
	if !ok || strings.Contains(name, "/") {
		name, dir = wire.SharedTag, text
	}
	s := vm.Share{Tag: name, Dir: dir}
	for _, word := range []string{",ro", ",readonly=on", ",readonly"} {
		if cut, ok := strings.CutSuffix(dir, word); ok {
			s.Dir, s.ReadOnly = cut, true
			break
		}
	}
	if s.Tag == "" || s.Dir == "" || s.Tag == "." || s.Tag == ".." { // a folder of /mnt is made of the name
		return s, wrong(OptionShare, text, "it is written PATH, NAME:PATH or NAME:PATH,ro")
	}
	return s, checkShare(s)
}

// checkShare says why a folder cannot be shared, or nil.
func checkShare(s vm.Share) error {
	if err := s.Check(); err != nil {
		return &OptionError{OptionShare, "", err}
	}
	return nil
}
