package plan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/recipes"
	"ingot/storedb"
)

// makeSystem makes the items of the recipe's system.
func makeSystem(ctx context.Context, r *recipes.Recipe, f storedb.Flavour, h Host, known [][]*storedb.Item) (*made, error) {
	k, err := findKernel(r, h)
	if err != nil {
		return nil, err
	}
	file := cmp.Or(r.System.Program.Host, h.Program)
	if err := checkProgram(r, file); err != nil {
		return nil, err
	}
	program, err := image.NewHostFile(file)
	if err != nil {
		return nil, err
	}
	m := &made{release: k.Release, hostname: cmp.Or(r.System.Hostname, r.Name), postBoot: r.System.Hooks.PostBoot}
	if err := initramfs.CheckProgram(file); err != nil { // planning goes well without
		m.warnings = append(m.warnings, err.Error())
	}
	kernelNode, err := kernelItem(k)
	if err != nil {
		return nil, err
	}
	initrd, err := makeInitrd(r, h, k, program)
	if err != nil {
		return nil, err
	}
	if m.kernel, err = m.add(f, "linux-"+k.Release, kernelNode); err != nil {
		return nil, err
	}
	if m.program, err = m.add(f, "ingot-"+recipes.Version, programItem(program)); err != nil {
		return nil, err
	}
	ramdisk, err := m.add(f, "initrd-"+k.Release, initrd)
	if err != nil {
		return nil, err
	}
	m.bin = m.program + "/bin"
	sw, err := makeTools(ctx, r, f, h, m, known)
	if err != nil {
		return nil, err
	}
	m.goOnline(r.System)
	return m, m.join(f, r.Name+"-system", ramdisk, sw)
}

// findKernel finds the system's kernel, in the folder that the recipe or the host names.
func findKernel(r *recipes.Recipe, h Host) (*kernel.Kernel, error) {
	dir := r.System.Kernel.Host
	if r.System.Kernel.Text == "host" {
		dir = cmp.Or(h.Kernel, "/")
	}
	k, err := kernel.Find(dir)
	if err != nil {
		return nil, &PartError{"system.kernel", fmt.Errorf("kernel: %w; name the folder with system.kernel", err)}
	}
	return k, checkKernel(r, k)
}

// makeInitrd makes the system's initial RAM disk, with what unlocks its disks and with the
// hook that runs in it.
func makeInitrd(r *recipes.Recipe, h Host, k *kernel.Kernel, program *image.File) (*image.Node, error) {
	modules, files, err := unlocks(r, h, k)
	if err != nil {
		return nil, err
	}
	if err := addPreMount(r.System.Hooks.PreMount, files); err != nil {
		return nil, err
	}
	archive, err := initramfs.Build(initramfs.Options{Init: program, Kernel: k, Load: slices.Concat(r.System.Modules, modules), Files: files})
	if err != nil {
		return nil, err
	}
	return image.NewFile(0o444, archive), nil
}

// join makes the item that the others are a system by.
func (m *made) join(f storedb.Flavour, name, ramdisk, sw string) (err error) {
	top := image.NewTree()
	for name, n := range map[string]*image.Node{
		"kernel":         image.NewSymlink(m.kernel + "/vmlinuz"),
		"kernel-modules": image.NewSymlink(m.kernel),
		"initrd":         image.NewSymlink(ramdisk),
		"init":           image.NewSymlink(m.program + "/bin/init"),
		"sw":             image.NewSymlink(sw),
		"kernel-params":  image.NewFile(0o444, image.Bytes(strings.Join(m.words, " "))),
	} {
		if err := top.Put("/"+name, n); err != nil {
			return err
		}
	}
	m.toplevel, err = m.add(f, name, top.Root, references(m.kernel, ramdisk, m.program, sw)...)
	return err
}

// kernelItem is the kernel's image and its modules in the layout that is looked for
// at /lib/modules.
func kernelItem(k *kernel.Kernel) (*image.Node, error) {
	t := image.NewTree()
	if err := t.Put("/vmlinuz", image.NewFile(0o444, k.Image)); err != nil || k.ModulesDir == "" {
		return t.Root, err
	}
	modules, err := image.Scan(k.ModulesDir, image.ScanOptions{Canonical: true})
	if err != nil {
		return nil, err
	}
	for _, link := range []string{"build", "source"} { // they lead to where the kernel was built
		modules.Remove(link)
	}
	if err := addAliases(k, modules); err != nil {
		return nil, err
	}
	return t.Root, t.Put("/lib/modules/"+k.Release, modules)
}

// addAliases adds what depmod would have found out, and what an unpacked package lacks:
// which module serves which device. Without it a system reads all modules as it starts.
func addAliases(k *kernel.Kernel, modules *image.Node) error {
	const name = "modules.alias"
	if modules.Child(name) != nil {
		return nil
	}
	all, err := k.Modules()
	if err != nil {
		return err
	}
	aliases, err := k.Aliases(all)
	if err != nil {
		return err
	}
	return modules.Add(name, image.NewFile(0o444, image.Bytes(aliases)))
}

// programItem is ingot under its own name and those of all its commands.
func programItem(program *image.File) *image.Node {
	bin := image.NewDir(0o755)
	for _, name := range programNames() {
		if bin.Child(name) == nil && name != "ingot" {
			bin.Add(name, image.NewSymlink("ingot"))
		}
	}
	bin.Add("ingot", image.NewFile(0o555, program))
	top := image.NewDir(0o755)
	top.Add("bin", bin)
	return top
}

// furnish adds to a root what a system of ingot's own expects outside of the store,
// where the recipe has not put something else.
func (m *made) furnish(t *image.Tree) error {
	links := map[string]string{
		"/bin": m.bin, "/sbin": m.bin, "/usr/bin": m.bin,
		"/lib/modules": m.kernel + "/lib/modules",
	}
	m.linkTools(links)
	if err := m.furnishTools(t); err != nil {
		return err
	}
	if err := m.furnishHook(t); err != nil {
		return err
	}
	missing := map[string]*image.Node{}
	for name, target := range links {
		missing[name] = image.NewSymlink(target)
	}
	for name, text := range map[string]string{
		"/etc/hostname": m.hostname + "\n",
		"/etc/passwd":   "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"/etc/group":    "root:x:0:\nnogroup:x:65534:\n",
		"/etc/os-release": strings.Join([]string{
			"ID=ingot", "NAME=ingot", "VERSION_ID=" + recipes.Version, `PRETTY_NAME="ingot ` + recipes.Version + `"`, "",
		}, "\n"),
	} {
		missing[name] = image.NewFile(0o644, image.Bytes(text))
	}
	for name, n := range missing {
		if t.Lookup(name) == nil {
			if _, err := put(t, "/", name, n); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"/dev", "/proc", "/sys", "/run", "/mnt", "/tmp", "/var/tmp", "/root", "/home"} {
		switch old := t.Lookup(name); {
		case old == nil:
			if _, err := put(t, "/", name, standardDir(name)); err != nil {
				return err
			}
		case !old.IsDir():
			return fmt.Errorf("%s: is %s, not a directory", name, image.Kind(old.Mode))
		}
	}
	return nil
}
