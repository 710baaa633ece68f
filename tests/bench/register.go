package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// rows is the shape of a closure that is hardly more than its rows in a database.
var rows = shape{Paths: registered, Plain: registered, Files: registered, Bytes: 100 * registered}

// sh runs a shell command with arguments.
func sh(script string, args ...string) error {
	out, err := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", script, err, out)
	}
	return nil
}

// remove removes a store: its folders are read-only.
func remove(dir string) error {
	return sh(`[ ! -e "$1" ] || { chmod -R u+w "$1"; rm -rf "$1"; }`, dir)
}

// nix is a command of real Nix that does not look at the machine's own.
func nix(args ...string) []string {
	return append([]string{"env", "NIX_CONFIG=build-users-group =", "NIX_CONF_DIR=/nonexistent"}, args...)
}

// register registers many paths that lie in a root already. nix-store --load-db
// believes what it is told, and touches no item; so does ingot here, but for a look
// at each.
func (b *bench) register() error {
	dir := filepath.Join(b.dir, "rows")
	defer remove(dir)
	if err := remove(dir); err != nil {
		return err
	}
	if err := b.command("work", "rows", dir); err != nil {
		return err
	}
	root, registration := filepath.Join(dir, "root"), filepath.Join(dir, "registration")
	state := filepath.Join(dir, "nix")
	results, err := race(b.runs, []contestant{
		{name: "ingot register", output: filepath.Join(root, "nix", "var"), args: []string{b.ingot, "register", "-q", "--root", root,
			"--registration", registration, "--no-deduplicate", "--no-reset-timestamps"}},
		{name: "nix-store --load-db", aim: 5, stdin: registration, output: state, args: nix("nix-store", "--store", state, "--load-db")},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, fmt.Sprintf("register: %d paths that lie in a root, into a fresh database", registered), results)
	return nil
}

// memoryDir is a folder in memory with room for several copies of the closure, or one
// of the disk where there is none.
func (b *bench) memoryDir() (dir, what string, err error) {
	var fs syscall.Statfs_t
	const shm = "/dev/shm"
	if syscall.Statfs(shm, &fs) == nil && int64(fs.Bavail)*fs.Bsize > 6*gibibyte.Bytes {
		if dir, err = os.MkdirTemp(shm, "ingot-bench-"); err == nil {
			return dir, "tmpfs", nil
		}
	}
	dir, err = os.MkdirTemp(b.dir, "copies-")
	return dir, "the disk", err
}

// source copies the closure to a folder, and makes a store of it that Nix knows.
func (b *bench) source(dir string) error {
	if err := sh(`cp -a "$1/root" "$1/registration" "$2"`, b.dir, dir); err != nil {
		return err
	}
	return loadDatabase(filepath.Join(dir, "root"), filepath.Join(dir, "registration"))
}

// copy brings the closure into a fresh root, in memory and on the disk.
func (b *bench) copy() error {
	dir, what, err := b.memoryDir()
	if err != nil {
		return err
	}
	defer remove(dir)
	if err := b.source(dir); err != nil {
		return err
	}
	from, to := filepath.Join(dir, "root"), filepath.Join(dir, "to")
	copying := func(from, to, registration string, more ...string) []string {
		return append([]string{b.ingot, "register", "-q", "--root", to, "--registration", registration,
			"--from", filepath.Join(from, storeDir), "--copy"}, more...)
	}
	registration, export := filepath.Join(dir, "registration"), `nix-store --store "$1" --export $(nix-store --store "$1" --dump-db | grep ^/nix/store/ | sort -u) | nix-store --store "$2" --import`
	clear := func() error { return remove(to) }
	results, err := race(b.runs, []contestant{
		{name: "ingot register --copy", before: clear, output: to, args: copying(from, to, registration)},
		{name: "nix copy", aim: 3, before: clear, output: to, args: nix("nix", "--extra-experimental-features", "nix-command",
			"copy", "--all", "--no-check-sigs", "--from", "local?root="+from, "--to", "local?root="+to)},
		{name: "nix-store --export | --import", aim: 4, before: clear, output: to, args: nix("NIX_CONFIG=build-users-group =\nrequire-sigs = false", "sh", "-c", export, "sh", "local?root="+from, "local?root="+to)},
		{name: "cp -a", aim: 1, before: clear, output: to, args: []string{"cp", "-a", from, to}},
		{name: "ingot register --copy --no-deduplicate", before: clear, output: to, args: copying(from, to, registration, "--no-deduplicate")},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, fmt.Sprintf("copy: a closure of 1 GiB (%d paths) into a fresh root on %s, registered", gibibyte.Paths, what), results)

	from, to, registration = filepath.Join(b.dir, "root"), filepath.Join(b.dir, "to"), filepath.Join(b.dir, "registration")
	if results, err = race(b.runs, []contestant{
		{name: "ingot register --copy --no-sync", before: clear, output: to, args: copying(from, to, registration, "--no-sync")},
		{name: "cp -a", aim: 1 / 1.1, before: clear, output: to, args: []string{"cp", "-a", from, to}},
	}); err != nil {
		return err
	}
	table(os.Stdout, "copy: the same on the disk, which nobody waits for", results)
	if results, err = race(b.runs, []contestant{
		{name: "ingot register --copy", before: clear, output: to, args: copying(from, to, registration)},
		{name: "cp -a, sync -f", aim: 1 / 1.1, before: clear, output: to, args: []string{"sh", "-ec", `cp -a "$1" "$2"; sync -f "$2"`, "sh", from, to}},
	}); err != nil {
		return err
	}
	table(os.Stdout, "copy: the same on the disk; both wait until the file system is on it", results)
	return nil
}

// dedupe shares the files of the closure that are alike. Both find each file once.
func (b *bench) dedupe() error {
	dir, what, err := b.memoryDir()
	if err != nil {
		return err
	}
	defer remove(dir)
	if err := b.source(dir); err != nil {
		return err
	}
	from, to := filepath.Join(dir, "root"), filepath.Join(dir, "to")
	fresh := func() error {
		if err := remove(to); err != nil {
			return err
		}
		return sh(`cp -a "$1" "$2"`, from, to)
	}
	results, err := race(b.runs, []contestant{
		{name: "ingot register", before: fresh, args: []string{b.ingot, "register", "-q", "--root", to, "--registration", filepath.Join(dir, "registration")}},
		{name: "nix-store --optimise", aim: 3, before: fresh, args: nix("nix-store", "--store", to, "--optimise")},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, "dedupe: files of the closure that are alike become one, on "+what+"; ingot looks at all metadata as well", results)
	return nil
}
