package applet

import (
	"io"
	"net"
)

// runNetcat joins standard input and output with a TCP connection, made or taken.
func runNetcat(c *Call) error {
	listen := c.flags.BoolP("listen", "l", false, "wait for a connection")
	port := c.flags.StringP("port", "p", "", "the port to wait at")
	args := c.parse(0, 2)
	if *port != "" {
		args = append(args, *port)
	}
	conn, err := c.connect(args, *listen)
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, c.Stdin.from) // if it fails, so does reading below
		if half, ok := conn.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err = io.Copy(c.Stdout.to, conn)
	return err
}

func (c *Call) connect(args []string, listen bool) (net.Conn, error) {
	host := ""
	switch {
	case len(args) == 2:
		host = args[0]
	case len(args) != 1 || !listen:
		return nil, usageError{"host and port are needed"}
	}
	address := net.JoinHostPort(host, args[len(args)-1])
	if !listen {
		return net.Dial("tcp", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.Accept()
}
