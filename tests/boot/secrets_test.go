package boot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// TestSpecialisationBoots boots the specialisation of the second generation of a system with
// secrets in its initial RAM disk: it is on the kernel's command line, and they are where stage 1
// looks for them.
func TestSpecialisationBoots(t *testing.T) {
	parallel(t)
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	item := func(n int, name string) string { return fmt.Sprintf("%032d-%s", n, name) }
	k, err := kernel.Find(testenv.Kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	linux, err := image.ReadAll(k.Image)
	if err != nil {
		t.Fatal(err)
	}
	initrd, err := nixtest.Initrd(k, fstest.Judge(t, "busybox", "busybox-static"), `#!/bin/sh
PATH=/bin
mount -t proc proc /proc
echo "the arguments: $(cat /proc/cmdline)"
echo "the secret: $(cat /.initrd-secrets/etc/key)"
poweroff -f
`)
	if err != nil {
		t.Fatal(err)
	}
	put("store/"+item(9, "boot")+"/bzImage", string(linux))
	put("store/"+item(9, "boot")+"/initrd", string(initrd))
	graph := "/nix/store/" + item(9, "boot") + "\n\n0\n"
	for n, name := range map[int]string{1: "system", 2: "system", 3: "variant"} {
		at := "store/" + item(n, name)
		put(at+"/init", "#!/bin/sh\n")
		put(at+"/kernel-params", fmt.Sprintf("panic=1 number=%d", n))
		put(at+"/nixos-version", fmt.Sprintf("25.0%d", n))
		put(at+"/append-initrd-secrets", "cp -a /root/key \"$tmp/.initrd-secrets//etc/key\"\n")
		links := map[string]string{"kernel": item(9, "boot") + "/bzImage", "initrd": item(9, "boot") + "/initrd"}
		references := []string{"/nix/store/" + item(9, "boot")}
		if n == 2 {
			put(at+"/specialisation/.keep", "")
			os.Remove(filepath.Join(dir, at, "specialisation/.keep"))
			links["specialisation/other"] = item(3, "variant")
			references = append(references, "/nix/store/"+item(3, "variant"))
		}
		for link, to := range links {
			if err := os.Symlink("/nix/store/"+to, filepath.Join(dir, at, link)); err != nil {
				t.Fatal(err)
			}
		}
		graph += fmt.Sprintf("/nix/store/%s\n\n%d\n%s\n", item(n, name), len(references), strings.Join(references, "\n"))
	}
	put("graph", graph)
	put("key", "opensesame\n")
	system := func(n int) string { return "/nix/store/" + item(n, "system") }
	disk, _ := build(t, fmt.Sprintf(`name: secrets
system: {path: %s, initrd-secrets: {/etc/key: {file: %s/key}}}
store: {closures: [{graph: %[2]s/graph, from: %[2]s/store}]}
disk:
  table: mbr
  partitions:
    - {name: root, filesystem: ext4, contents: {store: true}}
bootloader:
  grub: [bios]
  console: [ttyS0]
  timeout: 0
  default: generation-5-specialisation-other
  generations: [{number: 5, path: %s}, {number: 7, path: %s}]
`, system(2), dir, system(2), system(1)), "raw")
	m := boot(t, disk, vm.BIOS)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for _, want := range []string{"number=3 console=ttyS0", "the secret: opensesame"} {
		if _, err := m.WaitFor(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Wait(ctx); err != nil {
		t.Error(err)
	}
}
