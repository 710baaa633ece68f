package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/image/diskfile"
	"ingot/lab"
	"ingot/vm/run"
)

// saveScript leaves what the models' builds do: bin/run-NAME-vm, which starts the
// machine, and system, which leads to the system that it runs.
func saveScript(c *cobra.Command, folder, what string, s *run.System, o *run.Options) error {
	name := o.Name
	if name == "" {
		name = s.Name
	}
	if err := run.CheckName(name); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	words := []string{program, "run"}
	if what != "" {
		words = append(words, absolute(what))
	}
	words = append(words, flagWords(c)...)
	rest := append([]string{"--"}, o.QEMUArgs[len(o.QEMUArgs)-qemuWords(c):]...)
	path, err := lab.SaveScript(folder, name, append(words, rest...), s.Toplevel)
	if err != nil {
		return fmt.Errorf("--save: %w", err)
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), path)
	return err
}

// qemuWords is how many words stood behind --.
func qemuWords(c *cobra.Command) int {
	if i := c.ArgsLenAtDash(); i >= 0 {
		return c.Flags().NArg() - i
	}
	return 0
}

// fileFlags are those whose value is a path.
var fileFlags = []string{"kernel", "vm-kernel", "graph", "registration", "path-info", "store-root", "from", "disk", "overlay", "efi-vars", "tpm-state"}

// flagWords writes the flags that were given, so that they mean the same in any folder.
func flagWords(c *cobra.Command) []string {
	var words []string
	c.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			switch {
			case f.Name == "save" || f.Name == "dry-run":
				continue
			case slices.Contains(fileFlags, f.Name) && v != "-":
				v = here(v)
			case f.Name == "firmware":
				code, vars, both := strings.Cut(v, ",")
				if v = here(code); both {
					v += "," + here(vars)
				}
			case f.Name == "share":
				if tag, dir, ok := strings.Cut(v, ":"); ok && !strings.Contains(tag, "/") {
					v = tag + ":" + here(dir)
				} else {
					v = here(v)
				}
			case f.Name == "add" || f.Name == "unpack":
				name, path := splitAddition(v)
				v = name + "=" + here(path)
			case f.Name == "vlan":
				if number, socket, ok := strings.Cut(v, "="); ok {
					v = number + "=" + here(socket)
				}
			case f.Name == "cache" && !strings.Contains(v, "://"), f.Name == "key":
				if _, err := os.Stat(v); err == nil { // and not a key itself
					v = here(v)
				}
			}
			words = append(words, "--"+f.Name+"="+v)
		}
	})
	return words
}

// absolute makes a path of what is there; other names, such as that of a recipe that
// ships, stay.
func absolute(name string) string {
	disk, err := diskfile.Parse(name)
	if err != nil {
		return name
	}
	if _, err := os.Stat(disk.Path); err != nil && !strings.ContainsRune(name, '/') {
		return name
	}
	disk.Path = here(disk.Path)
	return disk.String()
}

// here makes a path absolute.
func here(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil { // of a folder that is gone
		return name
	}
	return abs
}
