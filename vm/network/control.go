package network

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"ingot/vm/runtimedir"
)

// A Directory is where the running networks of a user are found: the abstract names of
// Unix sockets (unix(7)). They are no files, so that a network that was killed leaves nothing
// behind. Only this user, as the kernel tells, may send requests.
type Directory struct{ prefix string }

// NewDirectory returns the directory that goes with a folder of running machines.
func NewDirectory(folder string) Directory {
	sum := sha256.Sum256([]byte(folder))
	return Directory{fmt.Sprintf("@ingot-network-%d-%x-", os.Getuid(), sum[:6])}
}

// A Request asks a running network for something.
type Request struct {
	Verb  string   `json:"verb"` // link or status
	A     string   `json:"a,omitempty"`
	B     string   `json:"b,omitempty"`
	Words []string `json:"words,omitempty"` // what the link is to be
}

// A Reply answers it.
type Reply struct {
	State  string  `json:"state,omitempty"` // of the link
	Status *Status `json:"status,omitempty"`
}

// RunningError says that the name of a network is taken.
type RunningError struct{ Name string }

func (e *RunningError) Error() string { return fmt.Sprintf("a network %q runs already", e.Name) }

// SeveralError says that several networks run, and none of them was named.
type SeveralError struct{ Names []string }

func (e *SeveralError) Error() string {
	return fmt.Sprintf("several networks run: %s", strings.Join(e.Names, ", "))
}

// Serve answers requests about a network until ctx ends. It returns once it listens.
func (d Directory) Serve(ctx context.Context, n *Network) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.prefix + n.Plan.Name, Net: "unix"})
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := d.check(n.Plan.Name); err != nil {
			return fmt.Errorf("network %q: its name is taken: %w", n.Plan.Name, err)
		}
		return &RunningError{n.Plan.Name}
	}
	if err != nil {
		return fmt.Errorf("control of the network: %w", err)
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go runtimedir.Serve(l, func(c *net.UnixConn) { runtimedir.Answer(c, n.reply) })
	return nil
}

func (n *Network) reply(q Request) (Reply, error) {
	switch q.Verb {
	case "link":
		c, err := n.Change(q.A, q.B, q.Words...)
		return Reply{State: c.String()}, err
	case "status":
		s := n.Status()
		return Reply{Status: &s}, nil
	}
	return Reply{}, fmt.Errorf("%q is not a request to a network", q.Verb)
}

// Ask sends a request to the running network of a name, or to the only one.
func (d Directory) Ask(name string, q Request) (Reply, error) {
	name, err := d.find(name)
	if err != nil {
		return Reply{}, err
	}
	conn, err := d.dial(name)
	if err != nil {
		return Reply{}, fmt.Errorf("network %s: %w", name, err)
	}
	defer conn.Close()
	return runtimedir.Ask[Reply](conn, q)
}

// dial connects to the network of a name, which has to be this user's.
func (d Directory) dial(name string) (*net.UnixConn, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: d.prefix + name, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if _, err := runtimedir.Peer(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// check says why the network of a name is not this user's, or nil.
func (d Directory) check(name string) error {
	c, err := d.dial(name)
	if err == nil {
		c.Close()
	}
	return err
}

func (d Directory) find(name string) (string, error) {
	names, err := d.List()
	switch {
	case err != nil:
		return "", err
	case name != "" && slices.Contains(names, name) || name == "" && len(names) == 1:
		if name == "" {
			name = names[0]
		}
		return name, nil
	case len(names) == 0:
		return "", errors.New("no network is running")
	case name == "":
		return "", &SeveralError{names}
	}
	return "", fmt.Errorf("no network %q is running; there is %s", name, strings.Join(names, ", "))
}

// List returns the names of the running networks.
func (d Directory) List() ([]string, error) {
	table, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil, fmt.Errorf("list of sockets: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		// Num RefCount Protocol Flags Type St Inode Path; St 01 is a listening socket.
		if len(fields) < 8 || fields[5] != "01" {
			continue
		}
		// Anybody may take such a name, so whose it is has to be asked.
		if name, ok := strings.CutPrefix(fields[7], d.prefix); ok && label().MatchString(name) && d.check(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
