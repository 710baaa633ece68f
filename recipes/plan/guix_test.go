package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/recipes"
	"ingot/tests/fstest"
)

const guixParameters = `(boot-parameters
 (version 0)
 (label "GNU with Linux-Libre 6.1")
 (root-device (file-system-label "Guix_image"))
 (kernel "/gnu/store/00000000000000000000000000000001-linux/bzImage")
 (kernel-arguments ("quiet"))
 (initrd "/gnu/store/00000000000000000000000000000001-linux/initrd"))
`

// TestGuixSystem picks a Guix system up by its parameters, and warns where its root
// would not be found.
func TestGuixSystem(t *testing.T) {
	fstest.Judge(t, "grub-mkimage", "grub-common")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"store/00000000000000000000000000000001-linux/bzImage":     "kernel",
		"store/00000000000000000000000000000001-linux/initrd":      "initrd",
		"store/00000000000000000000000000000002-system/parameters": guixParameters,
		"graph": "/gnu/store/00000000000000000000000000000001-linux\n\n0\n" +
			"/gnu/store/00000000000000000000000000000002-system\n\n1\n/gnu/store/00000000000000000000000000000001-linux\n",
		"guix.yaml": `name: guix
system: /gnu/store/00000000000000000000000000000002-system
lint: {ignore: [initrd-unread]}
store: {flavour: guix, closures: [{graph: graph, from: store}]}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: root, filesystem: ext4, label: Guix_image, contents: {store: true}}
bootloader: {grub: [bios]}
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	try := func(set ...string) (*Plan, error) {
		r, err := recipes.Load(filepath.Join(dir, "guix.yaml"), set)
		if err != nil {
			t.Fatal(err)
		}
		return New(t.Context(), r, Host{Path: filepath.SplitList(os.Getenv("PATH"))})
	}
	plan := func(set ...string) *Plan {
		p, err := try(set...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan()
	e := p.Summary(0).Boot.Entries[0]
	if e.Kernel != "/gnu/store/00000000000000000000000000000001-linux/bzImage" || !strings.Contains(e.Arguments, "quiet") ||
		!strings.Contains(e.Arguments, "Guix_image") || strings.Contains(e.Arguments, "root=UUID") || len(p.Warnings) != 0 {
		t.Errorf("entry = %+v, warnings %q", e, p.Warnings)
	}
	_, err := try("disk.partitions.root.label=other")
	if want := `disk.partitions[1].label: the system looks for its root by the label "Guix_image" (parameters), and this file system has "other" (root-label); write label: Guix_image`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("with another label: %v; want %s", err, want)
	}
	// An ISO is found by its volume id, or by the date that is its UUID.
	for _, x := range []struct{ device, set, want string }{
		{`(file-system-label "Guix_image")`, "output.volume=Guix_image", ""},
		{`(file-system-label "Guix_image")`, "output.volume=GUIX_IMAGE", `output.volume: the system looks for its root by the label "Guix_image" (parameters), and this ISO has "GUIX_IMAGE" (volume-id); write volume: Guix_image`},
		{"(uuid iso9660 #vu8(50 48 50 54 49 49 50 49 48 50 48 51 48 52 48 53))", "output.uuid=2026-11-21-02-03-04-05", ""},
		{"(uuid iso9660 #vu8(50 48 50 54 49 49 50 49 48 50 48 51 48 52 48 53))", "output.uuid=2026-11-21-02-03-04-06", `output.uuid: the system looks for its root by the UUID "2026-11-21-02-03-04-05" (parameters), and this ISO has "2026-11-21-02-03-04-06" (volume-id); write uuid: '2026-11-21-02-03-04-05'`},
	} {
		text := strings.Replace(guixParameters, `(file-system-label "Guix_image")`, x.device, 1)
		if err := os.WriteFile(filepath.Join(dir, "store/00000000000000000000000000000002-system/parameters"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := try("output=iso", x.set)
		if x.want != "" {
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("ISO, root %s, %s: %v; want %s", x.device, x.set, err, x.want)
			}
			continue
		}
		if err != nil || len(p.Warnings) != 0 {
			t.Errorf("ISO, root %s, %s: %v", x.device, x.set, err)
			continue
		}
		// As (gnu build linux-boot) takes it, whatever the type.
		if got := p.Summary(0).Boot.Entries[0].Arguments; strings.Contains(x.device, "iso9660") && !strings.Contains(got, "root=32303236-3131-3231-3032-303330343035") {
			t.Errorf("ISO, root %s: arguments %s", x.device, got)
		}
	}
	none := strings.Replace(guixParameters, `(file-system-label "Guix_image")`, `"none"`, 1)
	if err := os.WriteFile(filepath.Join(dir, "store/00000000000000000000000000000002-system/parameters"), []byte(none), 0o644); err != nil {
		t.Fatal(err)
	}
	p = plan()
	if got := p.Summary(0).Boot.Entries[0].Arguments; strings.Contains(got, "root=") || len(p.Warnings) != 0 {
		t.Errorf("without a root device: arguments %s, warnings %q; want no root", got, p.Warnings)
	}
}

// TestGuixMenu puts the entries of a Guix system's bootloader-configuration into the menu, and its
// locale, as make-grub-configuration in gnu/bootloader/grub.scm does.
func TestGuixMenu(t *testing.T) {
	fstest.Judge(t, "grub-mkimage", "grub-common")
	dir := t.TempDir()
	const linux = "/gnu/store/00000000000000000000000000000001-linux"
	parameters := strings.TrimSuffix(guixParameters, ")\n") + `
 (locale "de_DE.utf8")
 (bootloader-menu-entries
  ((menu-entry (version 0) (label "Rescue") (device #f) (device-mount-point #f)
               (linux "` + linux + `/bzImage") (linux-arguments ("single")) (initrd "` + linux + `/initrd"))
   (menu-entry (version 0) (label "Other 'Guix'") (device (uuid dce "27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e")) (device-mount-point "/boot")
               (linux "/boot/vmlinuz") (linux-arguments ("root=/dev/sdb2" "quiet")) (initrd "/boot/initrd"))
   (menu-entry (version 0) (label "Debian") (device (label "debian")) (device-mount-point #f)
               (linux "/vmlinuz") (linux-arguments ()) (initrd "/initrd.img"))
   (menu-entry (version 0) (label "Memtest") (device #f) (device-mount-point #f)
               (linux "/boot/memtest.bin") (linux-arguments ()) (initrd "/boot/none"))
   (menu-entry (version 0) (label "Windows") (device (uuid fat "12BA-1F2C")) (device-mount-point "/boot/efi")
               (chain-loader "/boot/efi/EFI/Microsoft/bootmgfw.efi"))
   (menu-entry (version 0) (label "Disk") (device #f) (device-mount-point #f) (chain-loader "(hd1)+1"))
   (menu-entry (version 0) (label "Hurd") (device (label "hurd")) (device-mount-point #f)
               (multiboot-kernel "/boot/gnumach.gz") (multiboot-arguments ()) (multiboot-modules ())))))
`
	write(t, filepath.Join(dir, "store", filepath.Base(linux), "bzImage"), "kernel")
	write(t, filepath.Join(dir, "store", filepath.Base(linux), "initrd"), "initrd")
	write(t, filepath.Join(dir, "store/00000000000000000000000000000002-system/parameters"), parameters)
	write(t, filepath.Join(dir, "graph"), linux+"\n\n0\n/gnu/store/00000000000000000000000000000002-system\n\n1\n"+linux+"\n")
	write(t, filepath.Join(dir, "translations/share/locale/de/LC_MESSAGES/grub.mo"), "messages")
	p, err := plan(t, dir, `name: guix
system: /gnu/store/00000000000000000000000000000002-system
lint: {ignore: [initrd-unread]}
store: {flavour: guix, closures: [{graph: graph, from: store}]}
disk:
  table: mbr
  partitions:
    - {name: root, filesystem: ext4, label: Guix_image, contents: {store: true}}
bootloader: {grub: {platforms: [bios], from: [/usr, translations]}, console: [ttyS0]}
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Warnings) != 2 || !strings.Contains(p.Warnings[0], `the menu lacks entry "Disk" of the Guix system: "(hd1)+1" names a disk by the number`) ||
		!strings.Contains(p.Warnings[1], `the menu lacks entry "Hurd" of the Guix system: it starts by multiboot`) {
		t.Errorf("warnings = %q; want one of the disk and one of the Hurd", p.Warnings)
	}
	root := readRoot(t, p)
	rest := menuOf(t, root)
	for _, want := range []string{
		"set locale_dir=$prefix/locale\nset lang=de\n",
		"menuentry 'GNU with Linux-Libre 6.1' --id entry-1 {\n",
		"menuentry Rescue --id entry-2 {\n\tlinux " + linux + "/bzImage root=UUID=", " single console=ttyS0,115200\n\tinitrd " + linux + "/initrd\n}",
		`menuentry 'Other '\''Guix'\''' --id entry-3 {` + "\n\tsearch --no-floppy --fs-uuid --set=root 27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e\n\tlinux /vmlinuz root=/dev/sdb2 quiet\n\tinitrd /initrd\n}",
		"menuentry Debian --id entry-4 {\n\tsearch --no-floppy --label --set=root debian\n\tlinux /vmlinuz\n\tinitrd /initrd.img\n}",
		"menuentry Memtest --id entry-5 {\n\tsearch --no-floppy --file --set=root /boot/memtest.bin\n\tlinux /boot/memtest.bin\n\tinitrd /boot/none\n}",
		"menuentry Windows --id entry-6 {\n\tsearch --no-floppy --fs-uuid --set=root 12BA-1F2C\n\tchainloader /EFI/Microsoft/bootmgfw.efi\n}\n",
	} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("the menu has no %q at its place:\n%s", want, menuOf(t, root))
		}
		rest = after
	}
	if rest != "" {
		t.Errorf("behind the entries the menu has %q", rest)
	}
	if root.Lookup("/boot/grub/locale/de.mo") == nil {
		t.Error("there is no /boot/grub/locale/de.mo")
	}
}

// TestGuixElsewhere refuses systems whose root is on no disk, and kernels in another store.
func TestGuixElsewhere(t *testing.T) {
	dir := t.TempDir()
	const linux, toplevel = "00000000000000000000000000000001-linux", "00000000000000000000000000000002-system"
	write(t, filepath.Join(dir, "store", linux, "bzImage"), "kernel")
	write(t, filepath.Join(dir, "store", linux, "initrd"), "initrd")
	write(t, filepath.Join(dir, "graph"), "/gnu/store/"+linux+"\n\n0\n/gnu/store/"+toplevel+"\n\n1\n/gnu/store/"+linux+"\n")
	for _, x := range []struct{ from, to, fstab, want string }{
		{`(file-system-label "Guix_image")`, `"server:/export/root"`, "server:/export/root\t/\tnfs\tdefaults\t0\t0\n", `mounts its root from another machine, "server:/export/root"`},
		{`(file-system-label "Guix_image")`, `"tmpfs"`, "none\t/\ttmpfs\tdefaults\t0\t0\n", "has its root in memory"},
		{`(file-system-label "Guix_image")`, `"tmpfs"`, "none\t/\ttmpfs\tdefaults\t0\t0\nLABEL=Guix_image\t/gnu\text4\tdefaults\t0\t0\n", ""},
		{"/gnu/store/", "/opt/gnu/store/", "LABEL=Guix_image\t/\text4\tdefaults\t0\t0\n", "kernel: /opt/gnu/store/" + linux + "/bzImage lies outside of /gnu/store"},
	} {
		write(t, filepath.Join(dir, "store", toplevel, "parameters"), strings.Replace(guixParameters, x.from, x.to, 1))
		write(t, filepath.Join(dir, "store", toplevel, "etc/fstab"), x.fstab)
		_, err := plan(t, dir, `name: guix
system: /gnu/store/`+toplevel+`
store: {flavour: guix, closures: [{graph: graph, from: store}]}
disk:
  table: mbr
  partitions:
    - {name: root, filesystem: ext4, label: Guix_image, contents: {store: true}}
bootloader: {grub: [bios]}
`)
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("root %s, fstab %q: %v; want %q", x.to, x.fstab, err, x.want)
		}
	}
}
