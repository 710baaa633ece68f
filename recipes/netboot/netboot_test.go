package netboot

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/testenv"
)

func files() []File {
	var list []File
	for _, name := range []string{KernelFile, InitrdFile, "root.squashfs"} {
		list = append(list, File{Name: name, Map: image.MapOf(image.Bytes("the "+name), nil)})
	}
	return list
}

// text returns what iPXE would read.
func text(t *testing.T, s Script) string {
	t.Helper()
	blob, err := s.Blob()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, blob.Size())
	if _, err := blob.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestScript looks for what signatures, digests and a password add to a script.
func TestScript(t *testing.T) {
	const verify, shell, digest = "imgverify kernel kernel.sig || goto failed\n", ":loop\n", "iseq ${digest:hexraw} "
	for _, x := range []struct {
		name   string
		change func(*Script)
		has    []string
		lacks  []string
	}{
		{"plain", func(*Script) {}, []string{"kernel --name kernel kernel quiet || goto failed\n", "--timeout 3000 ", shell}, []string{verify, digest}},
		{"at once", func(s *Script) { s.Timeout = 0 }, []string{"--timeout 1 "}, nil},
		{"for ever", func(s *Script) { s.Timeout = -1 }, nil, []string{"choose --default normal --timeout"}},
		{"signed", func(s *Script) { s.Signed = true }, []string{verify}, []string{shell, digest}},
		{"signed, with a password", func(s *Script) { s.Signed, s.Password = true, "x" }, []string{verify, shell, "iseq ${password} x || goto menu\n"}, nil},
		{"with digests", func(s *Script) { s.Signed, s.Digests = true, NewDigests(s.Files) }, // of "the kernel"
			[]string{verify, digest + "7c2f712a5b31004cd31b6fe611e12219b02a73755049a698be58fdfa32a856cf || goto failed\n"}, []string{shell}},
	} {
		s := Script{Name: "web", Title: "Web", Line: "quiet", Timeout: 3, Inside: "root.squashfs", Files: files()}
		x.change(&s)
		got := text(t, s)
		for _, want := range x.has {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the script lacks %q:\n%s", x.name, want, got)
			}
		}
		for _, other := range x.lacks {
			if strings.Contains(got, other) {
				t.Errorf("%s: the script has %q:\n%s", x.name, other, got)
			}
		}
	}
}

// TestScriptErrors refuses what iPXE would take for a word of its own.
func TestScriptErrors(t *testing.T) {
	for _, x := range []struct{ title, line, want string }{
		{"Web", "a || b", `iPXE takes "||" for a word of its own`},
		{"Web", "a #b", `iPXE takes "#b" for a word of its own`},
		{"Web", "a=${b}", "iPXE takes ${ for the beginning of a setting's name"},
		{"Web", "a\x01", "a script of iPXE has no control characters"},
		{"-x", "a", "iPXE takes it for an option"},
	} {
		_, err := Script{Title: x.title, Line: x.line, Files: files()}.Blob()
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("title %q, line %q: %v; want %s", x.title, x.line, err, x.want)
		}
	}
}

func TestIsFile(t *testing.T) {
	for name, want := range map[string]bool{"kernel": true, "kernel.sig": true, "root.erofs": true, "manifest.json.sig": true, "kernel.sig.sig": false, "other": false, "": false} {
		if got := IsFile(name); got != want {
			t.Errorf("IsFile(%q) = %v; want %v", name, got, want)
		}
	}
}

// TestRun: the script is one for a POSIX shell, and says why it cannot start the system.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	text := Run{Name: "web", Title: "Web \n$(touch bad)", Arch: "x86_64"}.Text()
	name := filepath.Join(dir, RunFile)
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, shell := range [][]string{{"sh", "-n"}, {"busybox", "sh", "-n"}} {
		if _, err := exec.LookPath(shell[0]); err != nil {
			t.Logf("%s is missing", shell[0])
			continue
		}
		if out, err := exec.Command(shell[0], append(shell[1:], name)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", shell, err, out)
		}
	}
	// A folder of stand-ins shows what is run. It lies first in PATH.
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	program := func(name, text string) {
		testenv.WriteProgram(t, filepath.Join(bin, name), "#!/bin/sh\n"+text+"\n", 0o755)
	}
	run := func(status int, want string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env, cmd.Dir = []string{"PATH=" + bin + ":/usr/bin:/bin"}, "/"
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != status || !strings.Contains(string(out), want) {
			t.Errorf("run %q: status %d: %s; want %d, and %s", args, cmd.ProcessState.ExitCode(), out, status, want)
		}
	}
	run(1, "run: "+dir+"/kernel is missing")
	for file, text := range map[string]string{KernelFile: "k", InitrdFile: "i", CommandLineFile: "init=/i \"a b\" 'c' $d `e`\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program("uname", "echo riscv64")
	run(1, "run: this machine is riscv64, and the system is for x86_64")
	program("uname", "echo x86_64")
	program("id", "echo 1000")
	run(1, "run: only root can start another kernel")
	program("id", "echo 0")
	program("sync", "exit 0")
	program("systemctl", `echo "systemctl $*"`)
	run(0, "usage: run [--load] [ARGUMENT...]", "--help")
	program("kexec", `case $* in *auto*) exit 1 ;; *--load*) exit 3 ;; esac`)
	run(1, "run: kexec cannot load "+dir+"/kernel")
	line := dir + "/initrd --command-line=init=/i \"a b\" 'c' $d `e`"
	program("kexec", `case $* in *auto*) exit 1 ;; esac; echo "kexec $*"`)
	run(0, "kexec --load --initrd="+line+" "+dir+"/kernel\n", "--load")
	program("kexec", `echo "kexec $*"`)
	run(0, "kexec --load --kexec-syscall-auto --initrd="+line+" quiet a=* "+dir+"/kernel\n", "--load", "quiet", "a=*")
	end := "kexec -e\n"
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		end = "systemctl kexec\n"
	}
	run(0, end)
	if _, err := os.Stat(filepath.Join(dir, "bad")); err == nil {
		t.Error("the title is run")
	}
}
