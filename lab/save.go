package lab

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"ingot/image"
	"ingot/internal/shellwords"
)

// SaveScript writes into a folder what Nix and Guix build: bin/run-NAME-vm, which runs a
// command with the arguments of its own behind it, and system, which leads to the system that
// it runs, if there is one. The script is for its owner alone. It returns the script's path.
func SaveScript(folder, name string, command []string, system string) (string, error) {
	bin := filepath.Join(folder, "bin")
	for _, dir := range []string{folder, bin} { // into which no other user may put files
		if err := image.CheckFolder(dir); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(bin, "run-"+name+"-vm")
	// Values of variables, words for QEMU and others can be secrets. An output keeps the
	// permissions of the file that it replaces, so that those are narrowed first.
	target, err := image.Target(path)
	if err != nil {
		return "", err
	}
	if err := os.Chmod(target, 0o700); err != nil && !os.IsNotExist(err) {
		return "", err
	}
	err = image.WriteText(path, true, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "#!/bin/sh\nexec %s \"$@\"\n", shellwords.Quote(command))
		return err
	})
	if err != nil || system == "" {
		return path, err
	}
	link := filepath.Join(folder, "system")
	if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
		return "", err
	}
	return path, os.Symlink(system, link)
}
