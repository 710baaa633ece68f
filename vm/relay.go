package vm

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Service is an address of the guest's network behind which a TCP port of the host
// answers, one that only the host itself reaches, say. It is there even where the guest
// reaches nothing else.
type Service struct {
	GuestAddr string // where the guest finds it: 10.0.2.x
	GuestPort int
	HostAddr  string // 127.0.0.1 if empty
	HostPort  int
}

// userNetwork is the network that QEMU gives a guest, and in it are addresses that it has
// given away: its own, the host's, the name server's, the guest's and broadcast.
var (
	userNetwork = netip.MustParsePrefix("10.0.2.0/24")
	userTaken   = map[byte]string{0: "the network's", 2: "the host's", 3: "the name server's", 15: "the guest's", 255: "everybody's"}
)

// Check returns an error if there cannot be such a service, or nil.
func (s Service) Check() error {
	addr, err := netip.ParseAddr(s.GuestAddr)
	if err != nil || !userNetwork.Contains(addr) {
		return fmt.Errorf("%q is not an address of its network, %s", s.GuestAddr, userNetwork)
	}
	if whose, taken := userTaken[addr.As4()[3]]; taken {
		return fmt.Errorf("the address %s is %s: take another of %s, such as 10.0.2.100", addr, whose, userNetwork)
	}
	if a, err := netip.ParseAddr(s.HostAddr); s.HostAddr != "" && (err != nil || !a.Is4()) {
		return fmt.Errorf("%q is no IPv4 address", s.HostAddr)
	}
	for _, port := range []int{s.GuestPort, s.HostPort} {
		if port < 1 || port > 65535 {
			return fmt.Errorf("port %d: ports are 1 to 65535", port)
		}
	}
	return nil
}

// checkServices refuses two services of one address and port, of which QEMU would drop one.
func (u *UserNet) checkServices() error {
	seen := map[string]bool{}
	for _, s := range u.Services {
		if err := s.Check(); err != nil {
			return fmt.Errorf("forward from the guest: %w", err)
		}
		at := net.JoinHostPort(s.GuestAddr, strconv.Itoa(s.GuestPort))
		if seen[at] {
			return fmt.Errorf("forward from the guest: %s leads to two places", at)
		}
		seen[at] = true
	}
	return nil
}

// argument has QEMU start a relay for each of the guest's connections. It could connect
// by itself, but once for all of them, and before there is any.
func (s Service) argument() string {
	pid := strconv.Itoa(os.Getpid())
	// The program, even when its file has been replaced.
	relay := []string{"/proc/" + pid + "/exe", RelayVerb, pid, net.JoinHostPort(cmp.Or(s.HostAddr, "127.0.0.1"), strconv.Itoa(s.HostPort))}
	return fmt.Sprintf("guestfwd=tcp:%s:%d-cmd:%s", s.GuestAddr, s.GuestPort, escape(strings.Join(relay, " ")))
}

// RelayVerb is the first argument under which a program that gives guests a [Service]
// has to call [Relay], with the arguments that follow it.
const RelayVerb = "relay-of-a-machine"

// Relay is the whole life of the process between one connection of a guest, which are its
// standard streams, and a port of the host. Its arguments are the process whose end is
// its own, and the port's address.
func Relay(args []string) error {
	if len(args) != 2 {
		return errors.New("a relay takes a process and an address")
	}
	owner, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	go endWith(owner)
	conn, err := net.Dial("tcp4", args[1])
	if err != nil {
		return err // the guest sees its connection closed
	}
	host := conn.(*net.TCPConn)
	defer host.Close()
	go func() {
		_, _ = io.Copy(host, os.Stdin)
		_ = host.CloseWrite() // the guest has said all, and may still listen
	}()
	_, err = io.Copy(os.Stdout, host)
	return err
}

// endWith ends this process with another one. QEMU starts relays as nobody's children,
// and a guest that has hung up looks to them like a QEMU that was killed.
func endWith(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	for err == nil {
		var n int
		n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if n > 0 {
			break
		}
		if errors.Is(err, unix.EINTR) {
			err = nil
		}
	}
	os.Exit(1)
}
