package digests

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// store is the disk that all outputs are made of, in a flavour of stores.
const store = `name: store
system: {kernel: kernel, program: program, modules: [loop], hooks: {pre-mount: "echo pre\n", post-boot: "echo post\n"}}
store:
  flavour: %[1]s
  closures: [{graph: %[1]s.graph, from: items}]
  add: [{name: added, source: added}, {name: unpacked, source: tool_1.0_amd64.deb, unpack: true}]
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: esp, type: esp, filesystem: fat, label: ESP, size: fit+4MiB}
    - {name: swap, filesystem: swap, label: swap, size: 2MiB}
    - name: root
      filesystem: ext4
      label: root
      size: fit+8MiB
      contents:
        store: true
        files:
          - {path: /etc/motd, text: "hello\n", mode: 0640}
          - {path: /dev/console, device: 'c 5:1', mode: 0600}
          - {path: /srv, directory: true, xattrs: {user.a: b}}
          - {path: /etc/link, link: motd}
          - {path: /boot/other, text: a kernel}
          - {path: /boot/one, text: one}
          - {path: /boot/two, text: two}
bootloader:
  grub: [bios, efi, efi32]
  timeout: 3
  console: [tty0, "ttyS0,115200"]
  arguments: [quiet, "a=b c"]
  entries: [{title: "Another's", kernel: /boot/other, initrd: [/boot/one, /boot/two], submenu: Older}]
`

// disks are small disks whose tables, sectors and file systems differ.
var disks = map[string]string{
	"gpt": `
  table: gpt
  partitions:
    - {name: esp, type: esp, filesystem: fat, size: 33MiB, contents: {files: [{path: /EFI/a, text: a}]}}
    - {name: home, type: home, filesystem: ext4, journal: false, inodes: 1000, reserved: 5, size: 4MiB, contents: {files: [{path: /b, text: b, uid: 7, gid: 70000}]}}
    - {name: swap, filesystem: swap, size: 1MiB}
    - {name: raw, source: program, type: 0FC63DAF-8483-4772-8E79-3D69D8477DE4, guid: f222513b-ded1-49fa-b591-20ce86a2fe7f}
`,
	"mbr": `
  table: mbr
  partitions:
    - {name: boot, filesystem: fat, bits: 16, size: 8MiB, flags: [boot], label: BOOT}
    - {name: swap, filesystem: swap, size: 2MiB}
    - {name: old, filesystem: ext4, size: 2MiB, features: {64bit: false, metadata_csum: false}}
    - {name: data, filesystem: fat, bits: 12, size: 2MiB}
    - {name: more, filesystem: ext4, size: 2MiB}
`,
	"hybrid": `
  table: hybrid
  partitions:
    - {name: boot, filesystem: fat, size: 8MiB, mbr: true, flags: [boot]}
    - {name: root, filesystem: ext4, size: 2MiB}
`,
	"placed": `
  table: gpt
  size: 64MiB
  align: 64KiB
  guid: 27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e
  raw: [{at: 17KiB, source: {from: tool_1.0_amd64.deb, file: usr/bin/tool}}]
  partitions:
    - {name: a, filesystem: ext4, start: 3MiB, size: 25%, contents: {from: added, hard-links: keep}}
    - {name: b, filesystem: fat, size: 75%, contents: {from: added}}
`,
}

// files are those of a disk without a system, which is made in formats without a table, too.
const files = `name: files
disk: {partitions: [{name: files, filesystem: ext4, contents: {from: added}}]}
output: {joliet: true}
`

// systems are systems that others made, with generations.
var systems = map[string]string{
	"nixos": `name: nixos
system: /nix/store/77777777777777777777777777777777-nixos-system-2
store: {closures: [{graph: nixos.graph, from: items}]}
disk:
  partitions:
    - {name: esp, type: esp, filesystem: fat, mount: /boot, size: 40MiB}
    - {name: root, filesystem: ext4, size: fit+4MiB, contents: {store: true}}
bootloader: {grub: [efi], generations: [/nix/store/66666666666666666666666666666666-nixos-system-1]}
`,
	"guix-system": `name: guix-system
system: /gnu/store/99999999999999999999999999999999-system
store: {flavour: guix, deduplicate: true, closures: [{graph: guix-system.graph, from: items}]}
disk:
  table: mbr
  partitions:
    - {name: root, filesystem: ext4, label: my-root, size: fit+4MiB, contents: {store: true}}
bootloader: {grub: [bios], generations: [/gnu/store/88888888888888888888888888888888-system]}
`}

