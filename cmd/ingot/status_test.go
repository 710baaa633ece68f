package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestStatuses makes the same mistake with each verb: the exit status tells whether the command
// line, the recipe or the host is what is wrong.
func TestStatuses(t *testing.T) {
	usesFiles(t)
	for name, text := range map[string]string{
		"wrong.yaml": "name: a\ndisc: 1\n", "wronglab.yaml": "machines: {web: {recipee: x}}\ntests: []\n", "wrongnet.yaml": "machines: {web: {recipee: x}}\n",
		"small.yaml": strings.Replace(dataDisk, "size: 2MiB", "size: 1MiB, inodes: 100000", 1), "wronggraph": "/nix/store/x\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		status int
		lines  []string
	}{
		{exitUsage, []string{
			"plan", "build", "convert", "convert data.yaml", "serve", "verify data.yaml", "verify --digest", "recipes a b", "recipes none", "recipes --schema a", "digest x", "schema", "verify-signatures x", "build data.yaml --dry-run",
			"register", "register --root r", "closure", "closure why", "check", "check --root r disk.img", "cache serve", "run", "run a b", "shell", "ps a", "stop", "exec", "network", "network link a", "network status a", "test", "version a",
			"nonesuch", "network nonesuch a b",
			"build data.yaml --set nonesuch=1", "convert data.yaml -o x.img --set nonesuch=1", "serve data.yaml --set nonesuch=1", "verify data.yaml disk.img --set nonesuch=1", "plan data.yaml --set nonesuch=1",
			"run data.yaml --set nonesuch=1", "test data.yaml --set nonesuch=1", "exec --recipe data.yaml --set nonesuch=1 true", "network net.yaml --dry-run --set nonesuch=1", "test lab.yaml --set nonesuch=1",
			"plan data.yaml --set nonesuch", "exec --recipe data.yaml --set nonesuch true",
			"build data.yaml --format nonesuch", "plan data.yaml --format nonesuch", "serve data.yaml --format nonesuch", "verify data.yaml disk.img --format nonesuch", "run data.yaml --format nonesuch", "test data.yaml --format nonesuch",
			"convert data.yaml -o x.img --format nonesuch", "closure graph --format nonesuch", "closure graph --sort nonesuch", "closure graph --flavour nonesuch", "check --root root --flavour nonesuch",
			"build data.yaml --ssh-key ssh-nonesuch", "run data.yaml --boot kernel", "run disk.img --boot kernel", "run disk.img --disk-size 1K", "run disk.img --disk-size 0", "run disk.img --name /",
			"run disk.img --memory x", "run disk.img --memory 0", "run disk.img --cpus two", "run disk.img --cpus 256", "run disk.img --number 0 --vlan 1=x", "run disk.img --empty-disk 0", "run disk.img --efi-vars v --boot bios",
			"exec --memory x true", "exec --memory 0 true", "exec --cpus two true", "exec --arch x true", "exec --new-disk x:1B true", "test data.yaml --memory x", "test data.yaml --memory 0", "test data.yaml --boot x",
			"closure graph --top x", "plan data.yaml --top x", "cache serve root --uploads x", "cache serve root --max-upload x", "stop --grace x a", "convert disk.img -o x.qcow2 --compress --level 23",
		}},
		{exitRecipe, []string{
			"plan wrong.yaml", "build wrong.yaml -o x.img", "convert wrong.yaml -o x.img", "serve wrong.yaml", "verify wrong.yaml disk.img", "run wrong.yaml", "test wrong.yaml",
			"network wrongnet.yaml --dry-run", "test wronglab.yaml", "build data.yaml -q -o x.img --test", "test data.yaml",
		}},
		{exitSpace, []string{"plan small.yaml", "build small.yaml -o x.img", "convert small.yaml -o x.img", "serve small.yaml", "verify small.yaml disk.img", "run small.yaml"}},
		{exitFailed, []string{
			"plan no/such.yaml", "build no/such.yaml -o x.img", "convert no/such.yaml -o x.img", "serve no/such.yaml", "verify no/such.yaml disk.img", "verify data.yaml no/such", "verify --digest no/such", "run no/such",
			"test no/such", "network no/such", "closure no/such", "closure wronggraph", "closure why a --graph no/such", "register --root r no/such", "verify no/such --trust no/such",
			"build data.yaml -o no/such", "convert data.yaml -o no/such --format raw", "shell nonesuch", "stop nonesuch", "network status", "network link a b down",
		}},
		{exitTrouble, []string{"check no/such", "check --root no/such"}},
		{execFailed, []string{"exec --kernel no/such true", "exec --recipe no/such.yaml true", "exec --recipe wrong.yaml true", "exec --disk no/such true", "exec --output no/such true"}},
	} {
		for _, line := range x.lines {
			if status, out, errout := ingot(strings.Fields(line)...); status != x.status || out != "" || !strings.HasPrefix(errout, "ingot: ") {
				t.Errorf("%s: status %d\n%s%s; want %d", line, status, out, errout, x.status)
			}
		}
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return strings.HasPrefix(e.Name(), "x") || e.Name() == "r" || e.Name() == "v"
	}) {
		t.Errorf("something was left: %v", entries)
	}
	for verb, c := range verbs() {
		if !c.Runnable() {
			continue
		}
		for _, flag := range []string{"--nonesuch", "--nonesuch=1"} {
			if status, _, errout := ingot(append(strings.Fields(verb), flag)...); status != exitUsage || !strings.Contains(errout, "\nhint: ") {
				t.Errorf("%s %s: status %d: %s; want %d", verb, flag, status, errout, exitUsage)
			}
		}
	}
}

