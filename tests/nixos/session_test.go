package nixos

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"

	"ingot/tests/testenv"
)

// session returns the commands of the first session in docs/nixos.md.
func session(t *testing.T) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs/nixos.md"))
	check(t, err)
	_, rest, _ := strings.Cut(string(text), "\n```console\n")
	block, _, ok := strings.Cut(rest, "\n```\n")
	if !ok {
		t.Fatal("docs/nixos.md has no session")
	}
	for line := range strings.Lines(block) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if !ok {
			t.Fatalf("docs/nixos.md: the session has a line that is no command: %q", line)
		}
		lines = append(lines, command)
	}
	return lines
}

// inRoot is a script that runs a shell where /nix is a folder of the test's: all else is the
// machine's own.
const inRoot = `set -e
root=$1 nix=$2 dir=$3
mount -t tmpfs none "$root"
for at in /*; do
	case $at in
	/nix) continue ;;
	esac
	if [ -L "$at" ]; then
		cp -P "$at" "$root$at"
	elif [ -d "$at" ]; then
		mkdir "$root$at"
		mount --rbind "$at" "$root$at"
	fi
done
mkdir "$root/nix"
mount --rbind "$nix" "$root/nix"
exec chroot "$root" /bin/sh -c 'cd "$1" && exec /bin/sh' sh "$dir"
`

// inNix returns a command: a shell in a folder, on a machine whose store is a folder of the test's.
func inNix(t *testing.T, nix, dir string) *exec.Cmd {
	t.Helper()
	namespace := []string{"unshare", "--mount", "--propagation", "private"}
	if os.Geteuid() != 0 {
		namespace = append(namespace, "--map-root-user")
	}
	if out, err := exec.Command(namespace[0], append(namespace[1:], "true")...).CombinedOutput(); err != nil {
		testenv.Missing(t, fmt.Sprintf("a mount namespace for a /nix of the test's own: %s: %v", bytes.TrimSpace(out), err))
	}
	return exec.Command(namespace[0], append(namespace[1:], "sh", "-c", inRoot, "sh", t.TempDir(), nix, dir)...)
}

// storeOf puts systems into the store of a machine, as nixos-rebuild would have left them, and
// returns its folder nix.
func (b *builder) storeOf(t *testing.T, systems ...string) string {
	t.Helper()
	host := t.TempDir()
	ingot(t, "register", "--root", host, "--graph", b.Graph(systems...), "--from", b.Dir, "--copy", "--quiet")
	return filepath.Join(host, "nix")
}

// TestOwnGRUB: on a machine without GRUB, the one in the system's closure makes the disk, for the
// firmware that it is for; the verbs take the system by its store path and by a link.
func TestOwnGRUB(t *testing.T) {
	b := newBuilder(t).withGRUB()
	system := b.system(&Config{Label: "26.05.1", FileSystems: []FileSystem{root("nixos")}, Params: words, GRUB: "/dev/vda"})
	dir, bin := t.TempDir(), t.TempDir()
	check(t, os.Symlink(program, filepath.Join(bin, "ingot")))
	cmd := inNix(t, b.storeOf(t, system), dir)
	cmd.Stdin = strings.NewReader("PATH=" + bin + "\n" + strings.ReplaceAll(`set -e
ingot recipes --from SYSTEM
ingot build SYSTEM -o x.img
ingot build short.yaml -o short.img -q
ingot verify ./result x.img
ingot convert ./result -o x.vdi --set seed=another
ingot test ./result --list --set 'tests=[{name: of-the-flag, script: start}]'
ingot run ./result --set seed=another --dry-run
`, "SYSTEM", system))
	write(t, filepath.Join(dir, "short.yaml"), "name: short\nsystem: ./result\ndisk: {partitions: [{name: root, filesystem: ext4, label: nixos, contents: {store: true}}]}\n", 0o644)
	link(t, system, filepath.Join(dir, "result"))
	out, err := cmd.CombinedOutput()
	for _, want := range []string{"platforms: [bios]", "from: /nix/store/", "-grub-2.12 # the system's own GRUB", "wrote x.img in ", "x.img matches its recipe", "wrote x.vdi in ", "\nof-the-flag\n", "guest=ingot-test"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("%v; want %q in\n%s", err, want, out)
		}
	}
	if strings.Contains(string(out), "type: esp") {
		t.Errorf("there is an ESP, and nothing that starts from it:\n%s", out)
	}
}

