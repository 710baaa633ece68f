package main

import (
	"errors"
	"strings"
	"testing"

	"ingot/vm/run"
)

// TestOptionErrors: an error about each option of a machine names the flag of run that asks
// for it, or else the variable.
func TestOptionErrors(t *testing.T) {
	usesFiles(t)
	c := newRun()
	for o := run.Option(0); o.String() != ""; o++ {
		by, ok := optionFlags[o]
		if !ok || by.flag == "" && by.variable == "" || by.flag != "" && c.Flags().Lookup(by.flag) == nil {
			t.Errorf("%s: optionFlags has %+v; want a flag of run, or a variable", o, by)
		}
	}
	for line, want := range map[string]string{
		"run x.img --boot x":                     "ingot: run: --boot x: must be kernel, bios or uefi\n",
		"run x.img --graphics x":                 "ingot: run: --graphics x: must be window, vnc or none\n",
		"run x.img --forward abc":                "ingot: run: --forward abc: there is only one port; it is written ",
		"run x.img --share abc:":                 "ingot: run: --share abc:: it is written ",
		"run x.img --share ..:abc":               "ingot: run: --share ..:abc: it is written ",
		"run x.img --empty-disk 1M:xfs":          `ingot: run: --empty-disk 1M:xfs: file system "xfs"`,
		"test data.yaml --boot x":                "ingot: test: --boot x: must be kernel, bios or uefi\n",
		"run disk.img --boot kernel":             "ingot: run: --boot kernel: disk.img is an image",
		"run disk.img --overlay x.vmdk":          "ingot: run: --overlay x.vmdk: it is a qcow2",
		"run disk.img --ssh --boot bios":         "ingot: run: --ssh is for recipes",
		"run disk.img --boot bios --efi-vars v":  "ingot: run: --efi-vars v: needs boot mode uefi",
		"run disk.img --secure-boot --boot bios": "ingot: run: --secure-boot: needs boot mode uefi",
	} {
		status, _, errout := ingot(append(strings.Fields(line), "--accel=tcg")...)
		if status != exitUsage || !strings.HasPrefix(errout, want) {
			t.Errorf("%s: status %d: %s; want %q", line, status, errout, want)
		}
	}
	t.Setenv("NIX_DISK_IMAGE", "x.vmdk")
	if _, _, errout := ingot("run", "disk.img"); !strings.HasPrefix(errout, "ingot: run: NIX_DISK_IMAGE x.vmdk: ") {
		t.Errorf("NIX_DISK_IMAGE: %s", errout)
	}
	if err := errors.New("x"); optionError(c, err) != err {
		t.Error("an error about something else changes")
	}
}

// TestTimes: a flag shows a time as it is written, and takes 0, which is not an empty value.
func TestTimes(t *testing.T) {
	for text, want := range map[string]string{"0": "0", "0s": "0", "10s": "10s", "30s": "30s", "60s": "1m", "100ms": "100ms", "90s": "1m30s", "1h": "1h0m"} {
		c := newStop()
		if err := c.ParseFlags([]string{"--grace", text}); err != nil || c.Flag("grace").Value.String() != want {
			t.Errorf("--grace %s is %s, %v; want %s", text, c.Flag("grace").Value, err, want)
		}
		if err := emptyFlag(c); err != nil {
			t.Errorf("--grace %s: %v", text, err)
		}
	}
}
