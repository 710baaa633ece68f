package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ingot/image"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// kexecRecipe is that of a small system; %s are its name, its kernel and its tools.
const kexecRecipe = `name: %s
system: {kernel: %q, tools: [%s]}
disk: {partitions: [{name: root, filesystem: ext4, contents: {store: true}}]}
bootloader: {console: [ttyS0], arguments: [` + words + `]}
output: kexec
`

// kexecTree builds a folder for kexec.
func kexecTree(t *testing.T, name, tools string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), name)
	r, err := recipes.Parse("test.yaml", ".", fmt.Appendf(nil, kexecRecipe, name, testenv.Kernel(t), tools), nil)
	must(t, err)
	p, err := plan.New(t.Context(), r, plan.Host{Program: program(t), Path: filepath.SplitList(os.Getenv("PATH"))})
	must(t, err)
	defer p.Close()
	_, err = p.Emit(t.Context(), dir, plan.EmitOptions{})
	must(t, err)
	return dir
}

// TestKexec boots a system from the kernel and the one initial RAM disk of a folder, and has it
// start another one by the script of another folder.
func TestKexec(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "mksquashfs", "squashfs-tools")
	fstest.Judge(t, "/sbin/kexec", "kexec-tools")
	first, second := kexecTree(t, "first", "kexec-tools"), kexecTree(t, "second", "")
	kernel, err := image.NewHostFile(filepath.Join(first, "kernel"))
	must(t, err)
	initrd, err := image.NewHostFile(filepath.Join(first, "initrd"))
	must(t, err)
	line, err := os.ReadFile(filepath.Join(first, "command-line"))
	must(t, err)
	disk := ext4Disk(t, "tree.img", "tree", 160, second)
	m, ctx := start(t, vm.Config{Kernel: kernel, Initrd: initrd, Append: string(line[:len(line)-1]), Disks: []vm.Disk{{Path: disk}}, Memory: 1 << 30})
	const ready = `ingot: ready on ttyS0`
	if _, err := m.WaitFor(ctx, ready); err != nil {
		t.Fatal(err)
	}
	answers(t, ctx, m, [][2]string{
		{"hostname", "first"},
		{"mount -o ro /dev/vda /mnt && /mnt/run --help", "usage: run [--load]"},
		{"/mnt/run --load && cat /sys/kernel/kexec_loaded", "1"},
	})
	must(t, m.Send("/mnt/run ingot-test.more=1"))
	if _, err := m.WaitFor(ctx, ready); err != nil {
		t.Fatal(err)
	}
	answers(t, ctx, m, [][2]string{
		{"hostname", "second"},
		{"cat /proc/cmdline", "ingot.live=/root.squashfs"},
		{"cat /proc/cmdline", "ingot-test.more=1"},
		{"test -e /sys/kernel/kexec_loaded && mount", "overlay"},
	})
}