// A typist sits at a terminal.
type typist struct {
	t   *testing.T
	tty *os.File

	mu    sync.Mutex
	shown bytes.Buffer
	from  int // what was looked at already
}

func (y *typist) Write(p []byte) (int, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.shown.Write(p)
}

func (y *typist) types(text string) {
	y.t.Helper()
	_, err := io.WriteString(y.tty, text)
	check(y.t, err)
}

// sees waits until the terminal shows what matches, behind what was seen before, and returns what
// came until then.
func (y *typist) sees(pattern string) string {
	y.t.Helper()
	re, text := regexp.MustCompile(pattern), ""
	testenv.Eventually(y.t, func() error {
		y.mu.Lock()
		defer y.mu.Unlock()
		at := re.FindIndex(y.shown.Bytes()[y.from:])
		if at == nil {
			return fmt.Errorf("the terminal does not show %s; it shows\n%s", pattern, y.shown.String())
		}
		text = y.shown.String()[y.from : y.from+at[1]]
		y.from += at[1]
		return nil
	})
	return text
}

// TestSession types the first session of docs/nixos.md into a terminal, on a machine that has the
// system in its store, and is at a prompt of the system twice: before its disk is written, and
// after.
func TestSession(t *testing.T) {
	b := newBuilder(t)
	system := b.system(&Config{Label: "26.05.1", Systemd: true, Params: words, FileSystems: []FileSystem{
		root("nixos"), {Point: "/boot", Device: "/dev/disk/by-label/ESP", Type: "vfat", Options: []string{"fmask=0022", "dmask=0022"}},
	}})
	dir, bin := t.TempDir(), t.TempDir()
	check(t, os.Symlink(program, filepath.Join(bin, "ingot")))
	write(t, filepath.Join(bin, "nixos-rebuild"), "#!/bin/sh\n[ \"$1\" = build ] && ln -s "+system+" result\n", 0o755)

	cmd := inNix(t, b.storeOf(t, system), dir)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "PS1=prompt: ", "TERM=dumb", "HOME="+dir, "XDG_RUNTIME_DIR="+t.TempDir())
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 500})
	check(t, err)
	y := &typist{t: t, tty: tty}
	t.Cleanup(func() {
		tty.Close()
		cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	go io.Copy(y, tty) //nolint:errcheck // it ends with the terminal
	y.sees(`prompt: `)
	booted := 0
	for _, line := range session(t) {
		words := strings.Fields(line)
		y.types(line + "\r")
		y.sees(regexp.QuoteMeta(words[0]) + `.*\n`) // what was typed
		if words[0] == "ingot" && words[1] == "run" {
			y.sees(`ingot-test: ready`)
			y.sees(`# `)
			y.types("echo $((6*7)) $(cat /run/current-system/nixos-version)\r")
			y.sees(`42 26\.05\.1`)
			y.types("\x1d") // Ctrl-]
			y.sees(`left; the machine was ended`)
			booted++
		}
		said := y.sees(`prompt: `)
		y.types("echo status=$?\r")
		if status := y.sees(`status=[0-9]+\r?\n`); !strings.Contains(status, "status=0") {
			t.Fatalf("%s:\n%s\n%s", line, said, status)
		}
		y.sees(`prompt: `)
	}
	if booted != 2 {
		t.Errorf("the session boots %d times; want 2", booted)
	}
	for _, name := range []string{"web.qcow2", "web.qcow2.manifest.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
