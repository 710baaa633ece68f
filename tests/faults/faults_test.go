//go:build linux && amd64

package faults

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/tests/testenv"
)

// ingot is the program, which TestMain builds.
var ingot string

func TestMain(m *testing.M) { os.Exit(withIngot(m)) }

func withIngot(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingot-faults")
	if err == nil {
		defer os.RemoveAll(dir)
		ingot = filepath.Join(dir, "ingot")
		var out []byte
		if out, err = exec.Command("make", "-s", "-C", "../..", "build", "OUT="+ingot).CombinedOutput(); err != nil {
			err = fmt.Errorf("make build: %w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// What is made of: two recipes, so that an older output differs from a newer one.
const recipeText = `name: tiny
disk:
  partitions:
    - {name: data, filesystem: fat, size: 256KiB, contents: {files: [{path: /a, text: %s}, {path: /b, source: file}]}}
`

const liveText = `name: live
output: {store: erofs}
bootloader:
  entries: [{title: x, kernel: /vmlinuz, initrd: [/initrd]}]
disk:
  partitions:
    - {name: root, filesystem: ext4, contents: {files: [{path: /vmlinuz, text: %[1]s}, {path: /initrd, text: %[1]s}, {path: /b, source: file}]}}
`

const isoText = `name: live
output: {format: iso}
bootloader:
  grub: [bios]
  entries: [{title: x, kernel: /vmlinuz, initrd: [/initrd]}]
disk:
  partitions:
    - {name: root, filesystem: ext4, contents: {files: [{path: /vmlinuz, text: %[1]s}, {path: /initrd, text: %[1]s}]}}
`

// A trial is a command line whose every call fails once, and that is killed at each.
type trial struct {
	name   string
	args   []string // {in} and {out} are folders
	kernel string   // of machines
	// old are the arguments that make what is there before, nil if nothing is.
	old []string
	// image is the output that a manifest describes, if it has one.
	image     string
	elsewhere string // its manifest, unless that is beside it
	stdout    bool   // the output is standard output
	noTmpfile bool
	// finishes says that a fault may leave the output half done, as long as the next run
	// finishes it: that of register is a whole root.
	finishes bool
	// each says that a fault may leave some of the outputs, each whole or as it was.
	each bool
	// status is what it ends with when nothing fails.
	status int
	// boots says that it starts a machine, which takes seconds: only what changes something
	// fails, and nothing kills it but [TestMachineFaults].
	boots bool
	// stale says that a manifest of another image lies beside what is there before.
	stale bool
	// spare says which names of the output are done without when a call that makes one of
	// them finds no room; the next run does not make them either.
	spare func(name string) bool
}

func (x *trial) fill(words []string, dir string) []string {
	var out []string
	for _, w := range words {
		out = append(out, strings.NewReplacer("{in}", filepath.Join(dir, "in"), "{out}", filepath.Join(dir, "out")).Replace(w))
	}
	return out
}

// manifest is the path of what describes the output.
func (x *trial) manifest() string { return cmp.Or(x.elsewhere, x.image+".manifest.json") }

// A place is a folder with the inputs and outputs of one run at a time.
type place struct {
	dir    string
	trial  *trial
	stdout bytes.Buffer
	before map[string]entry // what is in out before
	saved  []saved
	after  map[string]entry // and when all went well
	result string           // on standard output then
}

// entry is a file, folder or link of an output.
type entry struct {
	Mode fs.FileMode
	Text string // or the link's target
}

func (x *trial) place(t *testing.T) *place {
	t.Helper()
	p := &place{dir: folder(t), trial: x}
	for _, d := range []string{"in", "out", "tmp", "run", "cache"} {
		if err := os.Mkdir(filepath.Join(p.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	item := "00000000000000000000000000000000-item"
	for name, text := range map[string]string{
		"new.yaml": fmt.Sprintf(recipeText, "new"), "old.yaml": fmt.Sprintf(recipeText, "old"),
		"live.yaml": fmt.Sprintf(liveText, "new"), "old-live.yaml": fmt.Sprintf(liveText, "old"),
		"iso.yaml": fmt.Sprintf(isoText, "new"), "old-iso.yaml": fmt.Sprintf(isoText, "old"),
		"tests.yaml": fmt.Sprintf(recipeText, "new") + "tests: [{name: nothing, script: start}]\n",
		"file":       strings.Repeat("0123456789abcdef", 1<<10),
		"graph":      "/nix/store/" + item + "\n\n0\n",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, "in", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	store := filepath.Join(p.dir, "in/root/nix/store", item)
	if err := errors.Join(os.MkdirAll(store, 0o755), os.WriteFile(filepath.Join(store, "file"), []byte("file"), 0o644), os.Symlink("file", filepath.Join(store, "link"))); err != nil {
		t.Fatal(err)
	}
	for _, age := range []string{"new", "old"} {
		p.ingot(t, "build", "{in}/"+age+".yaml", "-o", "{in}/"+age+".img", "-q")
	}
	if x.old != nil {
		p.ingot(t, x.old...)
	}
	if x.stale {
		if err := os.Rename(p.dir+"/in/old.img.manifest.json", filepath.Join(p.dir, x.manifest())); err != nil {
			t.Fatal(err)
		}
	}
	p.before = p.state(t)
	p.save(t)
	return p
}

// folder returns a temporary folder: in memory if there is such a place, since half of the
// calls wait for the disk.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ingot-faults")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := clear(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// clear removes a folder, whatever its permissions: a store's are read-only.
func clear(dir string) error {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	return os.RemoveAll(dir)
}

// saved is a file or a folder of what is there before.
type saved struct {
	name string
	mode fs.FileMode
	text []byte
}

// save remembers what is in out.
func (p *place) save(t *testing.T) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(p.before)) { // a folder before what is in it
		s := saved{name: name, mode: p.before[name].Mode}
		if s.mode.IsRegular() {
			var err error
			if s.text, err = os.ReadFile(filepath.Join(p.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		p.saved = append(p.saved, s)
	}
}

// ingot runs it with no fault, to its good end.
func (p *place) ingot(t *testing.T, args ...string) {
	t.Helper()
	p.ends(t, 0, args...)
}

// ends runs it with no fault, and wants a status.
func (p *place) ends(t *testing.T, status int, args ...string) {
	t.Helper()
	cmd := exec.Command(ingot, p.trial.fill(args, p.dir)...)
	cmd.Env, cmd.Dir = p.environ(), p.dir
	if out, err := cmd.CombinedOutput(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != status {
		t.Fatalf("ingot %q: %v; want status %d\n%s", args, err, status, out)
	}
}

func (p *place) environ() []string {
	env := append(os.Environ(), "TMPDIR="+p.dir+"/tmp", "XDG_RUNTIME_DIR="+p.dir+"/run", "XDG_CACHE_HOME="+p.dir+"/cache", "HOME="+p.dir, "GOMAXPROCS=2")
	if p.trial.kernel != "" {
		env = append(env, "INGOT_KERNEL="+p.trial.kernel)
	}
	return env
}

// state returns all that is in out, in tmp, and in run.
func (p *place) state(t *testing.T) map[string]entry {
	t.Helper()
	all := map[string]entry{}
	for _, d := range []string{"out", "tmp", "run"} {
		err := filepath.WalkDir(filepath.Join(p.dir, d), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			e := entry{Mode: info.Mode()}
			switch info.Mode().Type() {
			case 0:
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				e.Text = fmt.Sprintf("%x", sha256.Sum256(text))
			case fs.ModeSymlink:
				if e.Text, err = os.Readlink(path); err != nil {
					return err
				}
			}
			name, err := filepath.Rel(p.dir, path)
			all[name] = e
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// reset puts back what was before.
func (p *place) reset(t *testing.T) {
	t.Helper()
	p.stdout.Reset()
	for _, d := range []string{"out", "tmp", "run"} {
		if err := errors.Join(clear(filepath.Join(p.dir, d)), os.Mkdir(filepath.Join(p.dir, d), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range p.saved {
		path := filepath.Join(p.dir, s.name)
		var err error
		if s.mode.IsRegular() {
			err = os.WriteFile(path, s.text, s.mode.Perm())
		} else if err = os.Mkdir(path, s.mode.Perm()); errors.Is(err, fs.ErrExist) {
			err = nil
		}
		if err = errors.Join(err, os.Chmod(path, s.mode.Perm())); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *place) program() *Program {
	r := &Program{
		Args: append([]string{ingot}, p.trial.fill(p.trial.args, p.dir)...), Env: p.environ(), Dir: p.dir,
		Folders: []string{p.dir + "/in", p.dir + "/out", p.dir + "/tmp", p.dir + "/run"}, NoTmpfile: p.trial.noTmpfile,
	}
	if p.trial.stdout {
		r.Stdout = &p.stdout
	}
	return r
}

// left removes what a Staging is from a state, and says whether there was one.
func left(state map[string]entry) bool {
	found := false
	maps.DeleteFunc(state, func(name string, _ entry) bool {
		staging := strings.Contains(name, "/.ingot-staging-")
		found = found || staging
		return staging
	})
	return found
}

// check says what is wrong with what a fault has left, or "".
func (p *place) check(t *testing.T, f Fault, o Outcome) (wrong string, next bool) {
	t.Helper()
	now := p.state(t)
	staged := left(now)
	killed := o.Status.Signaled()
	switch {
	case killed && f.Errno != 0:
		return fmt.Sprintf("it ended by %v", o.Status.Signal()), false
	case killed && o.Status.Signal() != syscall.SIGKILL:
		return fmt.Sprintf("it ended by %v", o.Status.Signal()), false
	case !killed && o.Status.ExitStatus() != 0 && !strings.Contains(o.Said, "ingot: "):
		return fmt.Sprintf("status %d, and no word why", o.Status.ExitStatus()), false
	case !killed && (strings.Contains(o.Said, "panic") || strings.Contains(o.Said, "goroutine ")):
		return "it panicked", false
	}
	well := !killed && o.Status.ExitStatus() == 0
	if well && p.trial.stdout && p.stdout.String() != p.result {
		return fmt.Sprintf("it ended well, and wrote %d bytes of %d, or others", p.stdout.Len(), len(p.result)), false
	}
	if p.trial.finishes {
		return "", true
	}
	isBefore, isAfter := maps.Equal(now, p.before), maps.Equal(now, p.after)
	manifest := p.trial.manifest()
	if p.trial.image != "" && !isBefore && !isAfter && !well {
		// An image without its manifest is whole, one with another's is not.
		isBefore, isAfter = equalBut(now, p.before, manifest), equalBut(now, p.after, manifest)
	}
	if p.trial.each && !well {
		isAfter = p.wholeOrBefore(now)
	}
	if well && !isAfter || !isBefore && !isAfter {
		return fmt.Sprintf("there is %s\nbefore: %s\nwithout a fault: %s", show(now), show(p.before), show(p.after)), false
	}
	return "", staged
}

// wholeOrBefore says whether each output is as it was, or as it is when all goes well.
func (p *place) wholeOrBefore(now map[string]entry) bool {
	for name, e := range now {
		if e != p.before[name] && e != p.after[name] {
			return false
		}
	}
	for name := range p.before {
		if _, there := now[name]; !there {
			return false
		}
	}
	return true
}

// equalBut says whether two states are the same, when the first lacks a name.
func equalBut(now, other map[string]entry, name string) bool {
	if _, there := now[name]; there {
		return false
	}
	return maps.EqualFunc(now, without(other, name), func(a, b entry) bool { return a == b })
}

func without(m map[string]entry, name string) map[string]entry {
	m = maps.Clone(m)
	delete(m, name)
	return m
}

func show(state map[string]entry) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(state)) {
		list = append(list, fmt.Sprintf("%s %v %.8s", name, state[name].Mode, state[name].Text))
	}
	return strings.Join(list, ", ")
}

// checkNext runs it once more, with no fault: it ends well, and leaves nothing of what was
// left by a call that failed with an errno, or by a kill.
func (p *place) checkNext(t *testing.T, c Call, errno syscall.Errno) string {
	t.Helper()
	if p.trial.each {
		// What it makes would be there already.
		for name := range p.after {
			if _, there := p.before[name]; !there {
				if err := clear(filepath.Join(p.dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	p.ends(t, p.trial.status, p.trial.args...)
	now, want := p.state(t), p.after
	if name, err := filepath.Rel(p.dir, c.Path); err == nil && errno == unix.ENOSPC && p.trial.spare != nil && p.trial.spare(name) {
		spare := func(name string, _ entry) bool { return p.trial.spare(name) }
		want = maps.Clone(want)
		maps.DeleteFunc(now, spare)
		maps.DeleteFunc(want, spare)
	}
	if !maps.Equal(now, want) {
		return fmt.Sprintf("the next run leaves %s\nwant %s", show(now), show(want))
	}
	return ""
}

// counts are what the tests have done in all.
var counts struct{ kills, failures, next atomic.Int64 }

// share is how many of the faults of a trial are tried: with -short a few of each.
const share = 25

func (x *trial) run(t *testing.T) {
	places := make(chan *place, runtime.GOMAXPROCS(0))
	var first *place
	var calls []Call
	for range cap(places) {
		p := x.place(t)
		o, err := p.program().Run(Fault{})
		if errors.Is(err, unix.EPERM) {
			testenv.Missing(t, "processes cannot be traced here: "+err.Error())
		}
		if err != nil {
			t.Fatal(err)
		}
		if o.Status.ExitStatus() != x.status {
			t.Fatalf("ingot %q: %d; want %d\n%s", x.args, o.Status.ExitStatus(), x.status, o.Said)
		}
		p.after, p.result = p.state(t), p.stdout.String()
		if left(maps.Clone(p.after)) {
			t.Fatalf("without a fault, there is %s", show(p.after))
		}
		if first == nil {
			first, calls = p, o.Calls
		}
		places <- p
	}
	var faults []Fault
	for i, c := range calls {
		n := i + 1
		if x.boots && c.kind.looks {
			continue
		}
		if !x.boots && !c.kind.looks && !strings.HasPrefix(c.Path, first.dir+"/in") { // between two changes, all is as it was
			faults = append(faults, Fault{At: n}, Fault{At: n, After: true})
		}
		faults = append(faults, Fault{At: n, Errno: c.kind.errnos[n%len(c.kind.errnos)]})
	}
	if testing.Short() {
		var some []Fault
		for i := 0; i < len(faults); i += share {
			some = append(some, faults[i])
		}
		faults = some
	}
	var work sync.WaitGroup
	for _, f := range faults {
		p := <-places
		work.Go(func() {
			defer func() { places <- p }()
			x.try(t, p, f)
		})
	}
	work.Wait()
	t.Logf("%d system calls, %d faults", len(calls), len(faults))
}

// try has one fault befall a run.
func (x *trial) try(t *testing.T, p *place, f Fault) {
	p.reset(t)
	o, err := p.program().Run(f)
	if err != nil {
		t.Errorf("%v: %v", f, err)
		return
	}
	hit, call := "nothing", Call{}
	if o.Hit {
		call = o.Calls[f.At-1]
		hit = call.String()
		if f.Errno != 0 {
			counts.failures.Add(1)
		} else {
			counts.kills.Add(1)
		}
	}
	wrong, next := p.check(t, f, o)
	if wrong == "" && next {
		counts.next.Add(1)
		wrong = p.checkNext(t, call, f.Errno)
	}
	if wrong != "" {
		t.Errorf("%v, %s: %s\nit said: %s", f, strings.ReplaceAll(hit, p.dir+"/", ""), wrong, o.Said)
	}
}

// TestFaults: whatever fails, and wherever ingot is killed, its outputs are whole or as they
// were.
func TestFaults(t *testing.T) {
	build := func(recipe, out string, more ...string) []string {
		return append([]string{"build", "{in}/" + recipe, "-o", "{out}/" + out, "-q"}, more...)
	}
	convert := func(from, out string, more ...string) []string {
		return append([]string{"convert", "{in}/" + from, "-o", "{out}/" + out, "-q"}, more...)
	}
	zlib := []string{"--set", "output.compression=zlib"}
	for _, x := range []trial{
		{name: "raw", args: build("new.yaml", "a.img"), image: "out/a.img"},
		{name: "raw over another", args: build("new.yaml", "a.img"), old: build("old.yaml", "a.img"), image: "out/a.img"},
		{name: "raw without a manifest over one with", args: build("new.yaml", "a.img", "--no-manifest"), old: build("old.yaml", "a.img"), image: "out/a.img"},
		{name: "raw where files have names", args: build("new.yaml", "a.img"), old: build("old.yaml", "a.img"), image: "out/a.img", noTmpfile: true},
		{name: "qcow2", args: build("new.yaml", "a.qcow2"), old: build("old.yaml", "a.qcow2"), image: "out/a.qcow2"},
		{name: "compressed qcow2", args: build("new.yaml", "a.qcow2", zlib...), old: build("old.yaml", "a.qcow2", zlib...), image: "out/a.qcow2"},
		{name: "compressed qcow2 where files have names", args: build("new.yaml", "a.qcow2", zlib...), image: "out/a.qcow2", noTmpfile: true},
		{name: "iso", args: build("iso.yaml", "a.iso"), old: build("old-iso.yaml", "a.iso"), image: "out/a.iso"},
		{name: "netboot", args: build("live.yaml", "net", "--format", "netboot")},
		{name: "netboot over another", args: build("live.yaml", "net", "--format", "netboot"), old: build("old-live.yaml", "net", "--format", "netboot")},
		{name: "raw with its manifest elsewhere", args: build("new.yaml", "a.img", "--manifest", "{out}/m.json"), image: "out/a.img", elsewhere: "out/m.json"},
		{name: "kexec over netboot", args: build("live.yaml", "net", "--format", "kexec"), old: build("old-live.yaml", "net", "--format", "netboot")},
		{name: "stream", args: []string{"build", "{in}/new.yaml", "-o", "-", "-q"}, stdout: true},
		{name: "tar", args: convert("new.img", "a.tar"), old: convert("old.img", "a.tar")},
		{name: "docker", args: convert("new.img", "a.tar", "--format", "docker")},
		{name: "vdi", args: convert("new.img", "a.vdi"), old: convert("old.img", "a.vdi"), image: "out/a.vdi", stale: true},
		{name: "register", args: []string{"register", "--root", "{out}/root", "--graph", "{in}/graph", "--from", "{in}/root/nix/store", "--copy", "-q"}, finishes: true, spare: inLinks},
		// Its test has nothing to boot, and fails.
		{name: "build --test", args: build("tests.yaml", "a.img", "--test"), status: 1},
		{name: "exec", args: execArgs, each: true, boots: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.boots {
				x.kernel = testenv.Kernel(t)
			}
			x.run(t)
		})
	}
	t.Logf("%d kills, %d failed calls; after %d of them the next run had something to finish or to sweep",
		counts.kills.Load(), counts.failures.Load(), counts.next.Load())
}

// inLinks says whether a name is one of those by which a store shares files.
func inLinks(name string) bool { return strings.HasPrefix(name, "out/root/nix/store/.links/") }

// execArgs are of an exec with a result and a disk.
var execArgs = []string{"exec", "-q", "--output", "{out}/result", "--new-disk", "{out}/disk.img:1MiB", "--", "echo text > /tmp/xchg/a"}

// machineTrial is a command line that starts a machine, which takes seconds: few faults
// befall it, at calls that are named.
type machineTrial struct {
	name  string
	args  []string
	boots bool // the fault comes after the machine has run
	fault Fault
	// may are what the output may hold afterwards, besides the folder itself.
	may []map[string]string // names and texts
}

func (x *machineTrial) run(t *testing.T) {
	if x.boots && testing.Short() {
		t.Skip("boots a machine")
	}
	p := (&trial{args: x.args, kernel: testenv.Kernel(t)}).place(t)
	program := p.program()
	o, err := program.Run(x.fault)
	if err != nil {
		t.Fatal(err)
	}
	if !o.Hit {
		t.Fatalf("%v has not come: %v\n%s", x.fault, o.Status, o.Said)
	}
	counts.kills.Add(1)
	before := p.made(t, "tmp", "run", "run/ingot")
	// The next run in the same places sweeps, and has a fault of its own where it would boot.
	if x.args[0] == "exec" {
		p.ingot(t, "build", "{in}/new.yaml", "-o", "{out}/next.img", "-q", "--no-manifest")
		if err := os.Remove(p.dir + "/out/next.img"); err != nil {
			t.Fatal(err)
		}
	} else {
		made := func(c Call) bool {
			return c.Name == "mkdirat" && strings.Contains(c.Path, "/run/ingot/.ingot-staging-")
		}
		if o, err := program.Run(Fault{At: 1, Among: made, After: true}); err != nil || !o.Hit {
			t.Fatalf("the next run: %v, %v\n%s", err, o.Status, o.Said)
		}
	}
	for name, when := range p.made(t, "tmp", "run", "run/ingot") {
		if name != "run/ingot" && before[name] == when {
			t.Errorf("the next run has not swept %s", name)
		}
	}
	got := map[string]string{}
	for _, name := range p.names(t, "out") {
		text, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			t.Error(err)
		}
		got[strings.TrimPrefix(name, "out/")] = string(text)
	}
	if !slices.ContainsFunc(x.may, func(may map[string]string) bool { return maps.Equal(may, got) }) {
		t.Errorf("there are %q\nit said: %s", slices.Sorted(maps.Keys(got)), o.Said)
	}
}

// made returns when what lies in folders of a place was made: what is swept may leave its name
// to the next.
func (p *place) made(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range p.names(t, folders...) {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(p.dir, name), &st); err != nil {
			t.Fatal(err)
		}
		all[name] = fmt.Sprint(st.Ino, st.Mtim)
	}
	return all
}

// names lists what lies in folders of a place, by their paths in it.
func (p *place) names(t *testing.T, folders ...string) (all []string) {
	t.Helper()
	for _, d := range folders {
		entries, err := os.ReadDir(filepath.Join(p.dir, d))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, d+"/"+e.Name())
		}
	}
	return all
}

// TestMachineFaults: the same of what starts machines, before they start and when they have
// ended.
func TestMachineFaults(t *testing.T) {
	disk := strings.Repeat("\x00", 1<<20)
	exec := execArgs
	build := []string{"build", "{in}/tests.yaml", "-o", "{out}/a.img", "-q", "--test"}
	call := func(name, end string) func(Call) bool {
		return func(c Call) bool { return strings.HasPrefix(c.Name, name) && strings.HasSuffix(c.Path, end) }
	}
	nothing, result := map[string]string{}, map[string]string{"result": "text\n"}
	both := map[string]string{"result": "text\n", "disk.img": disk}
	for _, x := range []machineTrial{
		{name: "exec, a folder for a disk", args: exec, fault: Fault{At: 1, Among: call("mkdirat", "/out/.ingot-staging-0"), After: true}, may: []map[string]string{nothing}},
		{name: "exec, its lock", args: exec, fault: Fault{At: 1, Among: call("openat", "/lock"), After: true}, may: []map[string]string{nothing}},
		{name: "exec, a disk in it", args: exec, fault: Fault{At: 1, Among: call("ftruncate", "/file"), After: true}, may: []map[string]string{nothing}},
		{name: "exec, before the result", args: exec, boots: true, fault: Fault{At: 1, Among: call("rename", "/result")}, may: []map[string]string{nothing}},
		{name: "exec, after the result", args: exec, boots: true, fault: Fault{At: 1, Among: call("rename", "/result"), After: true}, may: []map[string]string{result}},
		{name: "exec, after the disk", args: exec, boots: true, fault: Fault{At: 1, Among: call("rename", "/disk.img"), After: true}, may: []map[string]string{both}},
		{name: "build --test", args: build, fault: Fault{At: 1, Among: call("mkdirat", ""), After: true}, may: []map[string]string{nothing}},
		{name: "build --test, a folder later", args: build, fault: Fault{At: 2, Among: call("mkdirat", ""), After: true}, may: []map[string]string{nothing}},
		{name: "build --test, its second lock", args: build, fault: Fault{At: 2, Among: call("openat", "/lock"), After: true}, may: []map[string]string{nothing}},
	} {
		t.Run(x.name, x.run)
	}
}
