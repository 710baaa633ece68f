package applet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"ingot/guest/ssh"
	"ingot/internal/grammar"
)

const (
	hostKeyFile        = "/etc/ssh/ssh_host_ed25519_key"
	authorizedKeysFile = "/root/.ssh/authorized_keys"
)

// runSSHD serves ssh in the foreground.
func runSSHD(c *Call) error {
	port := c.flags.Uint16P("port", "p", 22, "the port to listen on")
	given := c.flags.StringArrayP("key", "k", nil, "a public key that may log in, beside those in "+authorizedKeysFile)
	hostKey := c.flags.String("host-key", hostKeyFile, "the file with the host's own key; made if there is none")
	c.parse(0, 0)
	keys := func() []gossh.PublicKey {
		keys, err := authorized(*given)
		if err != nil {
			c.complain(err)
		}
		return keys
	}
	own, err := ssh.HostKey(*hostKey)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", ":"+strconv.Itoa(int(*port)))
	if err != nil {
		return err
	}
	n := len(keys())
	c.say("listening on port %d for %s; the host's key is %s\n", *port, grammar.Count(n, "key"), gossh.FingerprintSHA256(own.PublicKey()))
	if n == 0 {
		c.say("nobody can log in before there is a key in %s\n", authorizedKeysFile)
	}
	dir := "/root"
	if _, err := os.Stat(dir); err != nil {
		dir = "/"
	}
	s := &ssh.Server{
		HostKey: own, Keys: keys, Dir: dir, Env: os.Environ(),
		Program: "/proc/self/exe", Login: []string{"-sh"}, Command: []string{"sh", "-c"},
		Log: func(format string, args ...any) { c.complain(fmt.Errorf(format, args...)) },
	}
	return s.Serve(l)
}

// authorized returns the keys that may log in. One that is wrong keeps no other out.
func authorized(given []string) ([]gossh.PublicKey, error) {
	text, err := os.ReadFile(authorizedKeysFile)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	keys, wrong := ssh.ParseKeys(strings.Join(given, "\n") + "\n" + string(text))
	return keys, errors.Join(err, wrong)
}
