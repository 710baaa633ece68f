package ssh

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"ingot/tests/testenv"
)

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve starts a server that lets one key in, and returns its address and that key.
func serve(t *testing.T) (string, ssh.Signer) {
	t.Helper()
	key := newSigner(t)
	host, err := HostKey(filepath.Join(t.TempDir(), "ssh/key"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		HostKey: host, Keys: func() []ssh.PublicKey { return []ssh.PublicKey{key.PublicKey()} }, Program: "/bin/sh", Login: []string{"-sh"}, Command: []string{"sh", "-c"},
		Dir: t.TempDir(), Env: []string{"PATH=" + os.Getenv("PATH"), "PS1=prompt "},
	}
	return listen(t, s), key
}

// listen has a server listen until the test ends, and returns where.
func listen(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go s.Serve(l)
	return l.Addr().String()
}

func connect(t *testing.T, user string, address string, key ssh.Signer) (*ssh.Client, error) {
	t.Helper()
	c, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: time.Minute,
	})
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func newSession(t *testing.T) *ssh.Session {
	t.Helper()
	address, key := serve(t)
	c, err := connect(t, "root", address, key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhoGetsIn(t *testing.T) {
	address, key := serve(t)
	if _, err := connect(t, "root", address, key); err != nil {
		t.Errorf("the key does not log in: %v", err)
	}
	if _, err := connect(t, "root", address, newSigner(t)); err == nil {
		t.Error("another key logs in")
	}
	if _, err := connect(t, "toor", address, key); err == nil {
		t.Error("another user logs in")
	}
	c, err := connect(t, "root", address, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Dial("tcp", address); err == nil {
		t.Error("a port is forwarded")
	}
}

// TestKeysComeAndGo: a server without keys lets nobody in, and then who has one, as long
// as it has it.
func TestKeysComeAndGo(t *testing.T) {
	host, key := newSigner(t), newSigner(t)
	var keys atomic.Pointer[[]ssh.PublicKey]
	keys.Store(new([]ssh.PublicKey))
	s := &Server{HostKey: host, Keys: func() []ssh.PublicKey { return *keys.Load() }}
	address := listen(t, s)
	for _, x := range []struct {
		keys []ssh.PublicKey
		lets bool
	}{{nil, false}, {[]ssh.PublicKey{newSigner(t).PublicKey(), key.PublicKey()}, true}, {nil, false}} {
		keys.Store(&x.keys)
		if _, err := connect(t, "root", address, key); (err == nil) != x.lets {
			t.Errorf("with %d keys: %v; let in = %v is wanted", len(x.keys), err, x.lets)
		}
	}
}

func TestCommand(t *testing.T) {
	for _, x := range []struct {
		command, in, out, err string
		status                int
	}{
		{"exit 0", "", "", "", 0}, {"exit 42", "", "", "", 42}, {"cat; echo oops >&2", "a\x00b\xff", "a\x00b\xff", "oops\n", 0},
		{"head -c 1000000 /dev/zero | wc -c", "", "1000000\n", "", 0}, {"true", strings.Repeat("x", 1<<20), "", "", 0},
		{"echo $SSH_NOT_SET-$LANG", "", "-C.UTF-8\n", "", 0},
	} {
		s := newSession(t)
		var out, err bytes.Buffer
		s.Stdin, s.Stdout, s.Stderr = strings.NewReader(x.in), &out, &err
		if e := s.Setenv("LANG", "C.UTF-8"); e != nil {
			t.Errorf("LANG: %v", e)
		}
		if e := s.Setenv("LD_PRELOAD", "/evil"); e == nil {
			t.Error("LD_PRELOAD is taken")
		}
		status := 0
		if e := s.Start(x.command); e != nil {
			t.Errorf("%s: %v", x.command, e)
			continue
		}
		// The library tells of input that nobody read as an end of file.
		if e := s.Wait(); e != nil && e != io.EOF {
			exit, ok := e.(*ssh.ExitError)
			if !ok {
				t.Errorf("%s: %v", x.command, e)
				continue
			}
			status = exit.ExitStatus()
		}
		if out.String() != x.out || err.String() != x.err || status != x.status {
			t.Errorf("%s = %q, %q, status %d; want %q, %q, %d", x.command, out.String(), err.String(), status, x.out, x.err, x.status)
		}
	}
}

func TestSignals(t *testing.T) {
	s := newSession(t)
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("echo up; exec sleep 600"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(ssh.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exit, ok := s.Wait().(*ssh.ExitError)
	if !ok || exit.Signal() != "TERM" {
		t.Errorf("ended by %v; want TERM", exit)
	}
}

// TestHangUp ends the connection: what runs in the session must end, too.
func TestHangUp(t *testing.T) {
	testenv.HeedSignals()
	address, key := serve(t)
	c, err := connect(t, "root", address, key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "ended")
	out, _ := s.StdoutPipe()
	if err := s.Start("trap 'echo hup >" + fifo + "; exit' HUP; echo up; while :; do sleep 0.05; done"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	testenv.Eventually(t, func() error {
		if text, _ := os.ReadFile(fifo); string(text) != "hup\n" {
			return errors.New("the command was not hung up on")
		}
		return nil
	})
}

func TestTerminal(t *testing.T) {
	s := newSession(t)
	if err := s.RequestPty("vt220", 40, 100, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s.Stdout = &out
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	if err := s.WindowChange(50, 120); err != nil {
		t.Fatal(err)
	}
	// The window changes and keys come by different ways: which is first is not said.
	io.WriteString(in, "until stty size | grep '^50.120$'; do sleep 0.02; done; echo $TERM; tty; exit 7\n")
	exit, ok := s.Wait().(*ssh.ExitError)
	if !ok || exit.ExitStatus() != 7 {
		t.Errorf("the shell ended with %v; want status 7", exit)
	}
	for _, want := range []string{"50 120", "vt220", "/dev/pts/"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the terminal shows %q; want %q", out.String(), want)
		}
	}
}

func TestFiles(t *testing.T) {
	address, key := serve(t)
	c, err := connect(t, "root", address, key)
	if err != nil {
		t.Fatal(err)
	}
	files, err := sftp.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	f, err := files.Create("there")
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if _, err := f.ReadFrom(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	back, err := files.Open("there")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(back)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("a file of %d bytes comes back with %d, %v", len(data), len(got), err)
	}
}

func TestParseKey(t *testing.T) {
	key := newSigner(t).PublicKey()
	line := strings.TrimSpace(Line(key))
	blob := strings.Fields(line)[1]
	for _, text := range []string{line, line + " me@here", blob, base64.RawURLEncoding.EncodeToString(key.Marshal())} {
		got, err := ParseKey(text)
		if err != nil || !bytes.Equal(got.Marshal(), key.Marshal()) {
			t.Errorf("ParseKey(%s) = %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "not a public key", "ssh-ed25519 nonsense": "not a public key", "AAAA": "not a public key", "no_switch!": "not a public key",
		`command="true" ` + line: `the key has the options command="true"`,
	} {
		if _, err := ParseKey(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseKey(%s) = %v; want %q", text, err, want)
		}
	}
	keys, err := ParseKeys("# mine\n\n" + line + "\nwrong\n" + blob)
	if len(keys) != 2 || err == nil || !strings.Contains(err.Error(), `"wrong"`) {
		t.Errorf("ParseKeys = %d keys, %v; want 2, and wrong said", len(keys), err)
	}
}

func TestHostKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "etc/ssh/key")
	first, err := HostKey(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := HostKey(file)
	if err != nil || !bytes.Equal(first.PublicKey().Marshal(), again.PublicKey().Marshal()) {
		t.Errorf("the key at the second start is another one, %v", err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the key's file has the mode %v, %v; want 0600", st.Mode(), err)
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := HostKey(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("HostKey of nonsense = %v; want the file's name", err)
	}
}
