package finish

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"ingot/recipes"
	"ingot/vm/session"
)

// steps mounts all that has a place in the root, and does the steps.
func (f *finisher) steps(ctx context.Context) error {
	mounts := f.Recipe.Mounts()
	for _, m := range mounts {
		if err := f.mount(ctx, m); err != nil {
			return fmt.Errorf("partition %s, to be mounted at %s: %w", f.Recipe.Disk.Partitions[m.Partition].Name, m.At, err)
		}
	}
	for i := range f.Recipe.Steps {
		if err := f.step(ctx, i); err != nil {
			return err
		}
	}
	for _, m := range slices.Backward(mounts) {
		if err := f.do(ctx, "umount", path.Join(stepRoot, m.At)); err != nil {
			return fmt.Errorf("after the steps: %w: has a step left something that runs there?", err)
		}
	}
	return nil
}

func (f *finisher) mount(ctx context.Context, m recipes.Mount) error {
	part := &f.Recipe.Disk.Partitions[m.Partition]
	kind, options := part.Kind(), "noatime"
	if kind.ReadOnly {
		options = "ro"
	}
	if m.Subvolume != "" {
		options += ",subvol=" + m.Subvolume
	}
	at := path.Join(stepRoot, m.At)
	if err := f.do(ctx, "mkdir", "-p", at); err != nil {
		return err
	}
	return f.do(ctx, "mount", "-t", kind.MountType(), "-o", options, f.device(m.Partition), at)
}

// system are what programs expect in a root.
var system = []string{"/dev", "/proc", "/sys"}

// step does one step.
func (f *finisher) step(ctx context.Context, i int) error {
	s := &f.Recipe.Steps[i]
	said := newTail(f.known())
	said.to = f.Options.Output
	command := session.Command{Argv: s.Run, Script: f.scripts[i], Dir: stepRoot, Env: f.environment(i), Stdout: said.writer(), Stderr: said.writer()}
	if command.Script != "" && s.In == recipes.InHelper {
		command.Script = "set -e\n" + command.Script
	}
	if s.In == recipes.InRoot {
		if err := f.openRoot(ctx); err != nil {
			return fmt.Errorf("step %q: %w", s.Name, err)
		}
		if command.Script != "" {
			command.Argv, command.Script = []string{"/bin/sh", "-e", "-c", command.Script}, ""
		}
		command.Argv = append([]string{"chroot", stepRoot}, command.Argv...)
	}
	_, err := f.guest.Exec(ctx, command)
	if err = said.explain(fmt.Sprintf("step %q", s.Name), err); err != nil {
		return err
	}
	if s.In == recipes.InRoot {
		return f.closeRoot(ctx)
	}
	return nil
}

// environment are the step's own variables.
func (f *finisher) environment(i int) []string {
	s, env := &f.Recipe.Steps[i], slices.Clone(noUdev)
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		env = append(env, name+"="+s.Env[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		env = append(env, name+"="+f.secrets[fmt.Sprintf("steps[%d].secrets.%s", i, name)])
	}
	return env
}

// openRoot mounts the kernel's file systems in the image's root; the folders stay.
func (f *finisher) openRoot(ctx context.Context) error {
	for _, dir := range system {
		if err := f.do(ctx, "mkdir", "-p", stepRoot+dir); err != nil {
			return err
		}
		if err := f.do(ctx, "mount", "-o", "bind", dir, stepRoot+dir); err != nil {
			return err
		}
	}
	return nil
}

func (f *finisher) closeRoot(ctx context.Context) error {
	for _, dir := range slices.Backward(system) {
		if err := f.do(ctx, "umount", stepRoot+dir); err != nil {
			return err
		}
	}
	return nil
}
