package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ingot/vm/runtimedir"
)

// TestRegistryOfOthers has every way into the registry refuse a folder that is not this
// user's alone, and leave what is there.
func TestRegistryOfOthers(t *testing.T) {
	entry := func(dir string) {
		for _, name := range []string{"web.json", "web.key"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"name":"web","pid":2}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for kind, plant := range map[string]func(path string) error{
		"a symbolic link": func(path string) error {
			target := path + "-target"
			if err := os.Mkdir(target, 0o700); err != nil {
				return err
			}
			entry(target)
			return os.Symlink(target, path)
		},
		"with mode 0770": func(path string) error {
			if err := os.Mkdir(path, 0o700); err != nil {
				return err
			}
			entry(path)
			return os.Chmod(path, 0o770)
		},
		"a file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"of user 12345": func(path string) error {
			if os.Getuid() != 0 {
				t.Log("a folder of another user: skipped, for it takes root")
				return nil
			}
			if err := os.Mkdir(path, 0o700); err != nil {
				return err
			}
			entry(path)
			return os.Chown(path, 12345, 12345)
		},
	} {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ingot")
			if err := plant(path); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Skip("it takes root")
			}
			var foreign *runtimedir.ForeignError
			r, err := OpenRegistry(path)
			if !errors.As(err, &foreign) || !strings.Contains(err.Error(), kind) || !strings.Contains(err.Error(), "XDG_RUNTIME_DIR") {
				t.Errorf("OpenRegistry = %v, %v; want a ForeignError that says %q", r, err, kind)
			}
			// It was not there when it was looked for.
			if _, err := (&Registry{path: path}).reserve("web"); !errors.As(err, &foreign) {
				t.Errorf("reserve: %v; want a ForeignError", err)
			}
			if kind == "a file" {
				return
			}
			for _, name := range []string{"web.json", "web.key"} {
				if _, err := os.Stat(filepath.Join(path, name)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestRegistryForeignFiles looks at a folder of this user's with all kinds of things in it
// that are no entries: they stay, and nothing waits for them.
func TestRegistryForeignFiles(t *testing.T) {
	r := testRegistry(t)
	if _, err := r.Dir(); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	at := func(name string) string { return filepath.Join(r.path, name) }
	dead := func(name string) string { return fmt.Sprintf(`{"name":%q,"pid":7}`, name) }
	for _, err := range []error{
		os.WriteFile(outside, []byte(dead("link")), 0o600),
		os.Symlink(outside, at("link.json")),
		unix.Mkfifo(at("fifo.json"), 0o600),
		os.Mkdir(at("folder.json"), 0o700),
		os.WriteFile(at("notes.json"), []byte("[1, 2]"), 0o600),
		os.WriteFile(at("text.json"), []byte("not JSON"), 0o600),
		os.WriteFile(at("other.json"), []byte(dead("web")), 0o600),
		os.WriteFile(at(".hidden.json"), []byte(dead(".hidden")), 0o600),
		os.WriteFile(at("large.json"), []byte(dead("large")+strings.Repeat(" ", maxEntry)), 0o600),
		// Beside the entry of one that has died, things that bear the names of its files.
		os.WriteFile(at("dead.json"), []byte(dead("dead")), 0o600),
		os.Symlink(outside, at("dead.key")),
		os.WriteFile(at("dead.socket"), nil, 0o600),
		os.Symlink(outside, at("dead.control")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if list, err := r.List(); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v; want nothing", list, err)
	}
	const want = ".hidden.json dead.control dead.key dead.socket fifo.json folder.json large.json link.json notes.json other.json text.json"
	if got := files(t, r); got != want {
		t.Errorf("List left %s\nwant %s", got, want)
	}
	for _, name := range []string{"link", "fifo", "folder", "notes", "text", "other", "large"} {
		if _, err := r.Find(name); !errors.As(err, new(*NotRunningError)) {
			t.Errorf("Find(%s): %v", name, err)
		}
		if c, err := r.reserve(name); err == nil {
			t.Errorf("reserve(%s) takes %v", name, c)
		}
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != dead("link") {
		t.Errorf("the file outside: %q, %v", text, err)
	}
	if got := files(t, r); got != want {
		t.Errorf("there is %s\nwant %s", got, want)
	}
}

// plant writes an entry that looks alive: this process holds its lock.
func plant(t testing.TB, r *Registry, e Entry) {
	t.Helper()
	c, err := r.reserve(e.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.write(&e); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.release)
}

// TestStopForeignProcess stops machines whose entries name processes that run none: nobody
// is killed, and each says why.
func TestStopForeignProcess(t *testing.T) {
	r := testRegistry(t)
	sleep := exec.Command("sleep", "3600")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	died := make(chan struct{})
	go func() { _ = sleep.Wait(); close(died) }()
	defer func() { _ = sleep.Process.Kill(); <-died }()
	pid := sleep.Process.Pid
	for _, x := range []struct {
		want string
		e    Entry
	}{
		{"does not show that it runs the machine", Entry{Name: "named", PID: pid}},
		{"listens there, and not process", Entry{Name: "reused", PID: pid}},
		{"process 1 is not", Entry{Name: "init", PID: 1}},
		{"does not show that it runs the machine", Entry{Name: "self", PID: os.Getpid()}},
	} {
		plant(t, r, x.e)
		if x.e.Name == "reused" { // another process has the machine's socket, and does not answer
			dir, err := r.Dir()
			if err != nil {
				t.Fatal(err)
			}
			l, err := dir.Listen(x.e.Name + controlSuffix)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
		if forced, err := r.Stop(x.e, true, 0); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("Stop(%+v) = %v, %v; want an error with %q", x.e, forced, err, x.want)
		}
	}
	if os.Getuid() == 0 {
		theirs := exec.Command("sleep", "3600")
		theirs.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
		if err := theirs.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = theirs.Process.Kill(); _ = theirs.Wait() }()
		e := Entry{Name: "theirs", PID: theirs.Process.Pid}
		plant(t, r, e)
		if _, err := r.Stop(e, true, 0); err == nil || !strings.Contains(err.Error(), "does not show that it runs the machine") {
			t.Errorf("Stop of another user's process: %v", err)
		}
		if err := unix.Kill(theirs.Process.Pid, 0); err != nil {
			t.Errorf("another user's process: %v", err)
		}
	} else {
		t.Log("another user's process: skipped, for it takes root")
	}
	select {
	case <-died:
		t.Error("the process that was named has ended")
	default:
	}
}

// TestStopByForce ends a process that holds its entry and does not answer.
func TestStopByForce(t *testing.T) {
	r := testRegistry(t)
	cmd := exec.Command(os.Args[0], "reserve", r.path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	var e Entry
	waitFor(t, func() bool {
		var err error
		r, err = OpenRegistry(r.path)
		if err != nil {
			t.Fatal(err)
		}
		e, err = r.Find("victim")
		return err == nil
	})
	if err := r.kill(e); err != nil {
		t.Fatal(err)
	}
	if err := <-died; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
	if err := r.kill(e); err != nil {
		t.Errorf("killed twice: %v", err)
	}
}

// TestSocketOfAnother has a socket of the machine's be one at which another process
// listens: nothing is said to it.
func TestSocketOfAnother(t *testing.T) {
	r := testRegistry(t)
	e := Entry{Name: "web", PID: os.Getppid(), Socket: "/nonexistent"}
	plant(t, r, e)
	dir, err := r.Dir()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{controlSuffix, agentSuffix} {
		l, err := dir.Listen("web" + s)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	if _, err := r.Enter(context.Background(), e); err == nil || !strings.Contains(err.Error(), "listens there, and not process") {
		t.Errorf("Enter: %v; want a refusal", err)
	}
	if _, err := r.Agent(context.Background(), e); err == nil || !strings.Contains(err.Error(), "listens there, and not process") {
		t.Errorf("Agent: %v; want a refusal", err)
	}
	// A symbolic link to a socket elsewhere is none.
	elsewhere := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink(elsewhere, filepath.Join(r.path, "web"+socketSuffix)); err != nil {
		t.Fatal(err)
	}
	if c, err := r.dial(e, socketSuffix); err == nil {
		t.Errorf("a symbolic link leads to %v", c.RemoteAddr())
	}
}

// FuzzEntry plants entries: nothing is removed that is none, and no process is found that
// does not listen at the machine's socket.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"name":"web","pid":1}`), true)
	f.Add([]byte(`{"name":"web","pid":4294967297,"born":1}`), false)
	f.Add([]byte(`{"name":"web","pid":`+fmt.Sprint(os.Getpid())+`,"socket":"/etc/passwd"}`), true)
	f.Add([]byte(`{"name":"../web","pid":-1}`), false)
	f.Add([]byte(`[]`), true)
	f.Add([]byte(nil), false)
	r := testRegistry(f)
	dir, err := r.Dir()
	if err != nil {
		f.Fatal(err)
	}
	file, err := dir.OpenFile("web.json", os.O_RDWR|os.O_CREATE)
	if err != nil {
		f.Fatal(err)
	}
	file.Close()
	f.Fuzz(func(t *testing.T, text []byte, held bool) {
		if len(text) > 4096 {
			return
		}
		path := r.Path("web" + entrySuffix)
		_ = os.Remove(path) // ext4 waits for the disk when a file is cut to nothing and written
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var e Entry
		parsed := json.Unmarshal(text, &e) == nil && e.Name == "web" && e.PID > 0
		if held {
			file, err := dir.OpenFile("web.json", os.O_RDWR)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if !lockSoon(file) {
				t.Fatal("the entry is locked")
			}
		}
		got, alive := r.look("web")
		if alive != (held && parsed) {
			t.Fatalf("look = %+v, %v; held is %v", got, alive, held)
		}
		if there := dir.Exists("web.json"); there != (held || !parsed && len(text) > 0) {
			t.Fatalf("the entry %q is there: %v; held is %v", text, there, held)
		}
		if !alive {
			return
		}
		if pidfd, err := r.process(got); err == nil && pidfd >= 0 {
			t.Fatalf("%q finds a process", text)
		}
		if _, err := r.dial(got, controlSuffix); err == nil {
			t.Fatalf("%q has a socket", text)
		}
	})
}

// waitFor waits until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to be so")
		}
	}
}
