package ssh

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// user is the only one.
const user = "root"

// patience is how long a client may take to log in.
const patience = 30 * time.Second

// A Server is for clients with a key.
type Server struct {
	HostKey ssh.Signer
	// Keys returns the accepted keys. Several goroutines call it, at each attempt to log in.
	Keys func() []ssh.PublicKey
	// Program is the shell, Login its arguments (with its name) for a session at a
	// terminal, and Command those that stand before a command.
	Program        string
	Login, Command []string
	Dir            string   // where sessions start
	Env            []string // of sessions
	// Log, if set, logs connections.
	Log func(format string, args ...any)
}

func (s *Server) log(format string, args ...any) {
	if s.Log != nil {
		s.Log(format, args...)
	}
}

// Serve answers all connections until the listener is closed.
func (s *Server) Serve(l net.Listener) error {
	config := &ssh.ServerConfig{PublicKeyCallback: s.allow, ServerVersion: "SSH-2.0-ingot"}
	config.AddHostKey(s.HostKey)
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ssh: %w", err)
		}
		go s.connection(conn, config)
	}
}

// connection serves one client. It ends with all its sessions.
func (s *Server) connection(raw net.Conn, config *ssh.ServerConfig) {
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(patience))
	conn, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		s.log("%s could not log in: %v", raw.RemoteAddr(), err)
		return
	}
	defer conn.Close()
	_ = raw.SetDeadline(time.Time{})
	s.log("%s has logged in", raw.RemoteAddr())
	go ssh.DiscardRequests(requests)
	for c := range channels {
		if c.ChannelType() != "session" {
			_ = c.Reject(ssh.UnknownChannelType, "there are only sessions here: nothing is forwarded")
			continue
		}
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		session := &session{server: s, channel: channel, env: s.Env}
		go session.serve(requests)
	}
}
