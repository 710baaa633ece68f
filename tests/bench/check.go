package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nixEnvironment keeps real Nix from looking at the machine's own.
var nixEnvironment = []string{"env", "NIX_CONFIG=build-users-group =", "NIX_CONF_DIR=/nonexistent", "nix-store", "--store"}

// loadDatabase makes a root a store of real Nix with what a registration says.
func loadDatabase(root, registration string) error {
	f, err := os.Open(registration)
	if err != nil {
		return err
	}
	defer f.Close()
	args := append(nixEnvironment[:len(nixEnvironment):len(nixEnvironment)], root, "--load-db")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = f
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// check holds the closure against a database that real Nix made.
func (b *bench) check() error {
	root := filepath.Join(b.dir, "root")
	defer os.RemoveAll(filepath.Join(root, "nix", "var"))
	if err := loadDatabase(root, filepath.Join(b.dir, "registration")); err != nil {
		return err
	}
	// The closure is as its maker left it; check minds the times of symlinks.
	if out, err := exec.Command("find", root, "-type", "l", "-exec", "touch", "-h", "-d", "@1", "{}", "+").CombinedOutput(); err != nil {
		return fmt.Errorf("touch: %w\n%s", err, out)
	}
	if err := warm(b.dir); err != nil {
		return err
	}
	nix := append(nixEnvironment[:len(nixEnvironment):len(nixEnvironment)], root, "--verify", "--check-contents")
	results, err := race(b.runs, []contestant{
		{name: "ingot check", args: []string{b.ingot, "check", "-q", "--root", root}},
		{name: "nix-store --verify --check-contents", aim: 1, args: nix},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, fmt.Sprintf("check: the store of %d paths held against its database", gibibyte.Paths), results)
	return nil
}

// live reads a closure of many paths from the database of a store.
func (b *bench) live() error {
	registration, root := filepath.Join(b.dir, "many"), filepath.Join(b.dir, "live")
	defer os.Remove(registration)
	defer os.RemoveAll(root)
	if err := b.command("work", "many", registration); err != nil {
		return err
	}
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	if err := loadDatabase(root, registration); err != nil {
		return err
	}
	db := filepath.Join(root, "nix", "var", "nix", "db", "db.sqlite")
	results, err := race(b.runs, []contestant{
		{name: "ingot", args: []string{b.self, "work", "live", db}},
		{name: "sqlite3", aim: 0.5, output: filepath.Join(b.dir, "rows"), args: []string{"sh", "-c",
			`sqlite3 "$1" "select * from ValidPaths; select * from Refs;" > "$2"`, "sh", db, filepath.Join(b.dir, "rows")}},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, fmt.Sprintf("live: a closure of %d paths read from the database of a store", registered), results)
	return nil
}
