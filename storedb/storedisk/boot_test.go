package storedisk_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/image/nbd"
	"ingot/storedb"
	"ingot/storedb/storedisk"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
	"ingot/vm"
	"ingot/vm/session"
)

// patience is for a machine that is busy with other tests; alone a boot takes 5 s.
const patience = 10 * time.Minute

func TestMain(m *testing.M) { testenv.Main(m) }

// machine is what all guests here start from.
func machine(t *testing.T, words ...string) vm.Config {
	t.Helper()
	return machineWith(t, testenv.Kernel(t), []string{"virtiofs"}, words...)
}

func machineWith(t *testing.T, dir string, modules []string, words ...string) vm.Config {
	t.Helper()
	if testing.Short() {
		t.Skip("boots take seconds")
	}
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	k, err := kernel.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	program, err := image.NewHostFile(testenv.Guest(t))
	if err != nil {
		t.Fatal(err)
	}
	initrd, err := initramfs.Build(initramfs.Options{
		Init: program, Kernel: k, Compression: initramfs.None, Arguments: words,
		Modules: append(modules, "virtio_pci", "virtio_blk", "virtio_console", "ext4", "overlay"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return vm.Config{Kernel: k.Image, Initrd: initrd, Append: "console=ttyS0 quiet panic=-1 no_timer_check", Accel: vm.TCG}
}

func start(t *testing.T, c vm.Config) (context.Context, *vm.Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	m, err := vm.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	return ctx, m
}

// attach gives a machine the store, whose trouble fails the test.
func attach(t *testing.T, c *vm.Config, d *storedisk.Disk) {
	t.Helper()
	socket, err := nbd.Connect(t.Context(), d.Map, nbd.Options{Failed: func(err error) { t.Errorf("serving the store: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	c.Disks = append(c.Disks, vm.Disk{NBD: socket, Serial: storedisk.Serial, ReadOnly: true})
}

// a command in a guest, and what came of it.
type ran struct {
	stdout, stderr, console string
	status                  int
}

// runIn has the agent of a guest run a command, and switches the machine off.
func runIn(t *testing.T, c vm.Config, command session.Command) ran {
	t.Helper()
	c.Append += " " + string(wire.AgentWord)
	c.Channels = []string{wire.AgentPort}
	ctx, m := start(t, c)
	client, err := session.Open(ctx, m, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var out, errout bytes.Buffer
	command.Stdout, command.Stderr = &out, &errout
	result, err := client.Exec(ctx, command)
	if err != nil && !errors.As(err, new(*session.ExitError)) {
		t.Fatal(err)
	}
	if err := errors.Join(client.Off(), m.Wait(ctx)); err != nil {
		t.Fatal(err)
	}
	return ran{out.String(), errout.String(), m.Console(), result.Status}
}

// programs is the closure that real Nix made, and programs that need a dynamic linker
// out of the store: one of our own, and nix-store.
type programs struct {
	*nixtest.Closure
	closure           *storedb.Closure
	hello, nix, shell string
}

const helloSource = `#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
	printf("Hello, world!\n");
	for (int i = 1; i < argc; i++) printf("<%s>\n", argv[i]);
	printf("%s\n", getenv("GREETING") ? getenv("GREETING") : "no greeting");
	return 42;
}
`

func withPrograms(t *testing.T) *programs {
	t.Helper()
	p := &programs{Closure: nixtest.System(t)}
	loader := "/lib64/ld-linux-x86-64.so.2"
	libc := add(t, "libc", map[string]string{"lib/ld.so": loader, "lib/libc.so.6": libraries(t, "/bin/sh")["libc.so.6"]})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello.c"), []byte(helloSource), 0o644); err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, fstest.Judge(t, "gcc", "gcc"), "-o", filepath.Join(dir, "hello"), filepath.Join(dir, "hello.c"),
		"-Wl,--dynamic-linker="+libc.Path+"/lib/ld.so", "-Wl,-rpath="+libc.Path+"/lib")
	hello := add(t, "hello", map[string]string{"bin/hello": filepath.Join(dir, "hello")}, libc.Path)

	tool := fstest.Judge(t, "nix-store", "nix-bin")
	files := map[string]string{"bin/nix-store": tool, "lib/ld.so": loader}
	for name, path := range libraries(t, tool) {
		files["lib/"+name] = path
	}
	nix := add(t, "nix", files)
	p.hello, p.nix, p.shell = hello.Path+"/bin/hello", nix.Path, p.Path("busybox-static")+"/bin/sh"

	f, err := os.Open(p.Registration)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	items, err := storedb.Nix.ReadRegistration(f.Name(), f)
	if err != nil {
		t.Fatal(err)
	}
	p.closure, err = storedb.NewClosure(storedb.Nix, storedb.From(p.Store, items), []*storedb.Item{libc, hello, nix})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// add returns a store item of files of the host.
func add(t *testing.T, name string, files map[string]string, references ...string) *storedb.Item {
	t.Helper()
	tree := image.NewTree()
	for at, from := range files {
		real, err := filepath.EvalSymlinks(from)
		if err != nil {
			t.Fatal(err)
		}
		data, err := image.NewHostFile(real)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Put("/"+at, image.NewFile(0o755, data)); err != nil {
			t.Fatal(err)
		}
	}
	item, err := storedb.Nix.AddPath(name, tree.Root, references...)
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// libraries returns what a program is linked with, by name.
func libraries(t *testing.T, program string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(\S+) => (\S+) \(`).FindAllStringSubmatch(fstest.Run(t, "ldd", program), -1) {
		found[m[1]] = m[2]
	}
	return found
}

// TestGuestRuns has programs of the store run in a guest, with arguments, environment,
// standard streams and a status, and has nix-store work on its database there. Nothing
// of it reaches the host.
func TestGuestRuns(t *testing.T) {
	t.Parallel()
	p := withPrograms(t)
	before := contentsOf(t, p.Root+"/nix/var/nix/db")
	store := disk(t, storedisk.Options{Closure: p.closure})
	script := strings.NewReplacer("@hello@", p.hello, "@nix@", p.nix, "@top@", p.Toplevel).Replace(`
PATH=${0%/*}
echo "args: $# <$1> <$2>"
stat -c 'store %A %U %u %Y' /nix/store
stat -c 'item %A %U %u %Y' @top@
touch /nix/store/new 2>&1 | sed 's/.*: //'
@hello@ 'a b' "$(printf '1\n2')"; echo "status $?"
nix() { @nix@/lib/ld.so --library-path @nix@/lib @nix@/bin/nix-store --option build-users-group '' "$@" 2> /tmp/err || { cat /tmp/err; false; }; }
nix -q --references @top@ | wc -l
echo hello > /root/notes
nix --add /root/notes && echo 'added to what is read-only'
nix --dump-db | wc -l
printf '%s\n\n0\n' @top@ | nix --register-validity && echo registered
nix --gc --print-roots | wc -l
echo 'to stderr' >&2
head -c 100000 /dev/zero | tr '\0' '\377'
exit 42
`)
	c := machine(t, store.Words()...)
	attach(t, &c, store)
	got := runIn(t, c, session.Command{
		Argv: []string{p.shell, "-s", "one two", "\"3\"\n%"}, Env: []string{"GREETING=good day"}, Stdin: strings.NewReader(script),
	})
	t.Logf("%s", strings.ReplaceAll(got.stdout, "\xff", ""))
	for _, want := range []string{
		"args: 2 <one two> <\"3\"\n%>\n",
		"store dr-xr-xr-x root 0 1\n", "item dr-xr-xr-x root 0 1\n",
		"Read-only file system\n",
		"Hello, world!\n<a b>\n<1\n2>\ngood day\nstatus 42\n",
		"Read-only file system\n", "registered\n",
		strings.Repeat("\xff", 100000),
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("standard output lacks %.100q", want)
		}
	}
	if got.status != 42 {
		t.Errorf("status %d; want 42", got.status)
	}
	if got.stderr != "to stderr\n" {
		t.Errorf("standard error %q; want one line", got.stderr)
	}
	if t.Failed() {
		t.Logf("console:\n%s\nstandard error:\n%s", got.console, got.stderr)
	}
	if after := contentsOf(t, p.Root+"/nix/var/nix/db"); after != before {
		t.Errorf("the host's database is another one:\n%s\nwas\n%s", after, before)
	}
}

// contentsOf returns the digests of a folder's files.
func contentsOf(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&out, "%x %s\n", sha256.Sum256(data), path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestWritableStore: a layer in memory over the store, where NixOS has its parts, with a
// registration to be loaded.
func TestWritableStore(t *testing.T) {
	t.Parallel()
	p := withPrograms(t)
	registration := add(t, "registration", map[string]string{"registration": p.Registration})
	closure, err := storedb.NewClosure(storedb.Nix, p.closure.Items(), []*storedb.Item{registration})
	if err != nil {
		t.Fatal(err)
	}
	store := disk(t, storedisk.Options{Closure: closure, NoDatabase: true})
	script := strings.NewReplacer("@nix@", p.nix, "@top@", p.Toplevel).Replace(`
top=@top@
stat -c '%A %U %G' /nix/store
nix() { @nix@/lib/ld.so --library-path @nix@/lib @nix@/bin/nix-store --option build-users-group '' "$@" 2> /tmp/err || { cat /tmp/err; false; }; }
nix -q --requisites @top@ | wc -l
mkdir -p /root; echo hello > /root/notes
added=$(nix --add /root/notes) && cat $added
ls -d /nix/.rw-store/upper/*-notes
ls -d /nix/.rw-store/work /nix/.ro-store/${top##*/}
nix -q --hash $added
chmod u+w @top@ && rm @top@/init && ls @top@/init
mount | grep -c 'overlay on /nix/store'
`)
	words := append(store.Words(), string(wire.StoreLayerWord), "regInfo="+registration.Path+"/registration")
	c := machine(t, words...)
	attach(t, &c, store)
	got := runIn(t, c, session.Command{Argv: []string{p.shell}, Stdin: strings.NewReader("PATH=" + filepath.Dir(p.shell) + "\n" + script)})
	t.Logf("%s", got.stdout)
	for _, want := range []string{
		"drwxrwxr-t root nixbld\n", fmt.Sprintf("%d\nhello\n", len(p.Paths)), "/nix/.rw-store/upper/", "/nix/.rw-store/work\n",
		"/nix/.ro-store/" + filepath.Base(p.Toplevel) + "\n", "sha256:", "\n1\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("standard output lacks %q", want)
		}
	}
	if t.Failed() {
		t.Logf("console:\n%s\nstandard error:\n%s", got.console, got.stderr)
	}
	if _, err := os.Stat(filepath.Join(p.Root, p.Toplevel, "init")); err != nil {
		t.Errorf("what the guest removed is gone on the host: %v", err)
	}
}

// TestShellScript gives the shell a script by its standard input: no byte of it is
// lost, its end is the shell's, and the status is that of the last command.
func TestShellScript(t *testing.T) {
	t.Parallel()
	c := nixtest.System(t)
	store := disk(t, storedisk.Options{Closure: closure(t, c, true)})
	config := machine(t, store.Words()...)
	attach(t, &config, store)
	const size = 300_000
	script := "ls -d /nix/store\nread x\nthis line\necho \"got $x\" >&2\nwc -c <<'E'\n" + strings.Repeat("0123456789abcde\n", size/16) + "E\n(exit 5)"
	got := runIn(t, config, session.Command{Argv: []string{"sh", "-l"}, Stdin: strings.NewReader(script)})
	if want := fmt.Sprintf("/nix/store\n%d\n", size); got.stdout != want || got.stderr != "got this line\n" || got.status != 5 {
		t.Errorf("it printed %q and %q, status %d; want %q, the line, and 5\n%s", got.stdout, got.stderr, got.status, want, got.console)
	}
}

// TestModes: what the words ask for, which of several counts, and what the machine says
// of nothing to do.
func TestModes(t *testing.T) {
	t.Parallel()
	c := nixtest.System(t)
	store := disk(t, storedisk.Options{Closure: closure(t, c, true)})
	for _, x := range []struct {
		name   string
		words  []string
		types  string // once there is a shell
		status int
		want   []string
	}{
		{"find", []string{string(wire.FindWord), string(wire.ShellWord), "ingot.run=" + c.Toplevel + "/init", "init=/x"}, "", 0,
			[]string{"dr-xr-xr-x root 0 ", " Jan  1 1970 /nix/store\r\n", " " + c.Toplevel + "/init\r\n"}},
		{"shell", []string{"tvix.shell", "ingot.run=" + c.Toplevel + "/init"}, "ls -ld /nix/store; exit 3", 3, []string{"dr-xr-xr-x"}},
		{"run", []string{"tvix.run=" + c.Path("busybox-static") + "/bin/sh", "ingot.arg=-c", "ingot.arg=echo+%22a++b%7C%24X%22%3B+exit+7", "ingot.env=X=y"}, "", 7, []string{"a  b|y\r\n"}},
		{"missing", []string{wire.RunWord.With(c.Toplevel + "/nonesuch")}, "", 127, []string{"nonesuch: no such file or directory"}},
		{"no such init", []string{wire.InitWord.With("/nix/store/init")}, "", 127, []string{"cannot start the system: init=/nix/store/init"}},
		{"nothing", nil, "", 0, []string{"ingot: No command detected", "ingot: Nothing left to be done, powering off."}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			config := machine(t, append(store.Words(), x.words...)...)
			attach(t, &config, store)
			ctx, m := start(t, config)
			if x.types != "" {
				if _, err := m.WaitFor(ctx, `ingot: ready on ttyS0`); err != nil {
					t.Fatal(err)
				}
				if err := m.Send(x.types); err != nil {
					t.Fatal(err)
				}
			}
			if err := m.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			if x.status != 0 {
				x.want = append(x.want, fmt.Sprintf("ingot: %s%d\r\n", wire.StatusSign, x.status))
			}
			for _, want := range x.want {
				if !strings.Contains(m.Console(), want) {
					t.Errorf("the console lacks %q:\n%.3000s", want, m.Console())
				}
			}
		})
	}
}

// TestInit goes into the init of a closure that real Nix made.
func TestInit(t *testing.T) {
	t.Parallel()
	c := nixtest.System(t)
	store := disk(t, storedisk.Options{Closure: closure(t, c, true)})
	config := machine(t, append(store.Words(), wire.InitWord.With(c.Toplevel+"/init"))...)
	config.Append += " " + nixtest.PowerOff
	attach(t, &config, store)
	ctx, m := start(t, config)
	for _, want := range []string{c.Marker(), `root is tmpfs tmpfs rw`, nixtest.ContentsMatch, `found /nix/var/nix/db/db\.sqlite`, nixtest.Done} {
		if _, err := m.WaitFor(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Wait(ctx); err != nil {
		t.Error(err)
	}
}

// TestShare sees the store through virtiofs, under the model's tag and by its words, and
// the host's database below a layer; and the same through 9p, which the kernel for clouds
// does not have.
func TestShare(t *testing.T) {
	t.Parallel()
	t.Run("virtiofs", func(t *testing.T) { testShare(t, testenv.Kernel(t), vm.VirtioFS, "virtiofs") })
	t.Run("9p", func(t *testing.T) { testShare(t, testenv.KernelFull(t), vm.NineP, "9p", "9pnet_virtio") })
}

func testShare(t *testing.T, kernel string, kind vm.ShareKind, modules ...string) {
	t.Parallel()
	c := nixtest.System(t)
	before := contentsOf(t, c.Root+"/nix/var/nix/db")
	command := session.Command{Argv: []string{c.Path("busybox-static") + "/bin/sh", "-c",
		"cd /nix/store; echo x > x; echo x > /nix/var/nix/db/db.sqlite; PATH=" + c.Path("busybox-static") + "/bin; ls -l /nix/var/nix/db/db.sqlite; " +
			"cut -d' ' -f3 /proc/mounts | sort -u; exit 7"}}
	config := machineWith(t, kernel, modules, storedisk.ShareWords(storedb.Nix, string(kind), "tvix", "db")...)
	config.Shares = []vm.Share{
		{Tag: "tvix", Dir: c.Store, ReadOnly: true, Kind: kind},
		{Tag: "db", Dir: filepath.Join(c.Root, "nix/var/nix/db"), ReadOnly: true, Kind: kind},
	}
	got := runIn(t, config, command)
	if got.status != 7 || !strings.Contains(got.stderr, "Read-only file system") || !strings.Contains(got.stdout, " 2 ") || !strings.Contains(got.stdout, string(kind)+"\n") {
		t.Errorf("status %d, standard output %q, standard error %q; console:\n%s", got.status, got.stdout, got.stderr, got.console)
	}
	if after := contentsOf(t, c.Root+"/nix/var/nix/db"); after != before {
		t.Errorf("the host's database is another one:\n%s\nwas\n%s", after, before)
	}
}