// finished is a disk that a helper VM has to finish: what it is given is planned.
const finished = `name: finished
disk:
  partitions:
    - {name: btrfs, filesystem: btrfs, size: 200MiB}
    - {name: xfs, filesystem: xfs, size: 400MiB}
    - {name: f2fs, filesystem: f2fs, size: 100MiB}
`

// key is a public key for ssh.
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f digests"

func TestImages(t *testing.T) {
	in := newInputs(t)
	t.Run("shipped", in.shipped)
	t.Run("disks", in.disks)
	t.Run("systems", in.systems)
	for _, flavour := range []string{"nix", "guix"} {
		t.Run(flavour, func(t *testing.T) { in.outputs(t, flavour) })
		t.Run("register "+flavour, func(t *testing.T) { in.register(t, flavour) })
	}
}

// command is a run of ingot, which finds nothing of the host.
func (in inputs) command(t *testing.T, args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), in.ingot, args...)
	c.Dir = in.dir
	c.Env = []string{"PATH=" + filepath.Join(in.dir, "host/bin"), "HOME=" + in.dir, "XDG_RUNTIME_DIR=" + in.dir, "INGOT_KERNEL=kernel"}
	return c
}

// run runs ingot and returns its standard output.
func (in inputs) run(t *testing.T, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	c := in.command(t, args...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("ingot %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out
}

// build checks what is built of a recipe: a file and its manifest, or the files of a folder.
func (in inputs) build(t *testing.T, name, recipe, output string, args ...string) {
	t.Helper()
	in.run(t, append([]string{"build", recipe, "-o", output, "-q", "--no-sync"}, args...)...)
	file := filepath.Join(in.dir, output)
	entries, err := os.ReadDir(file)
	if err != nil { // it is no folder
		checkFile(t, name, file)
		checkFile(t, name+" manifest", file+".manifest.json")
		return
	}
	for _, e := range entries {
		checkFile(t, name+"/"+e.Name(), filepath.Join(file, e.Name()))
	}
}

// shipped are the recipes that are part of ingot, but for what they take of the host. The
// disk is a qcow2, since one of them has room for 10 GiB.
func (in inputs) shipped(t *testing.T) {
	var list []struct{ Name string }
	if err := json.Unmarshal(in.run(t, "recipes", "--json"), &list); err != nil {
		t.Fatal(err)
	}
	for _, recipe := range list {
		args := []string{"--set", "system.program=program"}
		switch recipe.Name {
		case "builder":
			args = append(args, "--set", "system.tools=[tool_1.0_amd64.deb]", "--ssh-key", key)
		case "rescue":
			args = append(args, "--set", "system.optional-tools=[tool_1.0_amd64.deb, missing.deb]")
		}
		t.Run(recipe.Name, func(t *testing.T) {
			for _, format := range []string{"qcow2", "iso"} {
				in.build(t, "shipped/"+recipe.Name+" "+format, recipe.Name, recipe.Name+"."+format, append(args, "--format", format)...)
			}
		})
	}
}

func (in inputs) disks(t *testing.T) {
	for table, disk := range disks {
		in.put(t, table+".yaml", 0o644, []byte("name: "+table+"\ndisk:"+disk))
		in.build(t, "disks/"+table, table+".yaml", table+".img")
	}
	for _, format := range []string{"ext4", "fat", "erofs", "squashfs", "iso"} {
		in.put(t, "files.yaml", 0o644, []byte(files))
		filesystem := map[string]string{"squashfs": "ext4", "iso": "ext4"}[format]
		if filesystem == "" {
			filesystem = format
		}
		in.build(t, "files/"+format, "files.yaml", "files."+format, "--set", "disk.partitions.files.filesystem="+filesystem)
	}
	in.put(t, "finished.yaml", 0o644, []byte(finished))
	var plan struct {
		Size       int64
		Partitions []struct {
			GUID, UUID  string
			Start, Size int64
		}
	}
	if err := json.Unmarshal(in.run(t, "plan", "finished.yaml", "--json"), &plan); err != nil {
		t.Fatal(err)
	}
	check(t, "disks/finished by a VM, planned", strings.NewReader(fmt.Sprintf("%+v\n", plan)))
}

// systems are outputs with systems that ingot takes as they are.
func (in inputs) systems(t *testing.T) {
	for name, recipe := range systems {
		in.put(t, name+".yaml", 0o644, []byte(recipe))
		in.build(t, name+"/raw", name+".yaml", name+".img")
		in.build(t, name+"/iso", name+".yaml", name+".iso", "--set", "lint.ignore=[volume-id]") // Guix looks for my-root
		check(t, name+"/tar", bytes.NewReader(in.run(t, "convert", name+".img", "-o", "-", "-q", "--format", "tar")))
	}
	in.build(t, "nixos/iso, squashfs", "nixos.yaml", "nixos.squashfs.iso", "--set", "output.store=squashfs")
	in.build(t, "nixos/kexec", "nixos.yaml", "nixos.kexec", "--format", "kexec")
	in.build(t, "nixos/netboot", "nixos.yaml", "nixos.netboot", "--format", "netboot")
}

// outputs are all that can be made of one disk.
func (in inputs) outputs(t *testing.T, flavour string) {
	recipe, raw, name := flavour+".yaml", flavour+".img", flavour+"/"
	in.put(t, recipe, 0o644, fmt.Appendf(nil, store, flavour))

	in.build(t, name+"raw", recipe, raw)
	checkFile(t, name+"raw, served", in.served(t, recipe))
	check(t, name+"raw, streamed", bytes.NewReader(in.run(t, "build", recipe, "-o", "-", "-q")))
	in.build(t, name+"qcow2", recipe, flavour+".qcow2")
	in.build(t, name+"qcow2, zlib", recipe, flavour+".zlib.qcow2", "--set", "output.compression=zlib")
	in.build(t, name+"qcow2, zstd", recipe, flavour+".zstd.qcow2", "--set", "output.compression=zstd")
	in.build(t, name+"iso", recipe, flavour+".iso")
	in.build(t, name+"iso, joliet", recipe, flavour+".joliet.iso", "--set", "output.joliet=true")
	in.build(t, name+"iso, squashfs", recipe, flavour+".squashfs.iso", "--set", "output.store=squashfs")
	in.build(t, name+"iso, erofs", recipe, flavour+".erofs.iso", "--set", "output.store=erofs")
	in.build(t, name+"netboot", recipe, flavour+".netboot", "--format", "netboot")
	in.build(t, name+"kexec", recipe, flavour+".kexec", "--format", "kexec")
	in.build(t, name+"netboot, erofs", recipe, flavour+".netboot-erofs", "--format", "netboot", "--set", "output.store=erofs")

	for _, as := range []string{"vdi", "vhd", "qcow2"} {
		check(t, name+"converted to "+as, bytes.NewReader(in.run(t, "convert", raw, "-o", "-", "-q", "--format", as)))
	}
	archive := in.run(t, "convert", recipe, "-o", "-", "-q", "--format", "tar")
	check(t, name+"tar", bytes.NewReader(archive))
	check(t, name+"tar, esp", bytes.NewReader(in.run(t, "convert", raw, "-o", "-", "-q", "--format", "tar", "--partition", "esp")))
	check(t, name+"docker", bytes.NewReader(in.run(t, "convert", raw, "-o", "-", "-q", "--format", "docker", "--tag", "store:1", "--entrypoint", "/init", "--env", "a=b")))
	checkFiles(t, name+"files/", archive)
	checkFiles(t, name+"iso files/", in.run(t, "convert", flavour+".iso", "-o", "-", "-q", "--format", "tar", "--partition", "/"))
}

// register has the closure registered in a root.
func (in inputs) register(t *testing.T, flavour string) {
	root := flavour + "-root"
	t.Cleanup(func() { // a store's folders are read-only, and t.TempDir removes them
		filepath.WalkDir(filepath.Join(in.dir, root), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(path, 0o755)
			}
			return err
		})
	})
	in.run(t, "register", "--root", root, "--flavour", flavour, "--graph", flavour+".graph", "--from", "items", "--copy", "-q", "--no-sync",
		"--add", "added=added", "--gc-root", "app=notes", "--profile", "system=notes")
	checkFile(t, flavour+"/registered database", filepath.Join(in.dir, root, map[string]string{
		"nix": "nix/var/nix/db/db.sqlite", "guix": "var/guix/db/db.sqlite"}[flavour]))
}

