package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	linux "ingot/bootloader/kernel"
)

// bootRecipe is the disk of the benchmark run: the closure, with a system that ingot
// makes, which says that it is there.
const bootRecipe = `name: bench
system: {kernel: %q, hostname: bench}
store:
  closures:
    - {registration: registration, from: root/nix/store}
disk:
  partitions:
    - {name: root, filesystem: ext4, label: root, size: fit+64MiB, contents: {store: true}}
`

// run is from `ingot run RECIPE` to the guest's first line, emulated, against what
// mke2fs alone takes for the same tree.
func (b *bench) run() error {
	if err := warm(b.dir); err != nil {
		return err
	}
	dir := os.Getenv("INGOT_KERNEL")
	if dir == "" {
		dir = "bin/kernel"
	}
	if _, err := linux.Find(dir); err != nil {
		return fmt.Errorf("%w; tests/setup/debian brings one, or INGOT_KERNEL names it", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	name := filepath.Join(b.dir, "run.yaml")
	if err := os.WriteFile(name, fmt.Appendf(nil, bootRecipe, dir), 0o644); err != nil {
		return err
	}
	out := filepath.Join(b.dir, "mke2fs.img")
	results, err := race(b.runs, []contestant{
		{name: "ingot run, to the first line", args: []string{b.self, "work", "firstline", "1", b.ingot, "run", name, "--network=none", "--accel", "tcg", "--name", "bench"}},
		{name: "ingot run, to the shell", args: []string{b.self, "work", "firstline", "0", b.ingot, "run", name, "--network=none", "--accel", "tcg", "--name", "bench"}},
		{name: "mke2fs -d", aim: 1, output: out, args: []string{
			"mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file", "-N", strconv.Itoa(gibibyte.entries() + 1000),
			"-d", filepath.Join(b.dir, "root"), out, strconv.FormatInt(gibibyte.Bytes>>20*3/2, 10) + "M"}},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, "run: from ingot run of the closure as a disk to its guest's first line, emulated", results)
	return nil
}

// workFirstLine runs a command until a guest says its first line, or, if FIRST is 0,
// that its shell is there: FIRST COMMAND...
func workFirstLine(args []string) error {
	cmd := exec.Command(args[1], args[2:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var words strings.Builder
	cmd.Stderr = &words
	keys, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer keys.Close()
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			_ = cmd.Wait() // why it ended is in its words
			return fmt.Errorf("it ended before the guest spoke: %s", words.String())
		}
		if strings.TrimSpace(line) != "" && (args[0] == "1" || strings.Contains(line, "ingot: ready on")) {
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, lines)
	_ = cmd.Wait() // it was killed
	return nil
}