// TestValues: what a flag does not take is refused with what it takes.
func TestValues(t *testing.T) {
	for line, want := range map[string]string{
		"exec --cpus two true":              `"two" for "--cpus" flag: must be a whole number from 1 to 255`,
		"run x.img --cpus 0":                `"0" for "--cpus" flag: must be a whole number from 1 to 255`,
		"run x.img --cpus 256":              `must be a whole number from 1 to 255`,
		"run x.img --cpus 4294967297":       `must be a whole number from 1 to 255`,
		"run x.img --memory lots":           `run: --memory "lots": size "lots" does not start with a number: write one such as 64MiB; it is a number of MiB, or one with a unit, such as 512, 512M or 2G`,
		"exec --memory lots true":           `exec: --memory "lots": size "lots" does not`,
		"run x.img --memory 31":             `run: --memory "31": a machine needs at least 32 MiB; it is a number of MiB`,
		"exec --memory 1M true":             `exec: --memory "1M": a machine needs at least 32 MiB`,
		"stop web --all":                    `stop: give either names of machines or --all`,
		"test x.yaml --memory 0":            `test: --memory "0": a machine needs some; it is a number of MiB`,
		"run x.img --vlan 1 --number 255":   `must be a whole number from 1 to 254`,
		"plan x.yaml --top many":            `must be a whole number, 0 or more`,
		"exec -o x --output-files 0 true":   `must be a whole number, 1 or more`,
		"run x.img --empty-disk 0":          `run: --empty-disk 0: the size is 0 bytes; that of a disk is a multiple of 512 bytes, and not 0`,
		"run x.img --empty-disk 1001B":      `the size is 1001 bytes`,
		"run x.img --disk-size 0":           `run: --disk-size 0: must be more than 0`,
		"run x.img --disk-size x":           `run: --disk-size x: size "x" does not start with a number`,
		"run x.img --name a/b":              `run: --name "a/b": it takes letters, digits and ._-, at most 48 of them, and does not begin with a mark` + "\n",
		"run x.img --arch vax":              `run: --arch: architecture "vax" is unknown; there are x86_64, `,
		"register --strip -1 --unpack x r":  `must be a whole number, 1 or more`,
		"convert a -o b.qcow2 --level zero": `must be a whole number from 1 to 22`,
	} {
		if status, _, errout := ingot(strings.Fields(line)...); status != exitUsage || !strings.Contains(errout, want) {
			t.Errorf("%s: status %d: %s; want %d and %s", line, status, errout, exitUsage, want)
		}
	}
}
