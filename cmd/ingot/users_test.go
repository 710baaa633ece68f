package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/tests/testenv"
)

// account makes a user of this machine for a test.
func account(t *testing.T, role string) *user.User {
	t.Helper()
	name := fmt.Sprintf("ingot-%s-%d", role, os.Getpid())
	if _, err := exec.LookPath("useradd"); err != nil {
		testenv.Missing(t, "useradd is missing: apt-get install passwd")
	}
	if out, err := exec.Command("useradd", "--no-create-home", "--shell", "/bin/sh", name).CombinedOutput(); err != nil {
		testenv.Missing(t, fmt.Sprintf("useradd %s: %v: %s", name, err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("userdel", name).CombinedOutput(); err != nil {
			t.Errorf("userdel %s: %v: %s", name, err, out)
		}
	})
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// as has a command run as a user.
func as(t *testing.T, u *user.User, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(number(t, u.Uid)), Gid: uint32(number(t, u.Gid))}}
	return cmd
}

// shared is a folder that all users reach, with the program in it.
func shared(t *testing.T) string {
	t.Helper()
	dir := testenv.Shared(t)
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	// A test program of this name is ingot: see TestMain.
	testenv.WriteProgram(t, filepath.Join(dir, "ingot"), string(text), 0o755)
	return dir
}

