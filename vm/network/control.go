package network

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"ingot/vm/runtimedir"
)

// A Directory is where the running networks of a user are found: the abstract names of
// Unix sockets (unix(7)). They are no files, so that nothing can stay behind of a
// network that was killed. Who may speak is told by the kernel: this user alone.
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
	Error  string  `json:"error,omitempty"`
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

// patienceForTalk is how long a request and its answer may take.
const patienceForTalk = 10 * time.Second

// Serve answers requests about a fabric until ctx ends. It returns once it listens.
func (d Directory) Serve(ctx context.Context, f *Fabric) error {
	l, err := net.Listen("unix", d.prefix+f.Plan.Name)
	if errors.Is(err, syscall.EADDRINUSE) {
		if c, err := d.dial(f.Plan.Name); err != nil {
			return fmt.Errorf("network %q: its name is taken: %w", f.Plan.Name, err)
		} else {
			c.Close()
		}
		return &RunningError{f.Plan.Name}
	}
	if err != nil {
		return fmt.Errorf("control of the network: %w", err)
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.converse(conn.(*net.UnixConn))
		}
	}()
	return nil
}

// converse answers one request.
func (f *Fabric) converse(conn *net.UnixConn) {
	defer conn.Close()
	if checkPeer(conn) != nil {
		return
	}
	_ = conn.SetDeadline(time.Now().Add(patienceForTalk))
	var q Request
	reply := Reply{}
	if err := json.NewDecoder(bufio.NewReader(conn)).Decode(&q); err != nil {
		reply.Error = "request: " + err.Error()
	} else {
		reply = f.reply(q)
	}
	_ = json.NewEncoder(conn).Encode(reply) // whoever asked is gone if this fails
}

func (f *Fabric) reply(q Request) (r Reply) {
	switch q.Verb {
	case "link":
		c, err := f.Change(q.A, q.B, q.Words...)
		if err != nil {
			r.Error = err.Error()
		}
		r.State = c.String()
	case "status":
		s := f.Status()
		r.Status = &s
	default:
		r.Error = fmt.Sprintf("%q is nothing that a network does", q.Verb)
	}
	return r
}

// checkPeer refuses the other end of a socket that is another user's.
func checkPeer(conn *net.UnixConn) error {
	peer, err := runtimedir.Peer(conn)
	if err == nil && int(peer.Uid) != os.Getuid() {
		err = fmt.Errorf("the network is that of user %d", peer.Uid)
	}
	return err
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
	_ = conn.SetDeadline(time.Now().Add(patienceForTalk))
	var r Reply
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return r, fmt.Errorf("network %s: %w", name, err)
	}
	if err := json.NewDecoder(conn).Decode(&r); err != nil {
		return r, fmt.Errorf("network %s: %w", name, err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// dial connects to the network of a name, which has to be this user's.
func (d Directory) dial(name string) (*net.UnixConn, error) {
	conn, err := net.DialTimeout("unix", d.prefix+name, patienceForTalk)
	if err != nil {
		return nil, err
	}
	c := conn.(*net.UnixConn)
	if err := checkPeer(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// ours says whether the network of a name is this user's.
func (d Directory) ours(name string) bool {
	c, err := d.dial(name)
	if err == nil {
		c.Close()
	}
	return err == nil
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
		if name, ok := strings.CutPrefix(fields[7], d.prefix); ok && label().MatchString(name) && d.ours(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
