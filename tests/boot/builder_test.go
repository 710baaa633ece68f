package boot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/nixlib"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
)

// made is a derivation with a dependency in its output and one that it reads; %s are its
// name and the folder with busybox.
const made = `let
  tools = builtins.path { name = "tools"; path = %[2]s; };
in derivation {
  name = %[1]q;
  system = builtins.currentSystem;
  builder = tools + "/bin/sh";
  PATH = tools + "/bin";
  input = builtins.toFile "input" "a line to be counted\nand another\n";
  args = [ "-c" ''
    mkdir $out
    wc -l < $input > $out/lines
    ln -s $input $out/input
    grep MemTotal /proc/meminfo > $out/memory
  '' ];
}
`

// TestRemoteBuild has the Nix of this machine, as an ordinary user who may build nothing
// here, build in the machine that ships as builder, over both of Nix's protocols: what a
// build needs is sent, and what it made comes back. The machine runs hooks as it starts.
func TestRemoteBuild(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "ssh", "openssh-client")
	nixBuild, nix := fstest.Judge(t, "nix-build", "nix-bin"), fstest.Judge(t, "nix", "nix-bin")
	u, dir := newUser(t), t.TempDir()
	must(t, nixtest.Tools(fstest.Judge(t, "busybox", "busybox-static"), mkdir(t, dir, "tools/bin")))
	u.runs("ingot: ready on ttyS0", "run", "builder", "--set", "system.kernel="+testenv.Kernel(t), "--name", "builder", "--network=restricted", "--ssh", "--memory", "1000",
		"--set", "system.hooks.pre-mount=ls /etc/initrd-release > /run/hooks", "--set", "system.hooks.post-boot=mount -o remount,size=64M /run; grep ' /run ' /proc/mounts >> /run/hooks")
	machine := u.entry("builder")
	variables, arguments, ok := strings.Cut(machine.Build, " nix-build ")
	if !ok {
		t.Fatalf("ps --json tells %q of how Nix builds there", machine.Build)
	}
	client := filepath.Join(dir, "client")
	t.Cleanup(func() { fstest.Run(t, "chmod", "-R", "u+w", dir) })

	for _, x := range []struct{ name, protocol string }{{"once", "ssh://"}, {"again", "ssh-ng://"}} {
		expression := filepath.Join(dir, x.name+".nix")
		must(t, os.WriteFile(expression, fmt.Appendf(nil, made, x.name, filepath.Join(dir, "tools")), 0o644))
		arguments := strings.Replace(arguments, "ssh://", x.protocol, 1)
		// As a person types it, in a shell.
		line := fmt.Sprintf("%s exec %s %s --store %s --no-out-link %s", variables, nixBuild, arguments, client, expression)
		cmd := nixtest.Command("sh", "-c", line)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, stderrOf(err))
		}
		result := strings.TrimSpace(string(out))
		for name, want := range map[string]string{"lines": "2\n", "memory": "MemTotal:"} {
			got, err := os.ReadFile(filepath.Join(client, result, name))
			if err != nil || !strings.HasPrefix(string(got), want) {
				t.Errorf("%s/%s holds %q, %v; want %q", result, name, got, err, want)
			}
			if here, _ := os.ReadFile("/proc/meminfo"); name == "memory" && strings.HasPrefix(string(here), string(got)) {
				t.Errorf("it was built in a machine with this one's memory: %s", got)
			}
		}
		if references := nixtest.NixStore(t, client, "--query", "--references", result); !strings.HasSuffix(references, "-input\n") || strings.Count(references, "\n") != 1 {
			t.Errorf("%s refers to %q; want the input alone", result, references)
		}
		nixtest.NixStore(t, client, "--verify-path", result)
		inside, errout, status := u.types("", "shell", "builder", "--", "nix-store", "--query", "--references", result)
		if status != 0 || !strings.HasSuffix(inside, "-input\n") {
			t.Errorf("in the machine, %s refers to %q, status %d, %s", result, inside, status, errout)
		}
	}

	if out, errout, _ := u.types("", "shell", "builder", "--", "cat", "/run/hooks"); !strings.HasPrefix(out, "/etc/initrd-release\ntmpfs /run ") || !strings.Contains(out, "size=65536k") {
		t.Errorf("the recipe's hooks left %q, %s; want a line of each", out, errout)
	}

	// An image is a derivation like any other: what it is made of goes there, and ingot builds it.
	// Built here once more, it is the same.
	images := nixlib.Expressions(t)
	build := func(args string, attribute string) string {
		line := fmt.Sprintf("%s exec %s %s --store %s --no-out-link %s -A %s", variables, nixBuild, args, images, filepath.Join(images, "images.nix"), attribute)
		out, err := nixtest.Command("sh", "-c", line).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, stderrOf(err))
		}
		return filepath.Join(images, strings.TrimSpace(string(out)))
	}
	build("", "inputs")
	image := build(strings.Replace(arguments, "ssh://", "ssh-ng://", 1), "qcow2")
	fstest.Run(t, fstest.Judge(t, "qemu-img", "qemu-utils"), "check", filepath.Join(image, "web.qcow2"))
	if out, errout, status := u.types("", "shell", "builder", "--", "ls", "-A", strings.TrimPrefix(image, images)); status != 0 || !strings.Contains(out, "web.qcow2\n") {
		t.Errorf("the image in the machine: status %d, %s%s", status, out, errout)
	}
	build("--check", "qcow2")

	// And whole closures, copied there by hand.
	c := nixtest.System(t)
	variable, value, _ := strings.Cut(variables, "=")
	key := strings.Fields(machine.SSH)[2]
	copying := nixtest.Command(nix, "copy", "--store", c.Copy(t), "--to", "ssh-ng://root@127.0.0.1?ssh-key="+key, c.Path("busybox-static"))
	copying.Env = append(copying.Env, variable+"="+strings.Trim(value, "'"))
	if out, err := copying.CombinedOutput(); err != nil {
		t.Errorf("nix copy: %v\n%s", err, out)
	}
	if out, errout, status := u.types("", "shell", "builder", "--", "nix-store", "--verify-path", c.Path("busybox-static")); status != 0 {
		t.Errorf("what was copied there: status %d, %s%s", status, out, errout)
	}
}

func mkdir(t *testing.T, parts ...string) string {
	t.Helper()
	dir := filepath.Join(parts...)
	must(t, os.MkdirAll(dir, 0o755))
	return dir
}

// stderrOf returns what a command that failed has printed as errors.
func stderrOf(err error) string {
	if exit, ok := err.(*exec.ExitError); ok {
		return string(exit.Stderr)
	}
	return ""
}