// listing is all that is in a folder, with kinds, owners and contents.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := []byte(nil)
		if info.Mode().IsRegular() {
			if text, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		fmt.Fprintf(&b, "%s %v %d %q\n", path, info.Mode(), info.Sys().(*syscall.Stat_t).Uid, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOtherUser plants folders where one user's ingot looks for its running machines, as
// another user of the machine can: no command removes anything there or kills anybody, and
// each says why.
func TestOtherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("it takes root, to make two users")
	}
	victim, attacker := account(t, "victim"), account(t, "attacker")
	if victim.Uid == attacker.Uid {
		t.Fatalf("both users have the number %s", victim.Uid)
	}
	dir := shared(t)
	own := filepath.Join(dir, "own")
	chown := func(path string, u *user.User) {
		t.Helper()
		if err := os.Lchown(path, number(t, u.Uid), number(t, u.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"disk.img":   strings.Repeat("\x00", 4096) + "not much",
		"lab.yaml":   "machines: {a: {image: disk.img}}\n",
		"nothing.sh": "disk: sleep 1s\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	chown(own, victim)

	sleep := as(t, victim, exec.Command("sleep", "3600"))
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	died := make(chan struct{})
	go func() { _ = sleep.Wait(); close(died) }()
	defer func() { _ = sleep.Process.Kill(); <-died }()

	// The entry looks alive: somebody holds its lock. A second one looks dead.
	running := fmt.Sprintf("/tmp/ingot-%s", victim.Uid)
	if _, err := os.Lstat(running); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s of a user that did not exist: %v", running, err)
	}
	defer os.RemoveAll(running)
	fill := func(folder string, u *user.User) (release func()) {
		t.Helper()
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", sleep.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		born := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))[19]
		for name, text := range map[string]string{
			"web.json":  fmt.Sprintf(`{"name":"web","pid":%d,"born":%s,"qemu":%[1]d,"socket":%q}`, sleep.Process.Pid, born, filepath.Join(folder, "web.socket")),
			"dead.json": `{"name":"dead","pid":4000000}`, "dead.key": "a key", "web.key": "a key", "notes.json": "{}",
		} {
			path := filepath.Join(folder, name)
			if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o666); err != nil {
				t.Fatal(err)
			}
			chown(path, u)
		}
		sub := filepath.Join(folder, "test-12345")
		if err := os.Mkdir(sub, 0o777); err != nil {
			t.Fatal(err)
		}
		chown(sub, u)
		f, err := os.Open(filepath.Join(folder, "web.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		return func() { f.Close() }
	}

	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + own}
	ingot := func(env []string, args ...string) (out, errout string, status int) {
		t.Helper()
		cmd := as(t, victim, exec.Command(filepath.Join(dir, "ingot"), args...))
		cmd.Dir, cmd.Env = dir, append(environ, env...)
		var o, e bytes.Buffer
		cmd.Stdout, cmd.Stderr = &o, &e
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return o.String(), e.String(), cmd.ProcessState.ExitCode()
	}
	commands := [][]string{
		{"ps"}, {"ps", "--json"}, {"stop", "web", "--now"}, {"stop", "web", "--grace", "1s"}, {"stop", "--all", "--now"}, {"shell", "web"}, {"shell", "web", "--", "id"},
		{"network", "lab.yaml", "--accel", "tcg"}, {"network", "lab.yaml", "--accel", "tcg", "--joinable"},
		{"test", "disk.img", "--script", "nothing.sh", "--accel", "tcg"}, {"serve", "disk.img"},
		{"run", "disk.img", "--accel", "tcg"}, {"run", "disk.img", "--name", "web", "--accel", "tcg"}, {"run", "disk.img", "--accel", "tcg", "--network=none", "--vlan", "1"},
	}
	alive := func() {
		t.Helper()
		select {
		case <-died:
			t.Fatal("the process that the entry names has ended")
		default:
		}
	}

	kept := filepath.Join(own, "kept")
	for name, c := range map[string]struct {
		plant func() (release func(), err error)
		says  string
		env   []string
	}{
		"another user's": {func() (func(), error) {
			if err := errors.Join(os.Mkdir(running, 0o777), os.Chmod(running, 0o777)); err != nil {
				return nil, err
			}
			chown(running, attacker)
			return fill(running, attacker), nil
		}, "it is a folder of user " + attacker.Uid + " with mode 0777", nil},
		"another user's, private": {func() (func(), error) {
			if err := os.Mkdir(running, 0o700); err != nil {
				return nil, err
			}
			chown(running, attacker)
			return fill(running, attacker), nil
		}, "it is a folder of user " + attacker.Uid + " with mode 0700", nil},
		"with the victim's files": {func() (func(), error) {
			if err := errors.Join(os.Mkdir(running, 0o777), os.Chmod(running, 0o777)); err != nil {
				return nil, err
			}
			chown(running, attacker)
			return fill(running, victim), nil
		}, "it is a folder of user " + attacker.Uid, nil},
		"a symbolic link": {func() (func(), error) {
			if err := os.Mkdir(kept, 0o700); err != nil {
				return nil, err
			}
			chown(kept, victim)
			release := fill(kept, victim)
			if out, err := as(t, attacker, exec.Command("ln", "-s", kept, running)).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%w: %s", err, out)
			}
			return release, nil
		}, "it is a symbolic link of user " + attacker.Uid, nil},
		"writable by a group": {func() (func(), error) {
			if err := errors.Join(os.Mkdir(running, 0o770), os.Chmod(running, 0o770)); err != nil {
				return nil, err
			}
			chown(running, victim)
			return fill(running, attacker), nil
		}, "it is a folder of user " + victim.Uid + " with mode 0770: remove it", nil},
		"a FIFO": {func() (func(), error) {
			if err := unix.Mkfifo(running, 0o666); err != nil {
				return nil, err
			}
			chown(running, attacker)
			return func() {}, nil
		}, "it is a file of user " + attacker.Uid, nil},
		// That of somebody else is not used.
		"XDG_RUNTIME_DIR": {func() (func(), error) {
			dir := filepath.Join(dir, "run")
			if err := os.MkdirAll(filepath.Join(dir, "ingot"), 0o777); err != nil {
				return nil, err
			}
			chown(dir, attacker)
			if err := os.Mkdir(running, 0o700); err != nil {
				return nil, err
			}
			chown(running, attacker)
			return fill(filepath.Join(dir, "ingot"), victim), nil
		}, "it is a folder of user " + attacker.Uid, []string{"XDG_RUNTIME_DIR=" + filepath.Join(dir, "run")}},
	} {
		t.Run(name, func(t *testing.T) {
			release, err := c.plant()
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				for _, path := range []string{running, kept} {
					if err := os.RemoveAll(path); err != nil {
						t.Error(err)
					}
				}
			}()
			defer release()
			before := listing(t, running) + listing(t, dir)
			for _, args := range commands {
				out, errout, status := ingot(c.env, args...)
				if status == 0 || !strings.Contains(errout, running+": ") || !strings.Contains(errout, "yours alone") || !strings.Contains(errout, c.says) || out != "" {
					t.Errorf("ingot %s: status %d\n%s%s\nwant a refusal of %s that says %q", strings.Join(args, " "), status, out, errout, running, c.says)
				}
			}
			if after := listing(t, running) + listing(t, dir); after != before {
				t.Errorf("there was\n%s\nand now there is\n%s", before, after)
			}
			alive()
		})
	}

	// In a folder that is right, an entry that names a process which runs no machine.
	t.Run("an entry", func(t *testing.T) {
		if err := os.Mkdir(running, 0o700); err != nil {
			t.Fatal(err)
		}
		chown(running, victim)
		release := fill(running, victim)
		defer release()
		for _, args := range [][]string{{"stop", "web", "--now"}, {"stop", "--all", "--grace", "1s"}} {
			_, errout, status := ingot(nil, args...)
			if status == 0 || !strings.Contains(errout, "does not show that it runs the machine, and is not ended") {
				t.Errorf("ingot %s: status %d\n%s", strings.Join(args, " "), status, errout)
			}
		}
		alive()
		for name, want := range map[string]bool{"web.json": true, "web.key": true, "notes.json": true, "dead.json": false, "dead.key": false} {
			if _, err := os.Lstat(filepath.Join(running, name)); (err == nil) != want {
				t.Errorf("%s: %v; want it there: %v", name, err, want)
			}
		}
	})
}
