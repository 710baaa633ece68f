package bootloader

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"ingot/bootloader/kernel"
	"ingot/image"
)

// Kernel returns the kernel that an entry boots, with its modules: those of the system at a
// path, which is empty without one, or those that lie beside the kernel or in the root. It
// has none where all that it needs is built in.
func (look Lookup) Kernel(e Entry, system string) (*kernel.Kernel, error) {
	data, err := look.Data(e.Kernel)
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	places := []string{path.Dir(e.Kernel), "/", "/usr"}
	if system != "" {
		places = append([]string{system + "/kernel-modules", system + "/kernel"}, places...) // NixOS's, Guix's
	}
	for _, place := range places {
		dir := path.Join(place, "lib/modules")
		release, modules, err := look.modules(dir)
		if err != nil {
			return nil, err
		}
		if modules != nil {
			return kernel.InTree(data, e.Kernel, release, path.Join(dir, release), modules), nil
		}
	}
	return kernel.InTree(data, e.Kernel, "", "", image.NewDir(0o755)), nil
}

// modules returns the folder of the one release in a folder of modules, without symlinks;
// nil if there is none.
func (look Lookup) modules(dir string) (release string, of *image.Node, err error) {
	all, err := look.Folder(dir, "build", "source") // which lead to where the kernel was built
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("modules: %w", err)
	}
	var releases []string
	for _, e := range all.Entries() {
		if e.Node.IsDir() {
			releases = append(releases, e.Name)
		}
	}
	switch len(releases) {
	case 0:
		return "", nil, nil
	case 1:
		return releases[0], all.Child(releases[0]), nil
	}
	return "", nil, fmt.Errorf("modules: %s has those of %d kernels, and the system has one: %s", dir, len(releases), strings.Join(releases, ", "))
}
