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
	places := f.places()
	for _, at := range places {
		if err := f.mount(ctx, at); err != nil {
			return fmt.Errorf("partition %s, to be mounted at %s: %w", f.Recipe.Disk.Partitions[f.Recipe.PartitionAt(at)].Name, at, err)
		}
	}
	for i := range f.Recipe.Steps {
		if err := f.step(ctx, i); err != nil {
			return err
		}
	}
	for _, at := range slices.Backward(places) {
		if err := f.do(ctx, "umount", path.Join(stepRoot, at)); err != nil {
			return fmt.Errorf("after the steps: %w: has a step left something that runs there?", err)
		}
	}
	return nil
}

// places returns where partitions are mounted, each after what it lies in.
func (f *finisher) places() []string {
	var places []string
	for i := range f.Recipe.Disk.Partitions {
		if at := f.Recipe.MountOf(i); at != "" {
			places = append(places, at)
		}
	}
	slices.Sort(places)
	return places
}

func (f *finisher) mount(ctx context.Context, at string) error {
	i := f.Recipe.PartitionAt(at)
	part := &f.Recipe.Disk.Partitions[i]
	kind, options := part.Kind(), "noatime"
	if kind.ReadOnly {
		options = "ro"
	}
	if err := f.do(ctx, "mkdir", "-p", path.Join(stepRoot, at)); err != nil {
		return err
	}
	return f.do(ctx, "mount", "-t", kind.MountType(), "-o", options, f.device(i), path.Join(stepRoot, at))
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
