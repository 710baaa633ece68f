package guest

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ingot/guest/applet"
	"ingot/guest/mounts"
	"ingot/guest/wire"
	"ingot/storedb"
)

// storeTask returns the first word for a task with a store, in ingot's spelling, and its value.
func (c cmdline) storeTask() (task wire.Word, value string) {
	for _, task := range wire.StoreTasks {
		for _, w := range task.Spellings() {
			if value, ok := w.In(c); ok {
				return task, value
			}
		}
	}
	if value := c.value(wire.InitWord); value != "" {
		return wire.InitWord, value
	}
	return "", ""
}

// store mounts the store and executes the task of the words. It returns if there is none, or if
// the store is for an agent or the system on root=.
func (s *system) store() {
	st, err := s.cmdline.store()
	if st == nil && err == nil || s.cmdline.hasRoot() {
		return
	}
	task, value := s.cmdline.storeTask()
	root := ""
	if task == wire.InitWord {
		root = sysroot
		if err == nil {
			err = emptyRoot()
		}
	}
	if err == nil {
		err = s.mountStore(st, root)
	}
	if err != nil {
		s.say("cannot mount the %v", err)
	}
	s.do(task, value, st, err)
}

// mountWantedStore mounts the store that the words describe, if any, into the root of a system.
func (s *system) mountWantedStore(root string) error {
	st, err := s.cmdline.store()
	if st == nil || err != nil {
		return err
	}
	return s.mountStore(st, root)
}

// emptyRoot mounts an empty root for a system that is only a store.
func emptyRoot() error {
	if mounts.IsMounted(sysroot) {
		return nil
	}
	return memory(sysroot)
}

// do executes the task of a word. If the store is not mounted (failed), it runs nothing but a
// shell.
func (s *system) do(task wire.Word, value string, st *store, failed error) {
	switch {
	case task == "" && serialPort(wire.AgentPort) != "":
		return
	case failed != nil && task != wire.ShellWord:
		s.finish(statusFailed)
	case task == wire.FindWord:
		s.finish(s.attend(string(task), self(), []string{string(task), st.flavour.StoreDir()}, nil))
	case task == wire.ShellWord:
		s.prepareStore()
		go s.offerAgent()
		go s.offerBackdoor()
		s.finish(s.storeShell())
	case task == wire.RunWord:
		s.prepareStore()
		s.finish(s.runProgram(value))
	case task == wire.InitWord:
		err := executableIn(sysroot, value)
		if err == nil {
			err = s.enter(value)
		}
		s.say("cannot start the system: init=%s: %v", value, err)
		s.finish(statusOf(err))
	}
	s.say("No command detected: neither %s, %s, %s nor %s is on the kernel's command line.", wire.FindWord, wire.ShellWord, wire.RunWord.With("PATH"), wire.InitWord.With("PATH"))
	s.say("Nothing left to be done, powering off.")
	s.finish(0)
}

func statusOf(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return statusNotFound
	}
	return statusNotExecutable
}

// exitStatus is a shell's $? after a process has ended.
func exitStatus(w syscall.WaitStatus) int {
	if w.Signaled() {
		return 128 + int(w.Signal())
	}
	return w.ExitStatus()
}

// finish shows a status other than 0, and ends the machine.
func (s *system) finish(status int) {
	if status != 0 {
		s.say("%s%d", wire.StatusSign, status)
	}
	s.end(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// prepareStore makes a system of the initramfs and the store.
func (s *system) prepareStore() {
	s.prepare()
	s.accounts()
	s.mountShares()
}

// accounts writes /etc/passwd and /etc/group if they are missing.
func (s *system) accounts() {
	for name, text := range map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"/etc/group":  fmt.Sprintf("root:x:0:\ntty:x:5:\n%s:x:%d:\nnogroup:x:65534:\n", storedb.Nix.BuildGroupName(), storedb.BuildGroup),
	} {
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			s.say("%v", err)
		}
	}
}

// list lists all files of a store, as ls -l does, and returns the exit status.
func list(dir string) int {
	out := bufio.NewWriter(os.Stdout)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &st)
		}
		if err != nil {
			return err
		}
		at := time.Unix(st.Mtim.Sec, 0).UTC()
		_, err = fmt.Fprintf(out, "%s %s %10d %s %s\n", applet.ModeString(st.Mode), owner(st.Uid, st.Gid), st.Size, at.Format("Jan _2 2006"), path)
		return err
	})
	if err := errors.Join(err, out.Flush()); err != nil {
		fmt.Fprintf(os.Stderr, "ingot: %v\n", err)
		return 1
	}
	return 0
}

func owner(uid, gid uint32) string {
	if uid == 0 {
		return fmt.Sprintf("root %d", gid)
	}
	return fmt.Sprintf("%d %d", uid, gid)
}

// storeShell runs a shell on the console and waits for its end.
func (s *system) storeShell() int {
	console := s.mainConsole()
	_ = writeConsole(console, "ingot: ready on "+console+"\n")
	done, err := s.shell(console)
	if err != nil {
		s.say("no shell on %s: %v", console, err)
		return statusFailed
	}
	return exitStatus(<-done)
}

// runProgram runs a program with the arguments and the environment of the words, and
// waits for it.
func (s *system) runProgram(path string) int {
	argv, env, err := s.cmdline.program(path)
	if err != nil {
		s.say("%v", err)
		return statusFailed
	}
	if err := executableIn("/", path); err != nil {
		s.say("%s: %v", wire.RunWord.With(path), err)
		return statusOf(err)
	}
	return s.attend(wire.RunWord.With(path), path, argv, env)
}

// attend runs the program of a word on the console, and waits for it.
func (s *system) attend(word, path string, argv, env []string) int {
	status, err := s.onConsole(path, argv, env...)
	if err != nil {
		s.say("%s: %v", word, err)
		return statusNotExecutable
	}
	return exitStatus(status)
}

// program returns the arguments, among them those after "--", and the environment that
// the words give a program.
func (c cmdline) program(path string) (argv, env []string, err error) {
	argv = []string{path}
	for _, w := range c {
		if w == "--" {
			break
		}
		key, value, _ := strings.Cut(w, "=")
		if key := wire.Word(key); key != wire.ArgumentWord && key != wire.EnvironmentWord {
			continue
		}
		text, err := url.QueryUnescape(value)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", w, err)
		}
		if wire.Word(key) == wire.ArgumentWord {
			argv = append(argv, text)
		} else {
			env = append(env, text)
		}
	}
	return append(argv, c.initArguments()...), env, nil
}