// checkFiles checks those files of an archive that ingot writes the text of: GRUB's menus,
// databases and the initial RAM disk, which is unpacked.
func checkFiles(t *testing.T, name string, archive []byte) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	for found := 0; ; {
		h, err := r.Next()
		if err == io.EOF {
			if found < 3 {
				t.Errorf("%s: %d files are compared; want a menu, a database and an initial RAM disk", name, found)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		base := path.Base(h.Name)
		switch {
		case strings.Contains(base, "-initrd-"):
			plain, err := zstd.NewReader(r)
			if err != nil {
				t.Fatal(err)
			}
			check(t, name+"initrd, unpacked", plain)
			plain.Close()
		case base == "db.sqlite" || path.Ext(base) == ".cfg" || strings.HasPrefix(h.Name, "etc/"):
			check(t, name+h.Name, r)
		default:
			continue
		}
		found++
	}
}

// served is the file of what a client of NBD reads.
func (in inputs) served(t *testing.T, recipe string) string {
	t.Helper()
	socket, file := filepath.Join(in.dir, recipe+".nbd"), filepath.Join(in.dir, recipe+".served")
	serve := in.command(t, "serve", recipe, "-q", "--once", "--socket", socket)
	said, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Wait()
	if _, err := said.Read(make([]byte, 1)); err != nil { // the address, once it can be connected to
		t.Fatalf("serve: %v", err)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := readExport(conn, f); err != nil {
		t.Fatalf("NBD: %v", err)
	}
	return file
}

// readExport reads the default export, from its start to its end.
func readExport(conn io.ReadWriter, to io.Writer) error {
	be := binary.BigEndian
	hello := make([]byte, 18) // two magic numbers, and flags
	if _, err := io.ReadFull(conn, hello); err != nil {
		return err
	}
	const fixedNewstyle, noZeroes, exportName = 1, 2, 1
	option := append(be.AppendUint32(nil, fixedNewstyle|noZeroes), "IHAVEOPT"...)
	if _, err := conn.Write(append(be.AppendUint32(option, exportName), 0, 0, 0, 0)); err != nil {
		return err
	}
	export := make([]byte, 10) // size and flags
	if _, err := io.ReadFull(conn, export); err != nil {
		return err
	}
	const requestMagic, replyMagic, most = 0x25609513, 0x67446698, 1 << 20
	for off, size := int64(0), int64(be.Uint64(export)); off < size; {
		n := min(size-off, most)
		request := be.AppendUint32(nil, requestMagic)
		request = append(request, make([]byte, 12)...) // no flags, a read, handle 0
		request = be.AppendUint32(be.AppendUint64(request, uint64(off)), uint32(n))
		if _, err := conn.Write(request); err != nil {
			return err
		}
		reply := make([]byte, 16)
		if _, err := io.ReadFull(conn, reply); err != nil {
			return err
		}
		if be.Uint32(reply) != replyMagic || be.Uint32(reply[4:]) != 0 {
			return errors.New("a read fails")
		}
		if _, err := io.CopyN(to, conn, n); err != nil {
			return err
		}
		off += n
	}
	return nil
}
